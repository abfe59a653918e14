/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "damped.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __GNUC__
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

#ifdef __GNUC__
#define RARE static __attribute__((cold, noinline))
#else
#define RARE static
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

/* x = n*pi/2 + r with abs(r) <= pi/4, for abs(x) up to a limit. The whole number n stands in the last bits of t, the
 * sum of x*2/pi and a number whose last place is worth 1. Pieces of pi/2 make r right to its last place.
 */
#define VM_ANGLE_MAX 1647099.0

INLINE uint64_t vm_is_far(double x)
{
    return fabs(x) > VM_ANGLE_MAX;
}

INLINE double vm_quarters(double x)
{
    return vm_mad(x, 0.6366197723675814, 6755399441055744.0);
}

INLINE double vm_angle(double x, double t)
{
    const double n = t - 6755399441055744.0;
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fma(n, -1.0828566739219139e-32, __builtin_fma(n, -6.123233995736765e-17, __builtin_fma(n, -1.5707963267948966, x)));
#else
    return (((x - n*1.5707963267341256) - n*6.077100506303966e-11) - n*2.0222662487111665e-21) - n*8.47842766036889957e-32;
#endif
}

/* sin(r) = r*(1 + z*S(z)) and cos(r) = 1 - z/2 + z*z*C(z) with z = r*r. */
INLINE double vm_sin_near_0(double r)
{
    const double z = r*r;
    const double z2 = z*z;
    return r*vm_mad(vm_mad(vm_mad(vm_mad(1.5919275979160713e-10, z2, 2.755731622356832e-06), z2, 0.00833333333333131), z, vm_mad(vm_mad(-2.505115138316054e-08, z2, -0.0001984126983708634), z2, -0.16666666666666666)), z, 1.0);
}

INLINE double vm_cos_near_0(double r)
{
    const double z = r*r;
    const double z2 = z*z;
    const double p = vm_mad(vm_mad(vm_mad(-1.1381543392981442e-11, z2, -2.755731715835192e-07), z2, -0.0013888888888887061), z, vm_mad(vm_mad(2.0876127842772976e-09, z2, 2.4801587298460354e-05), z2, 0.041666666666666644));
    return vm_mad(vm_mad(p, z, -0.5), z, 1.0);
}

/* In quarter n of the circle: sin(r), cos(r), -sin(r), -cos(r). */
INLINE double vm_sin_turned(double t, double r)
{
    const uint64_t n = vm_bits(t);
    const double s = vm_sin_near_0(r);
    const double c = vm_cos_near_0(r);
    const uint64_t y = (n & 1) == 0 ? vm_bits(s) : vm_bits(c);
    return vm_real(y ^ (n >> 1) << 63);
}

INLINE double vm_sin(double x)
{
    const double t = vm_quarters(x);
    return vm_sin_turned(t, vm_angle(x, t));
}

/* In quarter n of the circle: cos(r), -sin(r), -cos(r), sin(r). */
INLINE double vm_cos_turned(double t, double r)
{
    const uint64_t n = vm_bits(t);
    const double s = vm_sin_near_0(r);
    const double c = vm_cos_near_0(r);
    const uint64_t y = (n & 1) == 0 ? vm_bits(c) : vm_bits(s);
    return vm_real(y ^ ((n + 1) >> 1) << 63);
}

INLINE double vm_cos(double x)
{
    const double t = vm_quarters(x);
    return vm_cos_turned(t, vm_angle(x, t));
}

/* Angles from here on are computed with what rounding them left out. */
#define VM_ANGLE_LONG 205887.0

INLINE uint64_t vm_is_long(double x)
{
    return fabs(x) > VM_ANGLE_LONG;
}

/* Of x + e, where x is long. */
INLINE double vm_sin_beside(double x, double e)
{
    const double t = vm_quarters(x);
    const double r = vm_angle(x, t);
    const double rest = fabs(e) < fabs(x) ? e : 0.0;
    if (!vm_is_far(x))
        return vm_sin_turned(t, vm_is_long(x) ? r + rest : r);
    return sin(x)*cos(rest) + cos(x)*sin(rest);
}

