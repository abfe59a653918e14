/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "log_cosh.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

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

/* exp(x) = 2**n*exp(r) with x = n*log(2) + r and abs(r) <= log(2)/2. The whole number n stands in the last bits of
 * t, the sum of x/log(2) and a number whose last place is worth 1.
 */
INLINE double vm_turns(double x)
{
    return vm_mad(x, 1.4426950408889634, 6755399441057790.0);
}

INLINE double vm_rest(double x, double t)
{
    const double n = t - 6755399441057790.0;
    return vm_mad(n, -1.9082149292705877e-10, vm_mad(n, -0.6931471803691238, x));
}

/* y*2**n, in two steps, for 2**n may be out of range where the result is not. */
INLINE double vm_scaled(double y, double t)
{
    const uint64_t n = vm_bits(t);
    const uint64_t half = n >> 1;
    return y*vm_real(half << 52)*vm_real((n - half) << 52);
}

/* exp(r) - 1 = r + r*r*P(r). */
INLINE double vm_expm1_near_0(double r)
{
    const double r2 = r*r;
    const double even = vm_mad(vm_mad(vm_mad(vm_mad(2.762017700730605e-07, r2, 2.480152104455908e-05), r2, 0.001388888891745479), r2, 0.04166666666662325), r2, 0.5000000000000001);
    const double odd = vm_mad(vm_mad(vm_mad(vm_mad(2.5068359575876418e-08, r2, 2.755735515632855e-06), r2, 0.0001984126978474989), r2, 0.008333333333356311), r2, 0.16666666666666644);
    return vm_mad(r2, vm_mad(odd, r, even), r);
}

/* exp(x) where x is not above 0. */
INLINE double vm_exp_falling(double x)
{
    const double t = vm_turns(x);
    const double y = vm_scaled(1.0 + vm_expm1_near_0(vm_rest(x, t)), t);
    return x < -746.0 ? 0.0 : y;
}

/* 2**n*exp(r) - 1 = 2**n*(exp(r) - 1) + (2**n - 1). */
INLINE double vm_expm1(double x)
{
    const double t = vm_turns(x);
    const double p = vm_expm1_near_0(vm_rest(x, t));
    const double s = vm_scaled(1.0, t);
    const double near = vm_mad(s, p, s - 1.0);
    const double large = x > 710.0 ? HUGE_VAL : vm_scaled(1.0 + p, t);
    const double y = x > 40.0 ? large : near;
    const double low = x < -40.0 ? -1.0 : y;
    return fabs(x) < 1e-300 ? x : low;
}

/* With e = exp(-2*abs(x)): tanh(abs(x)) = (1 - e)/(1 + e), where 1 - e does not cancel if it is taken from expm1. */
INLINE double vm_tanh(double x)
{
    const double a = -2.0*fabs(x);
    const double t = vm_turns(a);
    const double p = vm_expm1_near_0(vm_rest(a, t));
    const double s = vm_scaled(1.0, t);
    const double y = -vm_mad(s, p, s - 1.0)/(1.0 + vm_exp_falling(a));
    return copysign(a < -50.0 ? 1.0 : y, x);
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
 *     r0 = where(abs(v0) < 1, 0, abs(v0)) + log1p(where(abs(v0) < 1, 0.5*expm1(-abs(v0))**2/(1 + expm1(-abs(v0))), expm1(-abs(v0)) + 0.5*expm1(-abs(v0))**2))
 */
void log_cosh_forward(ptrdiff_t n, const double *restrict r, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];

        const double t0 = fabs(v0);
        const double t1 = vm_expm1(-t0);
        const double t2 = 0.5*(t1*t1);
        const int    c0 = t0 < 1.0;
        const double t3 = t2/(1.0 + t1);
        const double t4 = t1 + t2;
        const double t5 = c0 ? t3 : t4;
        const double t6 = c0 ? 0.0 : t0;

        out[i] = t6 + vm_log1p(t5);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = v1*tanh(v0)
 */
void log_cosh_backward(ptrdiff_t n, const double *restrict r, const double *restrict out_bar,
                       double *restrict r_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];
        const double v1 = out_bar[i];

        r_bar[i] = v1*vm_tanh(v0);
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = where(abs(v0) < 1, 0, abs(v0)) + log1p(where(abs(v0) < 1, 0.5*expm1(-abs(v0))**2/(1 + expm1(-abs(v0))), expm1(-abs(v0)) + 0.5*expm1(-abs(v0))**2))
 *     r1 = v1*tanh(v0)
 */
void log_cosh_forward_backward(ptrdiff_t n, const double *restrict r,
                               const double *restrict out_bar, double *restrict out,
                               double *restrict r_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];
        const double v1 = out_bar[i];

        const double t0 = fabs(v0);
        const double t1 = vm_expm1(-t0);
        const double t2 = 0.5*(t1*t1);
        const int    c0 = t0 < 1.0;
        const double t3 = t2/(1.0 + t1);
        const double t4 = t1 + t2;
        const double t5 = c0 ? t3 : t4;
        const double t6 = c0 ? 0.0 : t0;

        out[i]   = t6 + vm_log1p(t5);
        r_bar[i] = v1*vm_tanh(v0);
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
