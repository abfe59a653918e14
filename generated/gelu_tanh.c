/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "gelu_tanh.h"

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

/* 1/cosh(x)**2, the slope of tanh: 4*e/(1 + e)**2 with e = exp(-2*abs(x)). */
INLINE double vm_sech2(double x)
{
    const double e = vm_exp_falling(-2.0*fabs(x));
    return 4.0*e/vm_mad(e, e + 2.0, 1.0);
}

/* Forward.
 *
 *     r0 = 0.5*(v0*(1 + tanh(sqrt(2/pi)*(v0 + 0.044715*v0**3))))
 */
void gelu_tanh_forward(ptrdiff_t n, const double *restrict x, double *restrict out)
{
    const double k0 = 0.7978845608028654; /* sqrt(2/pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];

        const double t0 = vm_tanh(k0*(v0 + 0.044715*(v0*v0*v0)));

        out[i] = 0.5*(v0*(1.0 + t0));
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 */
void gelu_tanh_backward(ptrdiff_t n, const double *restrict x, const double *restrict out_bar,
                        double *restrict x_bar)
{
    const double k0 = 0.7978845608028654; /* sqrt(2/pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = v0*v0;
        const double t1 = k0*(v0 + 0.044715*(t0*v0));
        const double t2 = 0.5*v1;
        const double t3 = t2*v0*vm_sech2(t1)*k0;
        const double t4 = t2*(1.0 + vm_tanh(t1)) + t3 + 0.134145*t3*t0;

        x_bar[i] = t4;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = 0.5*(v0*(1 + tanh(sqrt(2/pi)*(v0 + 0.044715*v0**3))))
 */
void gelu_tanh_forward_backward(ptrdiff_t n, const double *restrict x,
                                const double *restrict out_bar, double *restrict out,
                                double *restrict x_bar)
{
    const double k0 = 0.7978845608028654; /* sqrt(2/pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = v0*v0;
        const double t1 = k0*(v0 + 0.044715*(t0*v0));
        const double t2 = 1.0 + vm_tanh(t1);
        const double t3 = 0.5*v1;
        const double t4 = t3*v0*vm_sech2(t1)*k0;

        out[i]   = 0.5*(v0*t2);
        x_bar[i] = t3*t2 + t4 + 0.134145*t4*t0;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void gelu_tanh_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    gelu_tanh_forward(n, in[0], out[0]);
}

void gelu_tanh_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    gelu_tanh_backward(n, in[0], in[1], out[0]);
}

void gelu_tanh_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    gelu_tanh_forward_backward(n, in[0], in[1], out[0], out[1]);
}