/* Of x + e, where x is long. */
INLINE double vm_cos_beside(double x, double e)
{
    const double t = vm_quarters(x);
    const double r = vm_angle(x, t);
    const double rest = fabs(e) < fabs(x) ? e : 0.0;
    if (!vm_is_far(x))
        return vm_cos_turned(t, vm_is_long(x) ? r + rest : r);
    return cos(x)*cos(rest) - sin(x)*sin(rest);
}

/* The same for points with angles so large that their reduction is the C library's, and that what rounding them left
 * out counts. */
RARE void damped_forward_far(ptrdiff_t i_start, ptrdiff_t i_end, const double *restrict A,
                             const double *restrict g, const double *restrict w,
                             const double *restrict t, double *restrict out)
{
    for (ptrdiff_t i = i_start; i < i_end; i++) {
        const double v0 = A[i];
        const double v1 = g[i];
        const double v2 = w[i];
        const double v3 = t[i];

        const double t0 = v2*v3;
        const double t1 = vm_cos_beside(t0, fma(v2, v3, -t0));

        out[i] = v0*vm_exp(-(v1*v3))*t1;
    }
}

/* Forward.
 *
 *     r0 = v0*exp(-v1*v3)*cos(v2*v3)
 */
void damped_forward(ptrdiff_t n, const double *restrict A, const double *restrict g,
                    const double *restrict w, const double *restrict t, double *restrict out)
{
    for (ptrdiff_t i_start = 0; i_start < n; i_start += 512) {
        const ptrdiff_t i_end = n - i_start < 512 ? n : i_start + 512;
        uint64_t any_far = 0;

        for (ptrdiff_t i = i_start; i < i_end; i++) {
            const double v0 = A[i];
            const double v1 = g[i];
            const double v2 = w[i];
            const double v3 = t[i];

            const double t0 = v2*v3;

            any_far |= vm_is_long(t0);

            out[i] = v0*vm_exp(-(v1*v3))*vm_cos(t0);
        }
        if (any_far)
            damped_forward_far(i_start, i_end, A, g, w, t, out);
    }
}

/* The same for points with angles so large that their reduction is the C library's, and that what rounding them left
 * out counts. */
