/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "hill.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_log(double) __asm__("log");
#define log vm_log
VECTOR double vm_pow(double, double) __asm__("pow");
#define pow vm_pow
#endif

/* Forward.
 *
 *     r0 = v0**v2/(v1**v2 + v0**v2)
 */
void hill_forward(ptrdiff_t n, const double *restrict L, const double *restrict K,
                  const double *restrict arg2, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = L[i];
        const double v1 = K[i];
        const double v2 = arg2[i];

        const double t0 = pow(v0, v2);

        out[i] = t0/(pow(v1, v2) + t0);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = where(v2 == 0, 0, (v3/(v1**v2 + v0**v2) - v3/(v1**v2 + v0**v2)*(v0**v2/(v1**v2 + v0**v2)))*v2*v0**(v2 - 1))
 *     r1 = where(v2 == 0, 0, -v3/(v1**v2 + v0**v2)*(v0**v2/(v1**v2 + v0**v2))*v2*v1**(v2 - 1))
 */
void hill_backward(ptrdiff_t n, const double *restrict L, const double *restrict K,
                   const double *restrict arg2, const double *restrict out_bar,
                   double *restrict L_bar, double *restrict K_bar, double *restrict n_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = L[i];
        const double v1 = K[i];
        const double v2 = arg2[i];
        const double v3 = out_bar[i];

        const double t0  = pow(v1, v2);
        const double t1  = pow(v0, v2);
        const double t2  = t0 + t1;
        const double t3  = v3/t2;
        const double t4  = t3*(t1/t2);
        const double t5  = t3 - t4;
        const int    c0  = v2 == 0.0;
        const double t6  = v2 - 1.0;
        const double t7  = -(t4*v2*pow(v1, t6));
        const double t8  = c0 ? 0.0 : t7;
        const double t9  = t5*t1*log(v0);
        const double t10 = (v0 == 0.0) ? 0.0 : t9;
        const double t11 = -(t4*t0*log(v1));
        const double t12 = (v1 == 0.0) ? 0.0 : t11;
        const double t13 = t5*v2*pow(v0, t6);
        const double t14 = c0 ? 0.0 : t13;

        L_bar[i] = t14;
        K_bar[i] = t8;
        n_bar[i] = t10 + t12;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = v0**v2/(v1**v2 + v0**v2)
 *     r1 = where(v2 == 0, 0, (v3/(v1**v2 + v0**v2) - v3/(v1**v2 + v0**v2)*(v0**v2/(v1**v2 + v0**v2)))*v2*v0**(v2 - 1))
 *     r2 = where(v2 == 0, 0, -v3/(v1**v2 + v0**v2)*(v0**v2/(v1**v2 + v0**v2))*v2*v1**(v2 - 1))
 */
void hill_forward_backward(ptrdiff_t n, const double *restrict L, const double *restrict K,
                           const double *restrict arg2, const double *restrict out_bar,
                           double *restrict out, double *restrict L_bar, double *restrict K_bar,
                           double *restrict n_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = L[i];
        const double v1 = K[i];
        const double v2 = arg2[i];
        const double v3 = out_bar[i];

        const double t0  = pow(v1, v2);
        const double t1  = pow(v0, v2);
        const double t2  = t0 + t1;
        const double t3  = t1/t2;
        const double t4  = v3/t2;
        const double t5  = t4*t3;
        const double t6  = t4 - t5;
        const int    c0  = v2 == 0.0;
        const double t7  = v2 - 1.0;
        const double t8  = -(t5*v2*pow(v1, t7));
        const double t9  = c0 ? 0.0 : t8;
        const double t10 = t6*t1*log(v0);
        const double t11 = (v0 == 0.0) ? 0.0 : t10;
        const double t12 = -(t5*t0*log(v1));
        const double t13 = (v1 == 0.0) ? 0.0 : t12;
        const double t14 = t6*v2*pow(v0, t7);
        const double t15 = c0 ? 0.0 : t14;

        out[i]   = t3;
        L_bar[i] = t15;
        K_bar[i] = t9;
        n_bar[i] = t11 + t13;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void hill_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    hill_forward(n, in[0], in[1], in[2], out[0]);
}

void hill_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    hill_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2]);
}

void hill_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    hill_forward_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2], out[3]);
}
