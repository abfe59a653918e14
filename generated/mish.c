/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "mish.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_cosh(double) __asm__("cosh");
#define cosh vm_cosh
VECTOR double vm_exp(double) __asm__("exp");
#define exp vm_exp
VECTOR double vm_log(double) __asm__("log");
#define log vm_log
VECTOR double vm_tanh(double) __asm__("tanh");
#define tanh vm_tanh
#endif

/* Forward.
 *
 *     r0 = v0*tanh(log(1 + exp(v0)))
 */
void mish_forward(ptrdiff_t n, const double *restrict x, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];

        out[i] = v0*tanh(log(1.0 + exp(v0)));
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = v1*(tanh(log(1 + exp(v0))) + v0/cosh(log(1 + exp(v0)))**2/(1 + exp(v0))*exp(v0))
 */
void mish_backward(ptrdiff_t n, const double *restrict x, const double *restrict out_bar,
                   double *restrict x_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = exp(v0);
        const double t1 = 1.0 + t0;
        const double t2 = log(t1);
        const double t3 = cosh(t2);

        x_bar[i] = v1*(tanh(t2) + v0/(t3*t3)/t1*t0);
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = v0*tanh(log(1 + exp(v0)))
 *     r1 = v1*(tanh(log(1 + exp(v0))) + v0/cosh(log(1 + exp(v0)))**2/(1 + exp(v0))*exp(v0))
 */
void mish_forward_backward(ptrdiff_t n, const double *restrict x, const double *restrict out_bar,
                           double *restrict out, double *restrict x_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = exp(v0);
        const double t1 = 1.0 + t0;
        const double t2 = log(t1);
        const double t3 = tanh(t2);
        const double t4 = cosh(t2);

        out[i]   = v0*t3;
        x_bar[i] = v1*(t3 + v0/(t4*t4)/t1*t0);
    }
}

/* The same functions for callers that hold the arrays in tables. */

void mish_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    mish_forward(n, in[0], out[0]);
}

void mish_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    mish_backward(n, in[0], in[1], out[0]);
}

void mish_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    mish_forward_backward(n, in[0], in[1], out[0], out[1]);
}
