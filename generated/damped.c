/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "damped.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_cos(double) __asm__("cos");
#define cos vm_cos
VECTOR double vm_exp(double) __asm__("exp");
#define exp vm_exp
VECTOR double vm_sin(double) __asm__("sin");
#define sin vm_sin
#endif

/* Forward.
 *
 *     r0 = v0*exp(-v1*v3)*cos(v2*v3)
 */
void damped_forward(ptrdiff_t n, const double *restrict A, const double *restrict g,
                    const double *restrict w, const double *restrict t, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = A[i];
        const double v1 = g[i];
        const double v2 = w[i];
        const double v3 = t[i];

        out[i] = v0*exp(-(v1*v3))*cos(v2*v3);
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
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = A[i];
        const double v1 = g[i];
        const double v2 = w[i];
        const double v3 = t[i];
        const double v4 = out_bar[i];

        const double t0 = v2*v3;
        const double t1 = exp(-(v1*v3))*v4;
        const double t2 = t1*cos(t0);
        const double t3 = t1*v0*sin(t0);
        const double t4 = t2*v0;

        A_bar[i] = t2;
        g_bar[i] = -(t4*v3);
        w_bar[i] = -(t3*v3);
        t_bar[i] = -(t3*v2 + t4*v1);
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
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = A[i];
        const double v1 = g[i];
        const double v2 = w[i];
        const double v3 = t[i];
        const double v4 = out_bar[i];

        const double t0 = exp(-(v1*v3));
        const double t1 = v2*v3;
        const double t2 = cos(t1);
        const double t3 = v0*t0;
        const double t4 = v4*t2*t0;
        const double t5 = v4*t3*sin(t1);
        const double t6 = t4*v0;

        out[i]   = t3*t2;
        A_bar[i] = t4;
        g_bar[i] = -(t6*v3);
        w_bar[i] = -(t5*v3);
        t_bar[i] = -(t5*v2 + t6*v1);
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
