/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "clip.h"

#ifdef __GNUC__
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

/* The larger of two; NaN where one is NaN. */
INLINE double larger(double a, double b)
{
    const double larger_one = (a >= b) ? a : b;
    return (a != a) ? a : larger_one;
}

/* The smaller of two; NaN where one is NaN. */
INLINE double smaller(double a, double b)
{
    const double smaller_one = (a <= b) ? a : b;
    return (a != a) ? a : smaller_one;
}

/* Forward.
 *
 *     r0 = min(max(v0, v1), v2)
 */
void clip_forward(ptrdiff_t n, const double *restrict x, const double *restrict lo,
                  const double *restrict hi, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = lo[i];
        const double v2 = hi[i];

        out[i] = smaller(larger(v0, v1), v2);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = where(max(v0, v1) <= v2 and v1 <= v0, v3*where(max(v0, v1) == v2, 0.5, 1)*where(v0 == v1, 0.5, 1), 0)
 *     r1 = where(max(v0, v1) <= v2 and v0 <= v1, v3*where(max(v0, v1) == v2, 0.5, 1)*where(v0 == v1, 0.5, 1), 0)
 *     r2 = where(v2 <= max(v0, v1), v3*where(max(v0, v1) == v2, 0.5, 1), 0)
 */
void clip_backward(ptrdiff_t n, const double *restrict x, const double *restrict lo,
                   const double *restrict hi, const double *restrict out_bar,
                   double *restrict x_bar, double *restrict lo_bar, double *restrict hi_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = lo[i];
        const double v2 = hi[i];
        const double v3 = out_bar[i];

        const double t0 = larger(v0, v1);
        const int    c0 = t0 <= v2;
        const double t1 = (t0 == v2) ? 0.5 : 1.0;
        const double t2 = v3*t1;
        const double t3 = (v2 <= t0) ? t2 : 0.0;
        const double t4 = (v0 == v1) ? 0.5 : 1.0;
        const double t5 = t2*t4;
        const double t6 = ((v0 <= v1) & c0) ? t5 : 0.0;
        const double t7 = ((v1 <= v0) & c0) ? t5 : 0.0;

        x_bar[i]  = t7;
        lo_bar[i] = t6;
        hi_bar[i] = t3;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = min(max(v0, v1), v2)
 *     r1 = where(max(v0, v1) <= v2 and v1 <= v0, v3*where(max(v0, v1) == v2, 0.5, 1)*where(v0 == v1, 0.5, 1), 0)
 *     r2 = where(max(v0, v1) <= v2 and v0 <= v1, v3*where(max(v0, v1) == v2, 0.5, 1)*where(v0 == v1, 0.5, 1), 0)
 *     r3 = where(v2 <= max(v0, v1), v3*where(max(v0, v1) == v2, 0.5, 1), 0)
 */
void clip_forward_backward(ptrdiff_t n, const double *restrict x, const double *restrict lo,
                           const double *restrict hi, const double *restrict out_bar,
                           double *restrict out, double *restrict x_bar, double *restrict lo_bar,
                           double *restrict hi_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = lo[i];
        const double v2 = hi[i];
        const double v3 = out_bar[i];

        const double t0 = larger(v0, v1);
        const int    c0 = t0 <= v2;
        const double t1 = (t0 == v2) ? 0.5 : 1.0;
        const double t2 = v3*t1;
        const double t3 = (v2 <= t0) ? t2 : 0.0;
        const double t4 = (v0 == v1) ? 0.5 : 1.0;
        const double t5 = t2*t4;
        const double t6 = ((v0 <= v1) & c0) ? t5 : 0.0;
        const double t7 = ((v1 <= v0) & c0) ? t5 : 0.0;

        out[i]    = smaller(t0, v2);
        x_bar[i]  = t7;
        lo_bar[i] = t6;
        hi_bar[i] = t3;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void clip_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    clip_forward(n, in[0], in[1], in[2], out[0]);
}

void clip_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    clip_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2]);
}

void clip_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    clip_forward_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2], out[3]);
}
