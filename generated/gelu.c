/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "gelu.h"

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

/* Forward.
 *
 *     r0 = 0.5*(v0*erfc(-1/sqrt(2)*v0))
 */
void gelu_forward(ptrdiff_t n, const double *restrict x, double *restrict out)
{
    const double k0 = 0.7071067811865476; /* 1/sqrt(2) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];

        out[i] = 0.5*(v0*vm_erfc(-(k0*v0)));
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = 0.5*v1*(erfc(-1/sqrt(2)*v0) + 2/sqrt(pi)*(1/sqrt(2))*v0*gauss(1/sqrt(2)*v0))
 */
void gelu_backward(ptrdiff_t n, const double *restrict x, const double *restrict out_bar,
                   double *restrict x_bar)
{
    const double k0 = 0.7071067811865476; /* 1/sqrt(2) */
    const double k1 = 0.7978845608028654; /* 2/sqrt(pi)*(1/sqrt(2)) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = k0*v0;
        const double t1 = 0.5*v1*(vm_erfc(-t0) + k1*v0*vm_gauss(t0));

        x_bar[i] = t1;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = 0.5*(v0*erfc(-1/sqrt(2)*v0))
 *     r1 = 0.5*v1*(erfc(-1/sqrt(2)*v0) + 2/sqrt(pi)*(1/sqrt(2))*v0*gauss(1/sqrt(2)*v0))
 */
void gelu_forward_backward(ptrdiff_t n, const double *restrict x, const double *restrict out_bar,
                           double *restrict out, double *restrict x_bar)
{
    const double k0 = 0.7071067811865476; /* 1/sqrt(2) */
    const double k1 = 0.7978845608028654; /* 2/sqrt(pi)*(1/sqrt(2)) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = out_bar[i];

        const double t0 = k0*v0;
        const double t1 = vm_erfc(-t0);

        out[i]   = 0.5*(v0*t1);
        x_bar[i] = 0.5*v1*(t1 + k1*v0*vm_gauss(t0));
    }
}

/* The same functions for callers that hold the arrays in tables. */

void gelu_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    gelu_forward(n, in[0], out[0]);
}

void gelu_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    gelu_backward(n, in[0], in[1], out[0]);
}

void gelu_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    gelu_forward_backward(n, in[0], in[1], out[0], out[1]);
}
