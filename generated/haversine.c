/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "haversine.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_asin(double) __asm__("asin");
#else
#define vm_asin asin
#endif

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

INLINE double vm_sin_any(double x)
{
    return vm_is_far(x) ? sin(x) : vm_sin(x);
}

INLINE double vm_cos_any(double x)
{
    return vm_is_far(x) ? cos(x) : vm_cos(x);
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
RARE void haversine_forward_far(ptrdiff_t i_start, ptrdiff_t i_end, const double *restrict lat1,
                                const double *restrict lon1, const double *restrict lat2,
                                const double *restrict lon2, double *restrict out)
{
    for (ptrdiff_t i = i_start; i < i_end; i++) {
        const double v0 = lat1[i];
        const double v1 = lon1[i];
        const double v2 = lat2[i];
        const double v3 = lon2[i];

        const double t0 = v2 - v0;
        const double t1 = t0 - v2;
        const double t2 = vm_sin_beside(0.5*t0, 0.5*(v2 - (t0 - t1) - (v0 + t1)));
        const double t3 = v3 - v1;
        const double t4 = t3 - v3;
        const double t5 = vm_sin_beside(0.5*t3, 0.5*(v3 - (t3 - t4) - (v1 + t4)));
        const double t6 = t2*t2 + vm_cos_any(v0)*vm_cos_any(v2)*(t5*t5);

        out[i] = 2.0*vm_asin(sqrt(t6));
    }
}

/* Forward.
 *
 *     r0 = 2*asin(sqrt(sin(0.5*(v2 - v0))**2 + cos(v0)*cos(v2)*sin(0.5*(v3 - v1))**2))
 */
void haversine_forward(ptrdiff_t n, const double *restrict lat1, const double *restrict lon1,
                       const double *restrict lat2, const double *restrict lon2,
                       double *restrict out)
{
    for (ptrdiff_t i_start = 0; i_start < n; i_start += 512) {
        const ptrdiff_t i_end = n - i_start < 512 ? n : i_start + 512;
        uint64_t any_far = 0;

        for (ptrdiff_t i = i_start; i < i_end; i++) {
            const double v0 = lat1[i];
            const double v1 = lon1[i];
            const double v2 = lat2[i];
            const double v3 = lon2[i];

            const double t0 = 0.5*(v2 - v0);
            const double t1 = vm_sin(t0);
            const double t2 = 0.5*(v3 - v1);
            const double t3 = vm_sin(t2);
            const double t4 = t1*t1 + vm_cos(v0)*vm_cos(v2)*(t3*t3);

            any_far |= vm_is_long(t0) | vm_is_long(t2) | vm_is_far(v0) | vm_is_far(v2);

            out[i] = 2.0*vm_asin(sqrt(t4));
        }
        if (any_far)
            haversine_forward_far(i_start, i_end, lat1, lon1, lat2, lon2, out);
    }
}

/* The same for points with angles so large that their reduction is the C library's, and that what rounding them left
 * out counts. */
RARE void haversine_backward_far(ptrdiff_t i_start, ptrdiff_t i_end, const double *restrict lat1,
                                 const double *restrict lon1, const double *restrict lat2,
                                 const double *restrict lon2, const double *restrict out_bar,
                                 double *restrict lat1_bar, double *restrict lon1_bar,
                                 double *restrict lat2_bar, double *restrict lon2_bar)
{
    for (ptrdiff_t i = i_start; i < i_end; i++) {
        const double v0 = lat1[i];
        const double v1 = lon1[i];
        const double v2 = lat2[i];
        const double v3 = lon2[i];
        const double v4 = out_bar[i];

        const double t0  = v2 - v0;
        const double t1  = t0 - v2;
        const double t2  = 0.5*t0;
        const double t3  = 0.5*(v2 - (t0 - t1) - (v0 + t1));
        const double t4  = vm_sin_beside(t2, t3);
        const double t5  = vm_cos_any(v0);
        const double t6  = vm_cos_any(v2);
        const double t7  = v3 - v1;
        const double t8  = t7 - v3;
        const double t9  = 0.5*t7;
        const double t10 = 0.5*(v3 - (t7 - t8) - (v1 + t8));
        const double t11 = vm_sin_beside(t9, t10);
        const double t12 = t11*t11;
        const double t13 = t5*t6;
        const double t14 = sqrt(t4*t4 + t13*t12);
        const double t15 = 2.0*v4/sqrt((1.0 - t14)*(1.0 + t14));
        const double t16 = t15/(2.0*t14);
        const double t17 = t16*t12;
        const double t18 = 2.0*t16;
        const double t19 = t18*t13*t11*vm_cos_beside(t9, t10);
        const double t20 = t18*t4*vm_cos_beside(t2, t3);

        lat1_bar[i] = -0.5*t20 - t17*t6*vm_sin_any(v0);
        lon1_bar[i] = -0.5*t19;
        lat2_bar[i] = 0.5*t20 - t17*t5*vm_sin_any(v2);
        lon2_bar[i] = 0.5*t19;
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 */
void haversine_backward(ptrdiff_t n, const double *restrict lat1, const double *restrict lon1,
                        const double *restrict lat2, const double *restrict lon2,
                        const double *restrict out_bar, double *restrict lat1_bar,
                        double *restrict lon1_bar, double *restrict lat2_bar,
                        double *restrict lon2_bar)
{
    for (ptrdiff_t i_start = 0; i_start < n; i_start += 512) {
        const ptrdiff_t i_end = n - i_start < 512 ? n : i_start + 512;
        uint64_t any_far = 0;

        for (ptrdiff_t i = i_start; i < i_end; i++) {
            const double v0 = lat1[i];
            const double v1 = lon1[i];
            const double v2 = lat2[i];
            const double v3 = lon2[i];
            const double v4 = out_bar[i];

            const double t0  = 0.5*(v2 - v0);
            const double t1  = vm_sin(t0);
            const double t2  = vm_cos(v0);
            const double t3  = vm_cos(v2);
            const double t4  = 0.5*(v3 - v1);
            const double t5  = vm_sin(t4);
            const double t6  = t5*t5;
            const double t7  = t2*t3;
            const double t8  = sqrt(t1*t1 + t7*t6);
            const double t9  = 2.0*v4/sqrt((1.0 - t8)*(1.0 + t8))/(2.0*t8);
            const double t10 = t9*t6;
            const double t11 = 2.0*t9;
            const double t12 = t11*t7*t5*vm_cos(t4);
            const double t13 = t11*t1*vm_cos(t0);

            any_far |= vm_is_long(t0) | vm_is_long(t4) | vm_is_far(v0) | vm_is_far(v2);

            lat1_bar[i] = -0.5*t13 - t10*t3*vm_sin(v0);
            lon1_bar[i] = -0.5*t12;
            lat2_bar[i] = 0.5*t13 - t10*t2*vm_sin(v2);
            lon2_bar[i] = 0.5*t12;
        }
        if (any_far)
            haversine_backward_far(i_start, i_end, lat1, lon1, lat2, lon2, out_bar, lat1_bar,
                                   lon1_bar, lat2_bar, lon2_bar);
    }
}

/* The same for points with angles so large that their reduction is the C library's, and that what rounding them left
 * out counts. */
RARE void haversine_forward_backward_far(ptrdiff_t i_start, ptrdiff_t i_end,
                                         const double *restrict lat1, const double *restrict lon1,
                                         const double *restrict lat2, const double *restrict lon2,
                                         const double *restrict out_bar, double *restrict out,
                                         double *restrict lat1_bar, double *restrict lon1_bar,
                                         double *restrict lat2_bar, double *restrict lon2_bar)
{
    for (ptrdiff_t i = i_start; i < i_end; i++) {
        const double v0 = lat1[i];
        const double v1 = lon1[i];
        const double v2 = lat2[i];
        const double v3 = lon2[i];
        const double v4 = out_bar[i];

        const double t0  = v2 - v0;
        const double t1  = t0 - v2;
        const double t2  = 0.5*t0;
        const double t3  = 0.5*(v2 - (t0 - t1) - (v0 + t1));
        const double t4  = vm_sin_beside(t2, t3);
        const double t5  = vm_cos_any(v0);
        const double t6  = vm_cos_any(v2);
        const double t7  = v3 - v1;
        const double t8  = t7 - v3;
        const double t9  = 0.5*t7;
        const double t10 = 0.5*(v3 - (t7 - t8) - (v1 + t8));
        const double t11 = vm_sin_beside(t9, t10);
        const double t12 = t11*t11;
        const double t13 = t5*t6;
        const double t14 = sqrt(t4*t4 + t13*t12);
        const double t15 = 2.0*v4/sqrt((1.0 - t14)*(1.0 + t14));
        const double t16 = t15/(2.0*t14);
        const double t17 = t16*t12;
        const double t18 = 2.0*t16;
        const double t19 = t18*t13*t11*vm_cos_beside(t9, t10);
        const double t20 = t18*t4*vm_cos_beside(t2, t3);

        out[i]      = 2.0*vm_asin(t14);
        lat1_bar[i] = -0.5*t20 - t17*t6*vm_sin_any(v0);
        lon1_bar[i] = -0.5*t19;
        lat2_bar[i] = 0.5*t20 - t17*t5*vm_sin_any(v2);
        lon2_bar[i] = 0.5*t19;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = 2*asin(sqrt(sin(0.5*(v2 - v0))**2 + cos(v0)*cos(v2)*sin(0.5*(v3 - v1))**2))
 */
void haversine_forward_backward(ptrdiff_t n, const double *restrict lat1,
                                const double *restrict lon1, const double *restrict lat2,
                                const double *restrict lon2, const double *restrict out_bar,
                                double *restrict out, double *restrict lat1_bar,
                                double *restrict lon1_bar, double *restrict lat2_bar,
                                double *restrict lon2_bar)
{
    for (ptrdiff_t i_start = 0; i_start < n; i_start += 512) {
        const ptrdiff_t i_end = n - i_start < 512 ? n : i_start + 512;
        uint64_t any_far = 0;

        for (ptrdiff_t i = i_start; i < i_end; i++) {
            const double v0 = lat1[i];
            const double v1 = lon1[i];
            const double v2 = lat2[i];
            const double v3 = lon2[i];
            const double v4 = out_bar[i];

            const double t0  = 0.5*(v2 - v0);
            const double t1  = vm_sin(t0);
            const double t2  = vm_cos(v0);
            const double t3  = vm_cos(v2);
            const double t4  = 0.5*(v3 - v1);
            const double t5  = vm_sin(t4);
            const double t6  = t5*t5;
            const double t7  = t2*t3;
            const double t8  = sqrt(t1*t1 + t7*t6);
            const double t9  = 2.0*v4/sqrt((1.0 - t8)*(1.0 + t8))/(2.0*t8);
            const double t10 = t9*t6;
            const double t11 = 2.0*t9;
            const double t12 = t11*t7*t5*vm_cos(t4);
            const double t13 = t11*t1*vm_cos(t0);

            any_far |= vm_is_long(t0) | vm_is_long(t4) | vm_is_far(v0) | vm_is_far(v2);

            out[i]      = 2.0*vm_asin(t8);
            lat1_bar[i] = -0.5*t13 - t10*t3*vm_sin(v0);
            lon1_bar[i] = -0.5*t12;
            lat2_bar[i] = 0.5*t13 - t10*t2*vm_sin(v2);
            lon2_bar[i] = 0.5*t12;
        }
        if (any_far)
            haversine_forward_backward_far(i_start, i_end, lat1, lon1, lat2, lon2, out_bar, out,
                                           lat1_bar, lon1_bar, lat2_bar, lon2_bar);
    }
}

/* The same functions for callers that hold the arrays in tables. */

void haversine_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    haversine_forward(n, in[0], in[1], in[2], in[3], out[0]);
}

void haversine_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    haversine_backward(n, in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2], out[3]);
}

void haversine_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    haversine_forward_backward(n, in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2], out[3],
                               out[4]);
}
