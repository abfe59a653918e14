/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "log_cosh.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_cosh(double) __asm__("cosh");
#define cosh vm_cosh
VECTOR double vm_log1p(double) __asm__("log1p");
#define log1p vm_log1p
VECTOR double vm_sinh(double) __asm__("sinh");
#define sinh vm_sinh
#endif

/* Forward.
 *
 *     r0 = log1p(2*sinh(0.5*v0)**2)
 */
void log_cosh_forward(ptrdiff_t n, const double *restrict r, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];

        const double t0 = sinh(0.5*v0);

        out[i] = log1p(2.0*(t0*t0));
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = 2*v1/(1 + 2*sinh(0.5*v0)**2)*sinh(0.5*v0)*cosh(0.5*v0)
 */
void log_cosh_backward(ptrdiff_t n, const double *restrict r, const double *restrict out_bar,
                       double *restrict r_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];
        const double v1 = out_bar[i];

        const double t0 = 0.5*v0;
        const double t1 = sinh(t0);
        const double t2 = 2.0*v1/(1.0 + 2.0*(t1*t1))*t1*cosh(t0);

        r_bar[i] = t2;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = log1p(2*sinh(0.5*v0)**2)
 *     r1 = 2*v1/(1 + 2*sinh(0.5*v0)**2)*sinh(0.5*v0)*cosh(0.5*v0)
 */
void log_cosh_forward_backward(ptrdiff_t n, const double *restrict r,
                               const double *restrict out_bar, double *restrict out,
                               double *restrict r_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];
        const double v1 = out_bar[i];

        const double t0 = 0.5*v0;
        const double t1 = sinh(t0);
        const double t2 = 2.0*(t1*t1);

        out[i]   = log1p(t2);
        r_bar[i] = 2.0*v1/(1.0 + t2)*t1*cosh(t0);
    }
}

/* The same functions for callers that hold the arrays in tables. */

void log_cosh_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    log_cosh_forward(n, in[0], out[0]);
}

void log_cosh_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    log_cosh_backward(n, in[0], in[1], out[0]);
}

void log_cosh_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    log_cosh_forward_backward(n, in[0], in[1], out[0], out[1]);
}
