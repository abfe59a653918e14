/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "planck.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_exp(double) __asm__("exp");
#define exp vm_exp
VECTOR double vm_expm1(double) __asm__("expm1");
#define expm1 vm_expm1
#endif

/* Forward.
 *
 *     r0 = 119104297.2/(v0**5*expm1(1438776877/100000/(v0*v1)))
 */
void planck_forward(ptrdiff_t n, const double *restrict wavelength, const double *restrict T,
                    double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = wavelength[i];
        const double v1 = T[i];

        const double t0 = v0*v0;
        const double t1 = t0*t0*v0*expm1(14387.76877/(v0*v1));

        out[i] = 119104297.2/t1;
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 */
void planck_backward(ptrdiff_t n, const double *restrict wavelength, const double *restrict T,
                     const double *restrict out_bar, double *restrict wavelength_bar,
                     double *restrict T_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = wavelength[i];
        const double v1 = T[i];
        const double v2 = out_bar[i];

        const double t0 = v0*v1;
        const double t1 = 14387.76877/t0;
        const double t2 = expm1(t1);
        const double t3 = v0*v0;
        const double t4 = t3*t3;
        const double t5 = t4*v0;
        const double t6 = t5*t2;
        const double t7 = v2/t6*(119104297.2/t6);
        const double t8 = t7*t5*exp(t1)/t0*t1;

        wavelength_bar[i] = -5.0*(t7*t2)*t4 + t8*v1;
        T_bar[i]          = t8*v0;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = 119104297.2/(v0**5*expm1(1438776877/100000/(v0*v1)))
 */
void planck_forward_backward(ptrdiff_t n, const double *restrict wavelength,
                             const double *restrict T, const double *restrict out_bar,
                             double *restrict out, double *restrict wavelength_bar,
                             double *restrict T_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = wavelength[i];
        const double v1 = T[i];
        const double v2 = out_bar[i];

        const double t0 = v0*v1;
        const double t1 = 14387.76877/t0;
        const double t2 = expm1(t1);
        const double t3 = v0*v0;
        const double t4 = t3*t3;
        const double t5 = t4*v0;
        const double t6 = t5*t2;
        const double t7 = 119104297.2/t6;
        const double t8 = v2/t6*t7;
        const double t9 = t8*t5*exp(t1)/t0*t1;

        out[i]            = t7;
        wavelength_bar[i] = -5.0*(t8*t2)*t4 + t9*v1;
        T_bar[i]          = t9*v0;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void planck_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    planck_forward(n, in[0], in[1], out[0]);
}

void planck_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    planck_backward(n, in[0], in[1], in[2], out[0], out[1]);
}

void planck_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    planck_forward_backward(n, in[0], in[1], in[2], out[0], out[1], out[2]);
}
