/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "gelu_tanh.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_cosh(double) __asm__("cosh");
#define cosh vm_cosh
VECTOR double vm_tanh(double) __asm__("tanh");
#define tanh vm_tanh
#endif

/* Forward.
 *
 *     r0 = 0.5*(v0*(1 + tanh(sqrt(2/pi)*(v0 + 0.044715*v0**3))))
 */
void gelu_tanh_forward(ptrdiff_t n, const double *restrict x, double *restrict out)
{
    const double k0 = 0.7978845608028654; /* sqrt(2/pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];

        const double t0 = tanh(k0*(v0 + 0.044715*(v0*v0*v0)));

        out[i] = 0.5*(v0*(1.0 + t0));
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 */
void gelu_tanh_backward(ptrdiff_t n, const double *restrict x, const double *restrict out_bar,
                        double *restrict x_bar)
{
    const double k0 = 0.7978845608028654; /* sqrt(2/pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = v0*v0;
        const double t1 = k0*(v0 + 0.044715*(t0*v0));
        const double t2 = 0.5*v1;
        const double t3 = cosh(t1);
        const double t4 = t2*v0/(t3*t3)*k0;
        const double t5 = t2*(1.0 + tanh(t1)) + t4 + 0.134145*t4*t0;

        x_bar[i] = t5;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = 0.5*(v0*(1 + tanh(sqrt(2/pi)*(v0 + 0.044715*v0**3))))
 */
void gelu_tanh_forward_backward(ptrdiff_t n, const double *restrict x,
                                const double *restrict out_bar, double *restrict out,
                                double *restrict x_bar)
{
    const double k0 = 0.7978845608028654; /* sqrt(2/pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = v0*v0;
        const double t1 = k0*(v0 + 0.044715*(t0*v0));
        const double t2 = 1.0 + tanh(t1);
        const double t3 = 0.5*v1;
        const double t4 = cosh(t1);
        const double t5 = t3*v0/(t4*t4)*k0;

        out[i]   = 0.5*(v0*t2);
        x_bar[i] = t3*t2 + t5 + 0.134145*t5*t0;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void gelu_tanh_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    gelu_tanh_forward(n, in[0], out[0]);
}

void gelu_tanh_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    gelu_tanh_backward(n, in[0], in[1], out[0]);
}

void gelu_tanh_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    gelu_tanh_forward_backward(n, in[0], in[1], out[0], out[1]);
}
