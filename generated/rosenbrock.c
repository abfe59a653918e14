/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "rosenbrock.h"

/* Forward.
 *
 *     r0 = (1 - v0)**2 + 100*(v1 - v0**2)**2
 */
void rosenbrock_forward(ptrdiff_t n, const double *restrict x, const double *restrict y,
                        double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = y[i];

        const double t0 = 1.0 - v0;
        const double t1 = v1 - v0*v0;

        out[i] = t0*t0 + 100.0*(t1*t1);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = (-2*(200*v2*(v1 - v0**2)))*v0 - 2*v2*(1 - v0)
 *     r1 = 200*v2*(v1 - v0**2)
 */
void rosenbrock_backward(ptrdiff_t n, const double *restrict x, const double *restrict y,
                         const double *restrict out_bar, double *restrict x_bar,
                         double *restrict y_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = y[i];
        const double v2 = out_bar[i];

        const double t0 = 200.0*v2*(v1 - v0*v0);

        x_bar[i] = -2.0*t0*v0 - 2.0*v2*(1.0 - v0);
        y_bar[i] = t0;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = (1 - v0)**2 + 100*(v1 - v0**2)**2
 *     r1 = (-2*(200*v2*(v1 - v0**2)))*v0 - 2*v2*(1 - v0)
 *     r2 = 200*v2*(v1 - v0**2)
 */
void rosenbrock_forward_backward(ptrdiff_t n, const double *restrict x, const double *restrict y,
                                 const double *restrict out_bar, double *restrict out,
                                 double *restrict x_bar, double *restrict y_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = y[i];
        const double v2 = out_bar[i];

        const double t0 = 1.0 - v0;
        const double t1 = v1 - v0*v0;
        const double t2 = 200.0*v2*t1;

        out[i]   = t0*t0 + 100.0*(t1*t1);
        x_bar[i] = -2.0*t2*v0 - 2.0*v2*t0;
        y_bar[i] = t2;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void rosenbrock_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    rosenbrock_forward(n, in[0], in[1], out[0]);
}

void rosenbrock_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    rosenbrock_backward(n, in[0], in[1], in[2], out[0], out[1]);
}

void rosenbrock_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    rosenbrock_forward_backward(n, in[0], in[1], in[2], out[0], out[1], out[2]);
}
