/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "relativistic_energy.h"

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

/* The power of two below the largest part of a norm, within bounds, as bits; and its reciprocal: parts that are scaled
 * by it have squares that neither overflow nor vanish.
 */
INLINE uint64_t vm_norm_size(double m)
{
    const double low = m < 9.332636185032189e-302 ? 9.332636185032189e-302 : m;
    const double size = low > 1.0715086071862673e+301 ? 1.0715086071862673e+301 : low;
    return vm_bits(size) & UINT64_C(0x7ff0000000000000);
}

INLINE double vm_norm_scale(uint64_t size)
{
    return vm_real(UINT64_C(0x7fe0000000000000) - size);
}

INLINE double vm_norm2(double a, double b)
{
    const double m = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
    const uint64_t size = vm_norm_size(m);
    const double s = vm_norm_scale(size);
    const double x = a*s;
    const double y = b*s;
    return sqrt(vm_mad(x, x, y*y))*vm_real(size);
}

/* Forward.
 *
 *     r0 = norm2(v1*v2, v0*v2**2)
 */
void relativistic_energy_forward(ptrdiff_t n, const double *restrict m, const double *restrict p,
                                 const double *restrict c, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = m[i];
        const double v1 = p[i];
        const double v2 = c[i];

        out[i] = vm_norm2(v1*v2, v0*(v2*v2));
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = where(norm2(v1*v2, v0*v2**2) == 0, 0, v3*(v0*v2**2*(1/norm2(v1*v2, v0*v2**2)))*v2**2)
 *     r1 = where(norm2(v1*v2, v0*v2**2) == 0, 0, v3*(v1*v2*(1/norm2(v1*v2, v0*v2**2)))*v2)
 *     r2 = where(norm2(v1*v2, v0*v2**2) == 0, 0, 2*(v3*(v0*v2**2*(1/norm2(v1*v2, v0*v2**2)))*v0)*v2 + v3*(v1*v2*(1/norm2(v1*v2, v0*v2**2)))*v1)
 */
void relativistic_energy_backward(ptrdiff_t n, const double *restrict m, const double *restrict p,
                                  const double *restrict c, const double *restrict out_bar,
                                  double *restrict m_bar, double *restrict p_bar,
                                  double *restrict c_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = m[i];
        const double v1 = p[i];
        const double v2 = c[i];
        const double v3 = out_bar[i];

        const double t0  = v1*v2;
        const double t1  = v2*v2;
        const double t2  = v0*t1;
        const double t3  = vm_norm2(t0, t2);
        const int    c0  = t3 == 0.0;
        const double t4  = 1.0/t3;
        const double t5  = v3*(t0*t4);
        const double t6  = v3*(t2*t4);
        const double t7  = t6*t1;
        const double t8  = c0 ? 0.0 : t7;
        const double t9  = 2.0*(t6*v0)*v2 + t5*v1;
        const double t10 = c0 ? 0.0 : t9;
        const double t11 = t5*v2;
        const double t12 = c0 ? 0.0 : t11;

        m_bar[i] = t8;
        p_bar[i] = t12;
        c_bar[i] = t10;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = norm2(v1*v2, v0*v2**2)
 *     r1 = where(norm2(v1*v2, v0*v2**2) == 0, 0, v3*(v0*v2**2*(1/norm2(v1*v2, v0*v2**2)))*v2**2)
 *     r2 = where(norm2(v1*v2, v0*v2**2) == 0, 0, v3*(v1*v2*(1/norm2(v1*v2, v0*v2**2)))*v2)
 *     r3 = where(norm2(v1*v2, v0*v2**2) == 0, 0, 2*(v3*(v0*v2**2*(1/norm2(v1*v2, v0*v2**2)))*v0)*v2 + v3*(v1*v2*(1/norm2(v1*v2, v0*v2**2)))*v1)
 */
void relativistic_energy_forward_backward(ptrdiff_t n, const double *restrict m,
                                          const double *restrict p, const double *restrict c,
                                          const double *restrict out_bar, double *restrict out,
                                          double *restrict m_bar, double *restrict p_bar,
                                          double *restrict c_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = m[i];
        const double v1 = p[i];
        const double v2 = c[i];
        const double v3 = out_bar[i];

        const double t0  = v1*v2;
        const double t1  = v2*v2;
        const double t2  = v0*t1;
        const double t3  = vm_norm2(t0, t2);
        const int    c0  = t3 == 0.0;
        const double t4  = 1.0/t3;
        const double t5  = v3*(t0*t4);
        const double t6  = v3*(t2*t4);
        const double t7  = t6*t1;
        const double t8  = c0 ? 0.0 : t7;
        const double t9  = 2.0*(t6*v0)*v2 + t5*v1;
        const double t10 = c0 ? 0.0 : t9;
        const double t11 = t5*v2;
        const double t12 = c0 ? 0.0 : t11;

        out[i]   = t3;
        m_bar[i] = t8;
        p_bar[i] = t12;
        c_bar[i] = t10;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void relativistic_energy_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    relativistic_energy_forward(n, in[0], in[1], in[2], out[0]);
}

void relativistic_energy_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    relativistic_energy_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2]);
}

void relativistic_energy_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    relativistic_energy_forward_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2],
                                         out[3]);
}
