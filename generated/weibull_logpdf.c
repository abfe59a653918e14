/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "weibull_logpdf.h"

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

/* exp(y*log(abs(x))) with a logarithm in two parts, l and l_low: an error in it counts y
 * times. With s = f/(2 + f), log(1 + f) = 2*s + s**3*(2/3 + z*P(z)) and z = s*s.
 */
INLINE double vm_pow(double x, double y)
{
    const double a = fabs(x);
    const double normal = a < 2.2250738585072014e-308 ? a*18014398509481984.0 : a;
    const double n = vm_exponent(normal, a < 2.2250738585072014e-308 ? 4503599627371573.0 : 4503599627371519.0);
    const double f = vm_mantissa(normal) - 1.0;

    const double d = 2.0 + f;
    const double r = 1.0/d;
    const double s = f*r;
    const double sd = s*d;
    const double s_low = r*((f - sd) - vm_left_out(s, d, sd) - s*(f - (d - 2.0)));
    const double z = s*s;
    const double z_low = vm_mad(2.0*s, s_low, vm_left_out(s, s, z));
    const double z2 = z*z;
    const double p = z*vm_mad(vm_mad(vm_mad(0.13285736807185045, z2, 0.1818180811902844), z2, 0.28571428571335183), z, vm_mad(vm_mad(vm_mad(0.1291601348306876, z2, 0.15385582535853312), z2, 0.22222222272118006), z2, 0.4000000000000003));
    const double q = 0.6666666666666666 + p;
    const double q_low = (0.6666666666666666 - q) + p + 3.700743415417188e-17;
    const double u = z*q;
    const double u_low = vm_mad(z, q_low, vm_mad(z_low, q, vm_left_out(z, q, u)));
    const double v = s*u;
    const double v_low = vm_mad(s, u_low, vm_mad(s_low, u, vm_left_out(s, u, v)));
    const double m = 2.0*s + v;
    const double m_low = (2.0*s - m) + v + vm_mad(2.0, s_low, v_low);
    const double h = n*0.6931471803691238;
    const double sum = h + m;
    const double l_low = (h - sum) + m + vm_mad(n, 1.9082149292705877e-10, m_low);
    const double finite = a < HUGE_VAL ? sum : a;
    const double l = a == 0.0 ? -HUGE_VAL : finite;

    const double w = fabs(y) > 1e30 ? copysign(1e30, y) : y;
    const double e = w*l;
    const double e_low = vm_mad(w, l_low, vm_left_out(w, l, e));
    const double t = vm_turns(e);
    const double g = vm_scaled(1.0 + vm_expm1_near_0(vm_rest(e, t) + e_low), t);
    const double low = e < -746.0 ? 0.0 : g;
    const double size = t > 6755399441058814.0 ? HUGE_VAL : low;

    /* Of a negative x a power is real where y is whole, and negative where y is odd. */
    const double half = 0.5*y;
    const uint64_t odd = ((rint(y) == y) & (rint(half) != half)) ? vm_bits(x) & UINT64_C(0x8000000000000000) : 0;
    const double sized = vm_real(vm_bits(size) ^ odd);
    const double some = ((x < 0.0) & (a < HUGE_VAL) & (rint(y) != y)) ? NAN : sized;
    return ((y == 0.0) | (x == 1.0)) ? 1.0 : some;
}

/* Forward.
 *
 *     r0 = log(v1*(1/v2)) + (v1 - 1)*log(v0*(1/v2)) - (v0*(1/v2))**v1
 */
