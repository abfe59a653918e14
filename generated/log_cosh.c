/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "log_cosh.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_cosh(double) __asm__("cosh");
VECTOR double vm_sinh(double) __asm__("sinh");
#else
#define vm_cosh cosh
#define vm_sinh sinh
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

/* log(u) + c/u with u = 1 + x as rounded and c what the rounding left out; near 0, f = x itself. */
INLINE double vm_log1p(double x)
{
    const double u = 1.0 + x;
    const double k = vm_exponent(u, 4503599627371519.0);
    const double left = x < 1.0 ? x - (u - 1.0) : 1.0 - (u - x);
    const double c = left*(1.0/u);
    const double m = vm_mantissa(u) - 1.0;
    const double y = vm_log_of_parts(k, k == 0.0 ? x : m, k == 0.0 ? 0.0 : c);
    const double finite = x < HUGE_VAL ? y : x;
    const double tiny = fabs(x) < 1e-300 ? x : finite;
    const double edge = x < -1.0 ? NAN : tiny;
    return x == -1.0 ? -HUGE_VAL : edge;
}

/* Forward.
 *
 *     r0 = log1p(2*sinh(0.5*v0)**2)
 */
void log_cosh_forward(ptrdiff_t n, const double *restrict r, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];

        const double t0 = vm_sinh(0.5*v0);

        out[i] = vm_log1p(2.0*(t0*t0));
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
        const double t1 = vm_sinh(t0);
        const double t2 = 2.0*v1/(1.0 + 2.0*(t1*t1))*t1*vm_cosh(t0);

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
        const double t1 = vm_sinh(t0);
        const double t2 = 2.0*(t1*t1);

        out[i]   = vm_log1p(t2);
        r_bar[i] = 2.0*v1/(1.0 + t2)*t1*vm_cosh(t0);
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
