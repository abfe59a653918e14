/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "normal_logpdf.h"

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

/* Forward.
 *
 *     r0 = -0.5*((v0 - v1)/v2)**2 - log(v2) - 0.5*log(2*pi)
 */
void normal_logpdf_forward(ptrdiff_t n, const double *restrict x, const double *restrict mu,
                           const double *restrict sigma, double *restrict out)
{
    const double k0 = 0.9189385332046728; /* 0.5*log(2*pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = mu[i];
        const double v2 = sigma[i];

        const double t0 = (v0 - v1)/v2;

        out[i] = -0.5*(t0*t0) - vm_log(v2) - k0;
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = -v3*(1/v2)*((v0 - v1)*(1/v2))
 *     r1 = v3*(1/v2)*((v0 - v1)*(1/v2))
 *     r2 = v3*(1/v2)*((v0 - v1)*(1/v2))*((v0 - v1)*(1/v2)) - v3*(1/v2)
 */
void normal_logpdf_backward(ptrdiff_t n, const double *restrict x, const double *restrict mu,
                            const double *restrict sigma, const double *restrict out_bar,
                            double *restrict x_bar, double *restrict mu_bar,
                            double *restrict sigma_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = mu[i];
        const double v2 = sigma[i];
        const double v3 = out_bar[i];

        const double t0 = 1.0/v2;
        const double t1 = (v0 - v1)*t0;
        const double t2 = v3*t0;
        const double t3 = t2*t1;

        x_bar[i]     = -t3;
        mu_bar[i]    = t3;
        sigma_bar[i] = t3*t1 - t2;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = -0.5*((v0 - v1)*(1/v2))**2 - log(v2) - 0.5*log(2*pi)
 *     r1 = -v3*(1/v2)*((v0 - v1)*(1/v2))
 *     r2 = v3*(1/v2)*((v0 - v1)*(1/v2))
 *     r3 = v3*(1/v2)*((v0 - v1)*(1/v2))*((v0 - v1)*(1/v2)) - v3*(1/v2)
 */
void normal_logpdf_forward_backward(ptrdiff_t n, const double *restrict x,
                                    const double *restrict mu, const double *restrict sigma,
                                    const double *restrict out_bar, double *restrict out,
                                    double *restrict x_bar, double *restrict mu_bar,
                                    double *restrict sigma_bar)
{
    const double k0 = 0.9189385332046728; /* 0.5*log(2*pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = mu[i];
        const double v2 = sigma[i];
        const double v3 = out_bar[i];

        const double t0 = 1.0/v2;
        const double t1 = (v0 - v1)*t0;
        const double t2 = v3*t0;
        const double t3 = t2*t1;

        out[i]       = -0.5*(t1*t1) - vm_log(v2) - k0;
        x_bar[i]     = -t3;
        mu_bar[i]    = t3;
        sigma_bar[i] = t3*t1 - t2;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void normal_logpdf_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    normal_logpdf_forward(n, in[0], in[1], in[2], out[0]);
}

void normal_logpdf_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    normal_logpdf_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2]);
}

void normal_logpdf_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    normal_logpdf_forward_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2], out[3]);
}