void weibull_logpdf_forward(ptrdiff_t n, const double *restrict x, const double *restrict k,
                            const double *restrict scale, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = k[i];
        const double v2 = scale[i];

        const double t0 = 1.0/v2;
        const double t1 = v0*t0;
        const double t2 = vm_log(v1*t0) + (v1 - 1.0)*vm_log(t1);

        out[i] = t2 - vm_pow(t1, v1);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = (where(v1 == 0, 0, -v3*v1*(v0*(1/v2))**(v1 - 1)) + v3*(v1 - 1)/(v0*(1/v2)))*(1/v2)
 *     r1 = where(v0*(1/v2) == 0, 0, -log(v0*(1/v2))*v3*(v0*(1/v2))**v1) + log(v0*(1/v2))*v3 + v3/(v1*(1/v2))*(1/v2)
 *     r2 = -((where(v1 == 0, 0, -v3*v1*(v0*(1/v2))**(v1 - 1)) + v3*(v1 - 1)/(v0*(1/v2)))*v0 + v3/(v1*(1/v2))*v1)*(1/v2)*(1/v2)
 */
void weibull_logpdf_backward(ptrdiff_t n, const double *restrict x, const double *restrict k,
                             const double *restrict scale, const double *restrict out_bar,
                             double *restrict x_bar, double *restrict k_bar,
                             double *restrict scale_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = k[i];
        const double v2 = scale[i];
        const double v3 = out_bar[i];

        const double t0 = 1.0/v2;
        const double t1 = v1 - 1.0;
        const double t2 = v0*t0;
        const double t3 = vm_log(t2)*v3;
        const double t4 = -(v3*v1*vm_pow(t2, t1));
        const double t5 = (v1 == 0.0) ? 0.0 : t4;
        const double t6 = t5 + v3*t1/t2;
        const double t7 = v3/(v1*t0);
        const double t8 = -(t3*vm_pow(t2, v1));
        const double t9 = (t2 == 0.0) ? 0.0 : t8;

        x_bar[i]     = t6*t0;
        k_bar[i]     = t9 + (t3 + t7*t0);
        scale_bar[i] = -((t6*v0 + t7*v1)*t0*t0);
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = log(v1*(1/v2)) + (v1 - 1)*log(v0*(1/v2)) - (v0*(1/v2))**v1
 *     r1 = (where(v1 == 0, 0, -v3*v1*(v0*(1/v2))**(v1 - 1)) + v3*(v1 - 1)/(v0*(1/v2)))*(1/v2)
 *     r2 = where(v0*(1/v2) == 0, 0, -log(v0*(1/v2))*v3*(v0*(1/v2))**v1) + log(v0*(1/v2))*v3 + v3/(v1*(1/v2))*(1/v2)
 *     r3 = -((where(v1 == 0, 0, -v3*v1*(v0*(1/v2))**(v1 - 1)) + v3*(v1 - 1)/(v0*(1/v2)))*v0 + v3/(v1*(1/v2))*v1)*(1/v2)*(1/v2)
 */
void weibull_logpdf_forward_backward(ptrdiff_t n, const double *restrict x,
                                     const double *restrict k, const double *restrict scale,
                                     const double *restrict out_bar, double *restrict out,
                                     double *restrict x_bar, double *restrict k_bar,
                                     double *restrict scale_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = k[i];
        const double v2 = scale[i];
        const double v3 = out_bar[i];

        const double t0  = 1.0/v2;
        const double t1  = v1*t0;
        const double t2  = v1 - 1.0;
        const double t3  = v0*t0;
        const double t4  = vm_log(t3);
        const double t5  = vm_pow(t3, v1);
        const double t6  = t4*v3;
        const double t7  = -(v3*v1*vm_pow(t3, t2));
        const double t8  = (v1 == 0.0) ? 0.0 : t7;
        const double t9  = t8 + v3*t2/t3;
        const double t10 = v3/t1;
        const double t11 = -(t6*t5);
        const double t12 = (t3 == 0.0) ? 0.0 : t11;

        out[i]       = vm_log(t1) + t2*t4 - t5;
        x_bar[i]     = t9*t0;
        k_bar[i]     = t12 + (t6 + t10*t0);
        scale_bar[i] = -((t9*v0 + t10*v1)*t0*t0);
    }
}

/* The same functions for callers that hold the arrays in tables. */

void weibull_logpdf_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    weibull_logpdf_forward(n, in[0], in[1], in[2], out[0]);
}

void weibull_logpdf_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    weibull_logpdf_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2]);
}

void weibull_logpdf_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    weibull_logpdf_forward_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2], out[3]);
}
