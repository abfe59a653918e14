/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "line.h"

/* Forward.
 *
 *     r0 = v0*v1 + v2
 */
void line_forward(ptrdiff_t n, const double *restrict w, const double *restrict x,
                  const double *restrict b, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = w[i];
        const double v1 = x[i];
        const double v2 = b[i];

        out[i] = v0*v1 + v2;
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = v3*v1
 *     r1 = v3*v0
 *     r2 = v3
 */
void line_backward(ptrdiff_t n, const double *restrict w, const double *restrict x,
                   const double *restrict b, const double *restrict out_bar, double *restrict w_bar,
                   double *restrict x_bar, double *restrict b_bar)
{
    (void)b;

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = w[i];
        const double v1 = x[i];
        const double v3 = out_bar[i];

        w_bar[i] = v3*v1;
        x_bar[i] = v3*v0;
        b_bar[i] = v3;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = v0*v1 + v2
 *     r1 = v3*v1
 *     r2 = v3*v0
 *     r3 = v3
 */
void line_forward_backward(ptrdiff_t n, const double *restrict w, const double *restrict x,
                           const double *restrict b, const double *restrict out_bar,
                           double *restrict out, double *restrict w_bar, double *restrict x_bar,
                           double *restrict b_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = w[i];
        const double v1 = x[i];
        const double v2 = b[i];
        const double v3 = out_bar[i];

        out[i]   = v0*v1 + v2;
        w_bar[i] = v3*v1;
        x_bar[i] = v3*v0;
        b_bar[i] = v3;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void line_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    line_forward(n, in[0], in[1], in[2], out[0]);
}

void line_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    line_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2]);
}

void line_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    line_forward_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2], out[3]);
}