RARE void damped_backward_far(ptrdiff_t i_start, ptrdiff_t i_end, const double *restrict A,
                              const double *restrict g, const double *restrict w,
                              const double *restrict t, const double *restrict out_bar,
                              double *restrict A_bar, double *restrict g_bar,
                              double *restrict w_bar, double *restrict t_bar)
{
    for (ptrdiff_t i = i_start; i < i_end; i++) {
        const double v0 = A[i];
        const double v1 = g[i];
        const double v2 = w[i];
        const double v3 = t[i];
        const double v4 = out_bar[i];

        const double t0 = v2*v3;
        const double t1 = fma(v2, v3, -t0);
        const double t2 = vm_exp(-(v1*v3))*v4;
        const double t3 = t2*vm_cos_beside(t0, t1);
        const double t4 = t2*v0*vm_sin_beside(t0, t1);
        const double t5 = t3*v0;

        A_bar[i] = t3;
        g_bar[i] = -(t5*v3);
        w_bar[i] = -(t4*v3);
        t_bar[i] = -(t4*v2 + t5*v1);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = exp(-v1*v3)*v4*cos(v2*v3)
 *     r1 = -exp(-v1*v3)*v4*cos(v2*v3)*v0*v3
 *     r2 = -exp(-v1*v3)*v4*v0*sin(v2*v3)*v3
 *     r3 = -(exp(-v1*v3)*v4*v0*sin(v2*v3)*v2 + exp(-v1*v3)*v4*cos(v2*v3)*v0*v1)
 */
void damped_backward(ptrdiff_t n, const double *restrict A, const double *restrict g,
                     const double *restrict w, const double *restrict t,
                     const double *restrict out_bar, double *restrict A_bar, double *restrict g_bar,
                     double *restrict w_bar, double *restrict t_bar)
{
    for (ptrdiff_t i_start = 0; i_start < n; i_start += 512) {
        const ptrdiff_t i_end = n - i_start < 512 ? n : i_start + 512;
        uint64_t any_far = 0;

        for (ptrdiff_t i = i_start; i < i_end; i++) {
            const double v0 = A[i];
            const double v1 = g[i];
            const double v2 = w[i];
            const double v3 = t[i];
            const double v4 = out_bar[i];

            const double t0 = v2*v3;
            const double t1 = vm_exp(-(v1*v3))*v4;
            const double t2 = t1*vm_cos(t0);
            const double t3 = t1*v0*vm_sin(t0);
            const double t4 = t2*v0;

            any_far |= vm_is_long(t0);

            A_bar[i] = t2;
            g_bar[i] = -(t4*v3);
            w_bar[i] = -(t3*v3);
            t_bar[i] = -(t3*v2 + t4*v1);
        }
        if (any_far)
            damped_backward_far(i_start, i_end, A, g, w, t, out_bar, A_bar, g_bar, w_bar, t_bar);
    }
}

/* The same for points with angles so large that their reduction is the C library's, and that what rounding them left
 * out counts. */
RARE void damped_forward_backward_far(ptrdiff_t i_start, ptrdiff_t i_end, const double *restrict A,
                                      const double *restrict g, const double *restrict w,
                                      const double *restrict t, const double *restrict out_bar,
                                      double *restrict out, double *restrict A_bar,
                                      double *restrict g_bar, double *restrict w_bar,
                                      double *restrict t_bar)
{
    for (ptrdiff_t i = i_start; i < i_end; i++) {
        const double v0 = A[i];
        const double v1 = g[i];
        const double v2 = w[i];
        const double v3 = t[i];
        const double v4 = out_bar[i];

        const double t0 = vm_exp(-(v1*v3));
        const double t1 = v2*v3;
        const double t2 = fma(v2, v3, -t1);
        const double t3 = vm_cos_beside(t1, t2);
        const double t4 = v0*t0;
        const double t5 = v4*t3*t0;
        const double t6 = v4*t4*vm_sin_beside(t1, t2);
        const double t7 = t5*v0;

        out[i]   = t4*t3;
        A_bar[i] = t5;
        g_bar[i] = -(t7*v3);
        w_bar[i] = -(t6*v3);
        t_bar[i] = -(t6*v2 + t7*v1);
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = v0*exp(-v1*v3)*cos(v2*v3)
 *     r1 = v4*cos(v2*v3)*exp(-v1*v3)
 *     r2 = -v4*cos(v2*v3)*exp(-v1*v3)*v0*v3
 *     r3 = -v4*(v0*exp(-v1*v3))*sin(v2*v3)*v3
 *     r4 = -(v4*(v0*exp(-v1*v3))*sin(v2*v3)*v2 + v4*cos(v2*v3)*exp(-v1*v3)*v0*v1)
 */
void damped_forward_backward(ptrdiff_t n, const double *restrict A, const double *restrict g,
                             const double *restrict w, const double *restrict t,
                             const double *restrict out_bar, double *restrict out,
                             double *restrict A_bar, double *restrict g_bar, double *restrict w_bar,
                             double *restrict t_bar)
{
    for (ptrdiff_t i_start = 0; i_start < n; i_start += 512) {
        const ptrdiff_t i_end = n - i_start < 512 ? n : i_start + 512;
        uint64_t any_far = 0;

        for (ptrdiff_t i = i_start; i < i_end; i++) {
            const double v0 = A[i];
            const double v1 = g[i];
            const double v2 = w[i];
            const double v3 = t[i];
            const double v4 = out_bar[i];

            const double t0 = vm_exp(-(v1*v3));
            const double t1 = v2*v3;
            const double t2 = vm_cos(t1);
            const double t3 = v0*t0;
            const double t4 = v4*t2*t0;
            const double t5 = v4*t3*vm_sin(t1);
            const double t6 = t4*v0;

            any_far |= vm_is_long(t1);

            out[i]   = t3*t2;
            A_bar[i] = t4;
            g_bar[i] = -(t6*v3);
            w_bar[i] = -(t5*v3);
            t_bar[i] = -(t5*v2 + t6*v1);
        }
        if (any_far)
            damped_forward_backward_far(i_start, i_end, A, g, w, t, out_bar, out, A_bar, g_bar,
                                        w_bar, t_bar);
    }
}

/* The same functions for callers that hold the arrays in tables. */

void damped_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    damped_forward(n, in[0], in[1], in[2], in[3], out[0]);
}

void damped_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    damped_backward(n, in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2], out[3]);
}

void damped_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    damped_forward_backward(n, in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2], out[3],
                            out[4]);
}
