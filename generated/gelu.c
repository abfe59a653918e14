/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "gelu.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_erf(double) __asm__("erf");
#define erf vm_erf
VECTOR double vm_exp(double) __asm__("exp");
#define exp vm_exp
#endif

/* Forward.
 *
 *     r0 = 0.5*(v0*(1 + erf(1/sqrt(2)*v0)))
 */
void gelu_forward(ptrdiff_t n, const double *restrict x, double *restrict out)
{
    const double k0 = 0.7071067811865476; /* 1/sqrt(2) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];

        out[i] = 0.5*(v0*(1.0 + erf(k0*v0)));
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = 0.5*v1*(1 + erf(1/sqrt(2)*v0) + 2/sqrt(pi)*(1/sqrt(2))*v0*exp(-(1/sqrt(2)*v0)**2))
 */
void gelu_backward(ptrdiff_t n, const double *restrict x, const double *restrict out_bar,
                   double *restrict x_bar)
{
    const double k0 = 0.7071067811865476; /* 1/sqrt(2) */
    const double k1 = 0.7978845608028654; /* 2/sqrt(pi)*(1/sqrt(2)) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = k0*v0;
        const double t1 = 1.0 + erf(t0) + k1*v0*exp(-(t0*t0));

        x_bar[i] = 0.5*v1*t1;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = 0.5*(v0*(1 + erf(1/sqrt(2)*v0)))
 *     r1 = 0.5*v1*(1 + erf(1/sqrt(2)*v0) + 2/sqrt(pi)*(1/sqrt(2))*v0*exp(-(1/sqrt(2)*v0)**2))
 */
void gelu_forward_backward(ptrdiff_t n, const double *restrict x, const double *restrict out_bar,
                           double *restrict out, double *restrict x_bar)
{
    const double k0 = 0.7071067811865476; /* 1/sqrt(2) */
    const double k1 = 0.7978845608028654; /* 2/sqrt(pi)*(1/sqrt(2)) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = k0*v0;
        const double t1 = 1.0 + erf(t0);

        out[i]   = 0.5*(v0*t1);
        x_bar[i] = 0.5*v1*(t1 + k1*v0*exp(-(t0*t0)));
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
