#include <stdio.h>

#include "line.h"

int main(void) {
    const double w[2] = {2.0, 3.0}, x[2] = {5.0, 7.0}, b[2] = {1.0, 1.0}, out_bar[2] = {1.0, 1.0};
    double out[2], w_bar[2], x_bar[2], b_bar[2];
    line_forward(2, w, x, b, out);
    line_backward(2, w, x, b, out_bar, w_bar, x_bar, b_bar);
    printf("%g %g; %g %g %g\n", out[0], out[1], w_bar[1], x_bar[1], b_bar[1]);
    return 0;
}
