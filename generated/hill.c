/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "hill.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_pow(double, double) __asm__("pow");
#else
#define vm_pow pow
#endif

#ifdef __GNUC__
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

/* Elementary functions without branches, so that loops vectorise. They count on IEEE 754: no -ffast-math. */

/* a*b + c, rounded once where the processor can. */
INLINE double vm_mad(double a, double b, double c)
{
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fma(a, b, c);
#else
    return a*b + c;
#endif
}

/* The bits of a number as a whole number, and back. */
INLINE uint64_t vm_bits(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

INLINE double vm_real(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* k*log(2) + log(1 + f) + low: with s = f/(2 + f), log(1 + f) = 2*s + s**3*P(s*s), written so that f, which is exact,
 * comes last (after Tang, ACM TOMS 16 (1990) 378).
 */
INLINE double vm_log_of_parts(double k, double f, double low)
{
    const double s = f/(2.0 + f);
    const double z = s*s;
    const double z2 = z*z;
    const double p = z*vm_mad(vm_mad(vm_mad(0.15331708423664647, z2, 0.2222221113408715), z2, 0.3999999999989982), z, vm_mad(vm_mad(vm_mad(0.14616639772385576, z2, 0.18182889402939845), z2, 0.2857142862593922), z2, 0.666666666666667));
    const double half = 0.5*f*f;
    const double rest = half - vm_mad(s, half + p, vm_mad(k, 1.9082149292705877e-10, low));
    return vm_mad(k, 0.6931471803691238, f - rest);
}

/* A number as 2**k*m with m from sqrt(1/2) to sqrt(2): k, shifted by `bias`, and m. */
INLINE double vm_exponent(double x, double bias)
{
    const uint64_t u = vm_bits(x) + UINT64_C(0x00095f619980c433);
    return vm_real(u >> 52 | UINT64_C(0x4330000000000000)) - bias;
}

INLINE double vm_mantissa(double x)
{
    const uint64_t u = vm_bits(x) + UINT64_C(0x00095f619980c433);
    return vm_real((u & UINT64_C(0x000fffffffffffff)) + UINT64_C(0x3fe6a09e667f3bcd));
}

INLINE double vm_log(double x)
{
    const double normal = x < 2.2250738585072014e-308 ? x*18014398509481984.0 : x;
    const double bias = x < 2.2250738585072014e-308 ? 4503599627371573.0 : 4503599627371519.0;
    const double y = vm_log_of_parts(vm_exponent(normal, bias), vm_mantissa(normal) - 1.0, 0.0);
    const double finite = x < HUGE_VAL ? y : x;
    const double edge = x < 0.0 ? NAN : finite;
    return x == 0.0 ? -HUGE_VAL : edge;
}

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

        const double t0 = vm_pow(v0, v2);

        out[i] = t0/(vm_pow(v1, v2) + t0);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = where(v2 == 0, 0, (v3*(1/(v1**v2 + v0**v2)) - v3*(1/(v1**v2 + v0**v2))*(v0**v2*(1/(v1**v2 + v0**v2))))*v2*v0**(v2 - 1))
 *     r1 = where(v2 == 0, 0, -v3*(1/(v1**v2 + v0**v2))*(v0**v2*(1/(v1**v2 + v0**v2)))*v2*v1**(v2 - 1))
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

        const double t0  = vm_pow(v1, v2);
        const double t1  = vm_pow(v0, v2);
        const double t2  = 1.0/(t0 + t1);
        const double t3  = v3*t2;
        const double t4  = t3*(t1*t2);
        const double t5  = t3 - t4;
        const int    c0  = v2 == 0.0;
        const double t6  = v2 - 1.0;
        const double t7  = -(t4*v2*vm_pow(v1, t6));
        const double t8  = c0 ? 0.0 : t7;
        const double t9  = t5*t1*vm_log(v0);
        const double t10 = (v0 == 0.0) ? 0.0 : t9;
        const double t11 = -(t4*t0*vm_log(v1));
        const double t12 = (v1 == 0.0) ? 0.0 : t11;
        const double t13 = t5*v2*vm_pow(v0, t6);
        const double t14 = c0 ? 0.0 : t13;

        L_bar[i] = t14;
        K_bar[i] = t8;
        n_bar[i] = t10 + t12;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = v0**v2*(1/(v1**v2 + v0**v2))
 *     r1 = where(v2 == 0, 0, (v3*(1/(v1**v2 + v0**v2)) - v3*(1/(v1**v2 + v0**v2))*(v0**v2*(1/(v1**v2 + v0**v2))))*v2*v0**(v2 - 1))
 *     r2 = where(v2 == 0, 0, -v3*(1/(v1**v2 + v0**v2))*(v0**v2*(1/(v1**v2 + v0**v2)))*v2*v1**(v2 - 1))
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

        const double t0  = vm_pow(v1, v2);
        const double t1  = vm_pow(v0, v2);
        const double t2  = 1.0/(t0 + t1);
        const double t3  = t1*t2;
        const double t4  = v3*t2;
        const double t5  = t4*t3;
        const double t6  = t4 - t5;
        const int    c0  = v2 == 0.0;
        const double t7  = v2 - 1.0;
        const double t8  = -(t5*v2*vm_pow(v1, t7));
        const double t9  = c0 ? 0.0 : t8;
        const double t10 = t6*t1*vm_log(v0);
        const double t11 = (v0 == 0.0) ? 0.0 : t10;
        const double t12 = -(t5*t0*vm_log(v1));
        const double t13 = (v1 == 0.0) ? 0.0 : t12;
        const double t14 = t6*v2*vm_pow(v0, t7);
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
