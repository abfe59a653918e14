/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "bce_logits.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_exp(double) __asm__("exp");
#define exp vm_exp
VECTOR double vm_log1p(double) __asm__("log1p");
#define log1p vm_log1p
#endif

/* The larger of two; NaN where one is NaN. */
static inline double larger(double a, double b)
{
    return ((a >= b) | (a != a)) ? a : b;
}

/* Forward.
 *
 *     r0 = max(v0, 0) - v0*v1 + log1p(exp(-abs(v0)))
 */
void bce_logits_forward(ptrdiff_t n, const double *restrict z, const double *restrict t,
                        double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = z[i];
        const double v1 = t[i];

        const double t0 = larger(v0, 0.0) - v0*v1 + log1p(exp(-fabs(v0)));

        out[i] = t0;
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = where(v0 == 0, 0, where(v0 < 0, v2/(1 + exp(-abs(v0)))*exp(-abs(v0)), -v2/(1 + exp(-abs(v0)))*exp(-abs(v0)))) - v2*v1 + where(0 < v0, v2, 0)
 *     r1 = -v2*v0
 */
void bce_logits_backward(ptrdiff_t n, const double *restrict z, const double *restrict t,
                         const double *restrict out_bar, double *restrict z_bar,
                         double *restrict t_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = z[i];
        const double v1 = t[i];
        const double v2 = out_bar[i];

        const double t0 = exp(-fabs(v0));
        const double t1 = v2/(1.0 + t0)*t0;
        const double t2 = -t1;
        const double t3 = (v0 < 0.0) ? t1 : t2;
        const double t4 = (v0 == 0.0) ? 0.0 : t3;
        const double t5 = (0.0 < v0) ? v2 : 0.0;

        z_bar[i] = t4 - v2*v1 + t5;
        t_bar[i] = -(v2*v0);
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = max(v0, 0) - v0*v1 + log1p(exp(-abs(v0)))
 *     r1 = where(v0 == 0, 0, where(v0 < 0, v2/(1 + exp(-abs(v0)))*exp(-abs(v0)), -v2/(1 + exp(-abs(v0)))*exp(-abs(v0)))) - v2*v1 + where(0 < v0, v2, 0)
 *     r2 = -v2*v0
 */
void bce_logits_forward_backward(ptrdiff_t n, const double *restrict z, const double *restrict t,
                                 const double *restrict out_bar, double *restrict out,
                                 double *restrict z_bar, double *restrict t_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = z[i];
        const double v1 = t[i];
        const double v2 = out_bar[i];

        const double t0 = exp(-fabs(v0));
        const double t1 = larger(v0, 0.0) - v0*v1 + log1p(t0);
        const double t2 = v2/(1.0 + t0)*t0;
        const double t3 = -t2;
        const double t4 = (v0 < 0.0) ? t2 : t3;
        const double t5 = (v0 == 0.0) ? 0.0 : t4;
        const double t6 = (0.0 < v0) ? v2 : 0.0;

        out[i]   = t1;
        z_bar[i] = t5 - v2*v1 + t6;
        t_bar[i] = -(v2*v0);
    }
}

/* The same functions for callers that hold the arrays in tables. */

void bce_logits_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    bce_logits_forward(n, in[0], in[1], out[0]);
}

void bce_logits_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    bce_logits_backward(n, in[0], in[1], in[2], out[0], out[1]);
}

void bce_logits_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    bce_logits_forward_backward(n, in[0], in[1], in[2], out[0], out[1], out[2]);
}
