/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "planck.h"

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

INLINE double vm_exp(double x)
{
    const double t = vm_turns(x);
    const double y = vm_scaled(1.0 + vm_expm1_near_0(vm_rest(x, t)), t);
    const double low = x < -746.0 ? 0.0 : y;
    return t > 6755399441058814.0 ? HUGE_VAL : low;
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

/* Forward.
 *
 *     r0 = 119104297.2/v0**5*(1/expm1(1438776877/100000/(v0*v1)))
 */
void planck_forward(ptrdiff_t n, const double *restrict wavelength, const double *restrict T,
                    double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = wavelength[i];
        const double v1 = T[i];

        const double t0 = v0*v0;
        const double t1 = 119104297.2/(t0*t0*v0)*(1.0/vm_expm1(14387.76877/(v0*v1)));

        out[i] = t1;
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

        const double t0  = v0*v1;
        const double t1  = 14387.76877/t0;
        const double t2  = v0*v0;
        const double t3  = t2*t2;
        const double t4  = t3*v0;
        const double t5  = 119104297.2/t4;
        const double t6  = 1.0/vm_expm1(t1);
        const double t7  = vm_exp(t1)*t6;
        const double t8  = 1.0 + t6;
        const double t9  = (t1 < 0.0) ? t7 : t8;
        const double t10 = v2*t5*t6*t9/t0*t1;

        wavelength_bar[i] = -5.0*(v2*t6/t4*t5)*t3 + t10*v1;
        T_bar[i]          = t10*v0;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = 119104297.2/v0**5*(1/expm1(1438776877/100000/(v0*v1)))
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

        const double t0  = v0*v1;
        const double t1  = 14387.76877/t0;
        const double t2  = v0*v0;
        const double t3  = t2*t2;
        const double t4  = t3*v0;
        const double t5  = 119104297.2/t4;
        const double t6  = 1.0/vm_expm1(t1);
        const double t7  = t5*t6;
        const double t8  = vm_exp(t1)*t6;
        const double t9  = 1.0 + t6;
        const double t10 = (t1 < 0.0) ? t8 : t9;
        const double t11 = t7*v2*t10/t0*t1;

        out[i]            = t7;
        wavelength_bar[i] = -5.0*(v2*t6/t4*t5)*t3 + t11*v1;
        T_bar[i]          = t11*v0;
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
