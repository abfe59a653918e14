/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "gelu.h"

#include <math.h>

/* Forward.
 *
 *     r0 = 0.5*(v0*(1 + erf(v0/sqrt(2))))
 */
void gelu_forward(ptrdiff_t n, const double *restrict x, double *restrict out)
{
    const double k0 = 1.4142135623730951; /* sqrt(2) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];

        out[i] = 0.5*(v0*(1.0 + erf(v0/k0)));
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = 0.5*(v1*(1 + erf(v0/sqrt(2)))) + 0.5*(v1*v0*(2/sqrt(pi))*exp(-(v0/sqrt(2))**2))/sqrt(2)
 */
void gelu_backward(ptrdiff_t n, const double *restrict x, const double *restrict out_bar,
                   double *restrict x_bar)
{
    const double k0 = 1.4142135623730951; /* sqrt(2) */
    const double k1 = 1.1283791670955126; /* 2/sqrt(pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = v0/k0;
        const double t1 = 0.5*(v1*(1.0 + erf(t0))) + 0.5*(v1*v0*k1*exp(-(t0*t0)))/k0;

        x_bar[i] = t1;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = 0.5*(v0*(1 + erf(v0/sqrt(2))))
 *     r1 = 0.5*(v1*(1 + erf(v0/sqrt(2)))) + 0.5*(v1*v0*(2/sqrt(pi))*exp(-(v0/sqrt(2))**2))/sqrt(2)
 */
void gelu_forward_backward(ptrdiff_t n, const double *restrict x, const double *restrict out_bar,
                           double *restrict out, double *restrict x_bar)
{
    const double k0 = 1.4142135623730951; /* sqrt(2) */
    const double k1 = 1.1283791670955126; /* 2/sqrt(pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = v0/k0;
        const double t1 = 1.0 + erf(t0);
        const double t2 = 0.5*(v1*t1) + 0.5*(v1*v0*k1*exp(-(t0*t0)))/k0;

        out[i]   = 0.5*(v0*t1);
        x_bar[i] = t2;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void gelu_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    gelu_forward(n, in[0], out[0]);
}

void gelu_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    gelu_backward(n, in[0], in[1], out[0]);
}

void gelu_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    gelu_forward_backward(n, in[0], in[1], out[0], out[1]);
}
