/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "damped.h"

#include <math.h>

/* Forward.
 *
 *     r0 = v0*exp(-v1*v3)*cos(v2*v3)
 */
void damped_forward(ptrdiff_t n, const double *restrict A, const double *restrict g,
                    const double *restrict w, const double *restrict t, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = A[i];
        const double v1 = g[i];
        const double v2 = w[i];
        const double v3 = t[i];

        out[i] = v0*exp(-(v1*v3))*cos(v2*v3);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = v4*cos(v2*v3)*exp(-v1*v3)
 *     r1 = -v4*cos(v2*v3)*v0*exp(-v1*v3)*v3
 *     r2 = -v4*(v0*exp(-v1*v3))*sin(v2*v3)*v3
 *     r3 = -(v4*(v0*exp(-v1*v3))*sin(v2*v3)*v2 + v4*cos(v2*v3)*v0*exp(-v1*v3)*v1)
 */
void damped_backward(ptrdiff_t n, const double *restrict A, const double *restrict g,
                     const double *restrict w, const double *restrict t,
                     const double *restrict out_bar, double *restrict A_bar, double *restrict g_bar,
                     double *restrict w_bar, double *restrict t_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = A[i];
        const double v1 = g[i];
        const double v2 = w[i];
        const double v3 = t[i];
        const double v4 = out_bar[i];

        const double t0 = exp(-(v1*v3));
        const double t1 = v2*v3;
        const double t2 = v4*cos(t1);
        const double t3 = v4*(v0*t0)*sin(t1);
        const double t4 = t2*v0*t0;

        A_bar[i] = t2*t0;
        g_bar[i] = -(t4*v3);
        w_bar[i] = -(t3*v3);
        t_bar[i] = -(t3*v2 + t4*v1);
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = v0*exp(-v1*v3)*cos(v2*v3)
 *     r1 = v4*cos(v2*v3)*exp(-v1*v3)
 *     r2 = -v4*cos(v2*v3)*v0*exp(-v1*v3)*v3
 *     r3 = -v4*(v0*exp(-v1*v3))*sin(v2*v3)*v3
 *     r4 = -(v4*(v0*exp(-v1*v3))*sin(v2*v3)*v2 + v4*cos(v2*v3)*v0*exp(-v1*v3)*v1)
 */
void damped_forward_backward(ptrdiff_t n, const double *restrict A, const double *restrict g,
                             const double *restrict w, const double *restrict t,
                             const double *restrict out_bar, double *restrict out,
                             double *restrict A_bar, double *restrict g_bar, double *restrict w_bar,
                             double *restrict t_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = A[i];
        const double v1 = g[i];
        const double v2 = w[i];
        const double v3 = t[i];
        const double v4 = out_bar[i];

        const double t0 = exp(-(v1*v3));
        const double t1 = v2*v3;
        const double t2 = cos(t1);
        const double t3 = v0*t0;
        const double t4 = v4*t2;
        const double t5 = v4*t3*sin(t1);
        const double t6 = t4*v0*t0;

        out[i]   = t3*t2;
        A_bar[i] = t4*t0;
        g_bar[i] = -(t6*v3);
        w_bar[i] = -(t5*v3);
        t_bar[i] = -(t5*v2 + t6*v1);
    }
}

/* The same functions for callers that hold the arrays in tables. */

void damped_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    damped_forward(n, in[0], in[1], in[2], in[3], out[0]);
}

void damped_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    damped_backward(n, in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2], out[3]);
}

void damped_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    damped_forward_backward(n, in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2], out[3],
                            out[4]);
}
