/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "black_scholes.h"

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

/* a*b - ab, what the rounding of a product to ab left out. */
INLINE double vm_left_out(double a, double b, double ab)
{
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fma(a, b, -ab);
#else
    const double s = 134217729.0*a; /* Dekker, Numerische Mathematik 18 (1971) 224 */
    const double t = 134217729.0*b;
    const double c = s - (s - a);
    const double d = t - (t - b);
    return ((c*d - ab) + c*(b - d) + (a - c)*d) + (a - c)*(b - d);
#endif
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

INLINE double vm_exp(double x)
{
    const double t = vm_turns(x);
    const double y = vm_scaled(1.0 + vm_expm1_near_0(vm_rest(x, t)), t);
    const double low = x < -746.0 ? 0.0 : y;
    return t > 6755399441058814.0 ? HUGE_VAL : low;
}

/* q*exp(-x*x), with what x*x leaves out. */
INLINE double vm_gauss_times(double x, double q)
{
    const double high = x*x;
    const double low = vm_left_out(x, x, high);
    const double t = vm_turns(-high);
    const double r = vm_rest(-high, t) - low;
    const double y = vm_scaled(vm_mad(q, vm_expm1_near_0(r), q), t);
    return high > 746.0 ? 0.0 : y;
}

INLINE double vm_gauss(double x)
{
    return vm_gauss_times(x, 1.0);
}

/* erfc(a) = exp(-a*a)*(1 + a*P(a)/Q(a))/(1 + sqrt(pi)*a) for a >= 0: a*P/Q stays below 0.2, and so does what errors
 * of P and Q count for. All coefficients are positive. erfc(-a) = 2 - erfc(a).
 */
INLINE double vm_erfc(double x)
{
    const double a = fabs(x);
    const double a2 = a*a;
    const double above = vm_mad(vm_mad(vm_mad(vm_mad(0.001385592651769238, a2, 0.06335712212636864), a2, 0.5985304883182377), a2, 1.1704987132076532), a, vm_mad(vm_mad(vm_mad(vm_mad(8.018765451905341e-05, a2, 0.011795001271324268), a2, 0.232906536901997), a2, 1.0529986775769036), a2, 0.6440746838099921));
    const double below = vm_mad(vm_mad(vm_mad(vm_mad(vm_mad(0.0025818575053871188, a2, 0.13401787786548172), a2, 1.5737649154663798), a2, 5.087909144699105), a2, 3.369948808370153), a, vm_mad(vm_mad(vm_mad(vm_mad(vm_mad(0.0001421289170413327, a2, 0.02326527147420113), a2, 0.5396801701802277), a2, 3.344177553813558), a2, 5.283155041886216), a2, 1.0));
    const double q = vm_mad(a, above, below)/(below*vm_mad(1.772453850905516, a, 1.0));
    const double right = vm_gauss_times(x, q);
    return x < 0.0 ? 2.0 - right : right;
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
 */
void black_scholes_forward(ptrdiff_t n, const double *restrict S, const double *restrict K,
                           const double *restrict r, const double *restrict sigma,
                           const double *restrict T, double *restrict out)
{
    const double k0 = 0.7071067811865476; /* 1/sqrt(2) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = S[i];
        const double v1 = K[i];
        const double v2 = r[i];
        const double v3 = sigma[i];
        const double v4 = T[i];

        const double t0 = vm_log(v0/v1) + (v2 + 0.5*(v3*v3))*v4;
        const double t1 = v3*sqrt(v4);
        const double t2 = t0/t1;
        const double t3 = v1*vm_exp(-(v2*v4))*vm_erfc(k0*(t1 - t2));

        out[i] = 0.5*(v0*vm_erfc(-(k0*t2)) - t3);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 */
void black_scholes_backward(ptrdiff_t n, const double *restrict S, const double *restrict K,
                            const double *restrict r, const double *restrict sigma,
                            const double *restrict T, const double *restrict out_bar,
                            double *restrict S_bar, double *restrict K_bar, double *restrict r_bar,
                            double *restrict sigma_bar, double *restrict T_bar)
{
    const double k0 = 0.7071067811865476; /* 1/sqrt(2) */
    const double k1 = 0.7978845608028654; /* 2/sqrt(pi)*(1/sqrt(2)) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = S[i];
        const double v1 = K[i];
        const double v2 = r[i];
        const double v3 = sigma[i];
        const double v4 = T[i];
        const double v5 = out_bar[i];

        const double t0  = v0/v1;
        const double t1  = v2 + 0.5*(v3*v3);
        const double t2  = sqrt(v4);
        const double t3  = v3*t2;
        const double t4  = 1.0/t3;
        const double t5  = (vm_log(t0) + t1*v4)*t4;
        const double t6  = k0*t5;
        const double t7  = k0*(t3 - t5);
        const double t8  = 0.5*v5;
        const double t9  = vm_exp(-(v2*v4))*(-0.5*v5);
        const double t10 = t9*vm_erfc(t7);
        const double t11 = t9*k1*v1*vm_gauss(t7);
        const double t12 = t10*v1;
        const double t13 = (t11 + k1*v0*t8*vm_gauss(t6))*t4;
        const double t14 = t11 + t13*t5;
        const double t15 = t13*v4;
        const double t16 = t13*t1 - (t12*v2 + t14*v3/(2.0*t2));
        const double t17 = t13/v0;

        S_bar[i]     = t8*vm_erfc(-t6) + t17;
        K_bar[i]     = t10 - t17*t0;
        r_bar[i]     = t15 - t12*v4;
        sigma_bar[i] = t15*v3 - t14*t2;
        T_bar[i]     = t16;
    }
}

/* Forward and backward in one pass.
 */
void black_scholes_forward_backward(ptrdiff_t n, const double *restrict S, const double *restrict K,
                                    const double *restrict r, const double *restrict sigma,
                                    const double *restrict T, const double *restrict out_bar,
                                    double *restrict out, double *restrict S_bar,
                                    double *restrict K_bar, double *restrict r_bar,
                                    double *restrict sigma_bar, double *restrict T_bar)
{
    const double k0 = 0.7071067811865476; /* 1/sqrt(2) */
    const double k1 = 0.7978845608028654; /* 2/sqrt(pi)*(1/sqrt(2)) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = S[i];
        const double v1 = K[i];
        const double v2 = r[i];
        const double v3 = sigma[i];
        const double v4 = T[i];
        const double v5 = out_bar[i];

        const double t0  = v0/v1;
        const double t1  = v2 + 0.5*(v3*v3);
        const double t2  = sqrt(v4);
        const double t3  = v3*t2;
        const double t4  = 1.0/t3;
        const double t5  = (vm_log(t0) + t1*v4)*t4;
        const double t6  = k0*t5;
        const double t7  = vm_erfc(-t6);
        const double t8  = vm_exp(-(v2*v4));
        const double t9  = k0*(t3 - t5);
        const double t10 = vm_erfc(t9);
        const double t11 = v1*t8;
        const double t12 = 0.5*v5;
        const double t13 = -0.5*v5;
        const double t14 = t13*t10*t8;
        const double t15 = k1*t13*t11*vm_gauss(t9);
        const double t16 = t14*v1;
        const double t17 = (t15 + k1*t12*v0*vm_gauss(t6))*t4;
        const double t18 = t15 + t17*t5;
        const double t19 = t17*v4;
        const double t20 = t17*t1 - (t16*v2 + t18*v3/(2.0*t2));
        const double t21 = t17/v0;

        out[i]       = 0.5*(v0*t7 - t11*t10);
        S_bar[i]     = t12*t7 + t21;
        K_bar[i]     = t14 - t21*t0;
        r_bar[i]     = t19 - t16*v4;
        sigma_bar[i] = t19*v3 - t18*t2;
        T_bar[i]     = t20;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void black_scholes_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    black_scholes_forward(n, in[0], in[1], in[2], in[3], in[4], out[0]);
}

void black_scholes_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    black_scholes_backward(n, in[0], in[1], in[2], in[3], in[4], in[5], out[0], out[1], out[2],
                           out[3], out[4]);
}

void black_scholes_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    black_scholes_forward_backward(n, in[0], in[1], in[2], in[3], in[4], in[5], out[0], out[1],
                                   out[2], out[3], out[4], out[5]);
}
