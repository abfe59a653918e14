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

/* 1/(1 + exp(-x)), by one division: exp(r) = (R + r)/(R - r) with R = r/tanh(r/2) = 2 + r*r*P(r*r), so that with
 * A = 2**n*(R + r) and B = R - r the right is B/(A + B) and the left A/(A + B).
 */
INLINE double vm_expit(double x)
{
    const double size = fabs(x);
    const double down = size > 746.0 ? -746.0 : -size;
    const double t = vm_turns(down);
    const double r = vm_rest(down, t);
    const double r2 = r*r;
    const double ratio = vm_mad(vm_mad(vm_mad(vm_mad(vm_mad(4.143588406748068e-08, r2, -1.6534055193077857e-06), r2, 6.61375646722742e-05), r2, -0.0027777777777549598), r2, 0.1666666666666666), r2, 2.0);
    const double above = vm_scaled(ratio + r, t);
    const double below = ratio - r;
    const double q = 1.0/(above + below);
    const double left = above*q;
    const double right = below*q;
    return x < 0.0 ? left : right;
}

/* Forward.
 *
 *     r0 = v0*expit(2*sqrt(2/pi)*(v0 + 0.044715*v0**3))
 */
void gelu_tanh_forward(ptrdiff_t n, const double *restrict x, double *restrict out)
{
    const double k0 = 1.5957691216057308; /* 2*sqrt(2/pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];

        const double t0 = vm_expit(k0*(v0 + 0.044715*(v0*v0*v0)));

        out[i] = v0*t0;
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 */
void gelu_tanh_backward(ptrdiff_t n, const double *restrict x, const double *restrict out_bar,
                        double *restrict x_bar)
{
    const double k0 = 1.5957691216057308; /* 2*sqrt(2/pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = v0*v0;
        const double t1 = k0*(v0 + 0.044715*(t0*v0));
        const double t2 = v1*vm_expit(t1);
        const double t3 = t2*v0*vm_expit(-t1)*k0;

        x_bar[i] = t2 + t3 + 0.134145*t3*t0;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = v0*expit(2*sqrt(2/pi)*(v0 + 0.044715*v0**3))
 */
void gelu_tanh_forward_backward(ptrdiff_t n, const double *restrict x,
                                const double *restrict out_bar, double *restrict out,
                                double *restrict x_bar)
{
    const double k0 = 1.5957691216057308; /* 2*sqrt(2/pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = v0*v0;
        const double t1 = k0*(v0 + 0.044715*(t0*v0));
        const double t2 = vm_expit(t1);
        const double t3 = v1*t2;
        const double t4 = t3*v0*vm_expit(-t1)*k0;

        out[i]   = v0*t2;
        x_bar[i] = t3 + t4 + 0.134145*t4*t0;
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
