/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "huber.h"

#include <math.h>

/* Forward.
 *
 *     r0 = where(abs(v0) <= v1, 0.5*v0**2, v1*(abs(v0) - 0.5*v1))
 */
void huber_forward(ptrdiff_t n, const double *restrict r, const double *restrict delta,
                   double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];
        const double v1 = delta[i];

        const double t0 = fabs(v0);
        const double t1 = 0.5*(v0*v0);
        const double t2 = v1*(t0 - 0.5*v1);
        const double t3 = (t0 <= v1) ? t1 : t2;

        out[i] = t3;
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = where(not abs(v0) <= v1 and v0 != 0, where(v0 < 0, -v2*v1, v2*v1), 0) + where(abs(v0) <= v1, v2*v0, 0)
 *     r1 = where(abs(v0) <= v1, 0, v2*(abs(v0) - 0.5*v1) - 0.5*(v2*v1))
 */
void huber_backward(ptrdiff_t n, const double *restrict r, const double *restrict delta,
                    const double *restrict out_bar, double *restrict r_bar,
                    double *restrict delta_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];
        const double v1 = delta[i];
        const double v2 = out_bar[i];

        const double t0 = fabs(v0);
        const int    c0 = t0 <= v1;
        const double t1 = v2*v1;
        const double t2 = v2*(t0 - 0.5*v1) - 0.5*t1;
        const double t3 = c0 ? 0.0 : t2;
        const double t4 = -t1;
        const double t5 = (v0 < 0.0) ? t4 : t1;
        const double t6 = ((v0 != 0.0) & (!c0)) ? t5 : 0.0;
        const double t7 = v2*v0;
        const double t8 = c0 ? t7 : 0.0;

        r_bar[i]     = t6 + t8;
        delta_bar[i] = t3;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = where(abs(v0) <= v1, 0.5*v0**2, v1*(abs(v0) - 0.5*v1))
 *     r1 = where(not abs(v0) <= v1 and v0 != 0, where(v0 < 0, -v2*v1, v2*v1), 0) + where(abs(v0) <= v1, v2*v0, 0)
 *     r2 = where(abs(v0) <= v1, 0, v2*(abs(v0) - 0.5*v1) - 0.5*(v2*v1))
 */
void huber_forward_backward(ptrdiff_t n, const double *restrict r, const double *restrict delta,
                            const double *restrict out_bar, double *restrict out,
                            double *restrict r_bar, double *restrict delta_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];
        const double v1 = delta[i];
        const double v2 = out_bar[i];

        const double t0  = fabs(v0);
        const int    c0  = t0 <= v1;
        const double t1  = t0 - 0.5*v1;
        const double t2  = 0.5*(v0*v0);
        const double t3  = v1*t1;
        const double t4  = c0 ? t2 : t3;
        const double t5  = v2*v1;
        const double t6  = v2*t1 - 0.5*t5;
        const double t7  = c0 ? 0.0 : t6;
        const double t8  = -t5;
        const double t9  = (v0 < 0.0) ? t8 : t5;
        const double t10 = ((v0 != 0.0) & (!c0)) ? t9 : 0.0;
        const double t11 = v2*v0;
        const double t12 = c0 ? t11 : 0.0;

        out[i]       = t4;
        r_bar[i]     = t10 + t12;
        delta_bar[i] = t7;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void huber_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    huber_forward(n, in[0], in[1], out[0]);
}

void huber_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    huber_backward(n, in[0], in[1], in[2], out[0], out[1]);
}

void huber_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    huber_forward_backward(n, in[0], in[1], in[2], out[0], out[1], out[2]);
}
