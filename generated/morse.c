/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "morse.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_exp(double) __asm__("exp");
#define exp vm_exp
#endif

/* Forward.
 *
 *     r0 = v1*(1 - exp(v2*(v3 - v0)))**2
 */
void morse_forward(ptrdiff_t n, const double *restrict r, const double *restrict depth,
                   const double *restrict a, const double *restrict arg3, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = r[i];
        const double v1 = depth[i];
        const double v2 = a[i];
        const double v3 = arg3[i];

        const double t0 = 1.0 - exp(v2*(v3 - v0));

        out[i] = v1*(t0*t0);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = 2*(v4*v1)*(1 - exp(v2*(v3 - v0)))*exp(v2*(v3 - v0))*v2
 *     r1 = v4*(1 - exp(v2*(v3 - v0)))**2
 *     r2 = -2*(v4*v1)*(1 - exp(v2*(v3 - v0)))*exp(v2*(v3 - v0))*(v3 - v0)
 *     r3 = -2*(v4*v1)*(1 - exp(v2*(v3 - v0)))*exp(v2*(v3 - v0))*v2
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
        const double t1 = exp(v2*t0);
        const double t2 = 1.0 - t1;
        const double t3 = 2.0*(v4*v1)*t2*t1;
        const double t4 = t3*v2;

        r_bar[i]     = t4;
        depth_bar[i] = v4*(t2*t2);
        a_bar[i]     = -(t3*t0);
        r0_bar[i]    = -t4;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = v1*(1 - exp(v2*(v3 - v0)))**2
 *     r1 = 2*(v4*v1)*(1 - exp(v2*(v3 - v0)))*exp(v2*(v3 - v0))*v2
 *     r2 = v4*(1 - exp(v2*(v3 - v0)))**2
 *     r3 = -2*(v4*v1)*(1 - exp(v2*(v3 - v0)))*exp(v2*(v3 - v0))*(v3 - v0)
 *     r4 = -2*(v4*v1)*(1 - exp(v2*(v3 - v0)))*exp(v2*(v3 - v0))*v2
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
        const double t1 = exp(v2*t0);
        const double t2 = 1.0 - t1;
        const double t3 = t2*t2;
        const double t4 = 2.0*(v4*v1)*t2*t1;
        const double t5 = t4*v2;

        out[i]       = v1*t3;
        r_bar[i]     = t5;
        depth_bar[i] = v4*t3;
        a_bar[i]     = -(t4*t0);
        r0_bar[i]    = -t5;
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
