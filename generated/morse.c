/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "morse.h"

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
 *     r0 = v1*expm1(v2*(v3 - v0))**2
 */
void morse_forward(ptrdiff_t n, const double *restrict r, const double *restrict depth,
                   const double *restrict a, const double *restrict arg3, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];
        const double v1 = depth[i];
        const double v2 = a[i];
        const double v3 = arg3[i];

        const double t0 = vm_expm1(v2*(v3 - v0));

        out[i] = v1*(t0*t0);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = -2*(v4*v1)*expm1(v2*(v3 - v0))*exp(v2*(v3 - v0))*v2
 *     r1 = v4*expm1(v2*(v3 - v0))**2
 *     r2 = 2*(v4*v1)*expm1(v2*(v3 - v0))*exp(v2*(v3 - v0))*(v3 - v0)
 *     r3 = 2*(v4*v1)*expm1(v2*(v3 - v0))*exp(v2*(v3 - v0))*v2
 */
void morse_backward(ptrdiff_t n, const double *restrict r, const double *restrict depth,
                    const double *restrict a, const double *restrict arg3,
                    const double *restrict out_bar, double *restrict r_bar,
                    double *restrict depth_bar, double *restrict a_bar, double *restrict r0_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];
        const double v1 = depth[i];
        const double v2 = a[i];
        const double v3 = arg3[i];
        const double v4 = out_bar[i];

        const double t0 = v3 - v0;
        const double t1 = v2*t0;
        const double t2 = vm_expm1(t1);
        const double t3 = 2.0*(v4*v1)*t2*vm_exp(t1);
        const double t4 = t3*v2;

        r_bar[i]     = -t4;
        depth_bar[i] = v4*(t2*t2);
        a_bar[i]     = t3*t0;
        r0_bar[i]    = t4;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = v1*expm1(v2*(v3 - v0))**2
 *     r1 = -2*(v4*v1)*expm1(v2*(v3 - v0))*exp(v2*(v3 - v0))*v2
 *     r2 = v4*expm1(v2*(v3 - v0))**2
 *     r3 = 2*(v4*v1)*expm1(v2*(v3 - v0))*exp(v2*(v3 - v0))*(v3 - v0)
 *     r4 = 2*(v4*v1)*expm1(v2*(v3 - v0))*exp(v2*(v3 - v0))*v2
 */
void morse_forward_backward(ptrdiff_t n, const double *restrict r, const double *restrict depth,
                            const double *restrict a, const double *restrict arg3,
                            const double *restrict out_bar, double *restrict out,
                            double *restrict r_bar, double *restrict depth_bar,
                            double *restrict a_bar, double *restrict r0_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];
        const double v1 = depth[i];
        const double v2 = a[i];
        const double v3 = arg3[i];
        const double v4 = out_bar[i];

        const double t0 = v3 - v0;
        const double t1 = v2*t0;
        const double t2 = vm_expm1(t1);
        const double t3 = t2*t2;
        const double t4 = 2.0*(v4*v1)*t2*vm_exp(t1);
        const double t5 = t4*v2;

        out[i]       = v1*t3;
        r_bar[i]     = -t5;
        depth_bar[i] = v4*t3;
        a_bar[i]     = t4*t0;
        r0_bar[i]    = t5;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void morse_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    morse_forward(n, in[0], in[1], in[2], in[3], out[0]);
}

void morse_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    morse_backward(n, in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2], out[3]);
}

void morse_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    morse_forward_backward(n, in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2], out[3],
                           out[4]);
}
