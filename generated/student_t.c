/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "student_t.h"

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
 *     r0 = 0.5*((v3 + 1)*log1p(((v0 - v1)/v2)**2/v3)) + log(v2)
 */
void student_t_forward(ptrdiff_t n, const double *restrict x, const double *restrict mu,
                       const double *restrict sigma, const double *restrict nu,
                       double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = mu[i];
        const double v2 = sigma[i];
        const double v3 = nu[i];

        const double t0 = (v0 - v1)/v2;
        const double t1 = 0.5*((v3 + 1.0)*vm_log1p(t0*t0/v3));

        out[i] = t1 + vm_log(v2);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = 2*(0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2*(1/v3))*(1/v3))*((v0 - v1)*(1/v2))*(1/v2)
 *     r1 = -2*(0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2*(1/v3))*(1/v3))*((v0 - v1)*(1/v2))*(1/v2)
 *     r2 = v4*(1/v2) - 2*(0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2*(1/v3))*(1/v3))*((v0 - v1)*(1/v2))*(1/v2)*((v0 - v1)*(1/v2))
 *     r3 = 0.5*v4*log1p(((v0 - v1)*(1/v2))**2*(1/v3)) - 0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2*(1/v3))*(1/v3)*(((v0 - v1)*(1/v2))**2*(1/v3))
 */
void student_t_backward(ptrdiff_t n, const double *restrict x, const double *restrict mu,
                        const double *restrict sigma, const double *restrict nu,
                        const double *restrict out_bar, double *restrict x_bar,
                        double *restrict mu_bar, double *restrict sigma_bar,
                        double *restrict nu_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = mu[i];
        const double v2 = sigma[i];
        const double v3 = nu[i];
        const double v4 = out_bar[i];

        const double t0 = 1.0/v2;
        const double t1 = (v0 - v1)*t0;
        const double t2 = 1.0/v3;
        const double t3 = t1*t1*t2;
        const double t4 = 0.5*v4;
        const double t5 = t4*(v3 + 1.0)/(1.0 + t3)*t2;
        const double t6 = 2.0*t5*t1*t0;

        x_bar[i]     = t6;
        mu_bar[i]    = -t6;
        sigma_bar[i] = v4*t0 - t6*t1;
        nu_bar[i]    = t4*vm_log1p(t3) - t5*t3;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = 0.5*((v3 + 1)*log1p(((v0 - v1)*(1/v2))**2*(1/v3))) + log(v2)
 *     r1 = 2*(0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2*(1/v3))*(1/v3))*((v0 - v1)*(1/v2))*(1/v2)
 *     r2 = -2*(0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2*(1/v3))*(1/v3))*((v0 - v1)*(1/v2))*(1/v2)
 *     r3 = v4*(1/v2) - 2*(0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2*(1/v3))*(1/v3))*((v0 - v1)*(1/v2))*(1/v2)*((v0 - v1)*(1/v2))
 *     r4 = 0.5*v4*log1p(((v0 - v1)*(1/v2))**2*(1/v3)) - 0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2*(1/v3))*(1/v3)*(((v0 - v1)*(1/v2))**2*(1/v3))
 */
void student_t_forward_backward(ptrdiff_t n, const double *restrict x, const double *restrict mu,
                                const double *restrict sigma, const double *restrict nu,
                                const double *restrict out_bar, double *restrict out,
                                double *restrict x_bar, double *restrict mu_bar,
                                double *restrict sigma_bar, double *restrict nu_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = mu[i];
        const double v2 = sigma[i];
        const double v3 = nu[i];
        const double v4 = out_bar[i];

        const double t0 = v3 + 1.0;
        const double t1 = 1.0/v2;
        const double t2 = (v0 - v1)*t1;
        const double t3 = 1.0/v3;
        const double t4 = t2*t2*t3;
        const double t5 = vm_log1p(t4);
        const double t6 = 0.5*v4;
        const double t7 = t6*t0/(1.0 + t4)*t3;
        const double t8 = 2.0*t7*t2*t1;

        out[i]       = 0.5*(t0*t5) + vm_log(v2);
        x_bar[i]     = t8;
        mu_bar[i]    = -t8;
        sigma_bar[i] = v4*t1 - t8*t2;
        nu_bar[i]    = t6*t5 - t7*t4;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void student_t_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    student_t_forward(n, in[0], in[1], in[2], in[3], out[0]);
}

void student_t_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    student_t_backward(n, in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2], out[3]);
}

void student_t_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    student_t_forward_backward(n, in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2], out[3],
                               out[4]);
}
