/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "arm.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_cos(double) __asm__("cos");
VECTOR double vm_sin(double) __asm__("sin");
#else
#define vm_cos cos
#define vm_sin sin
#endif

/* Forward.
 *
 *     r0 = v2*cos(v0) + v3*cos(v0 + v1)
 *     r1 = v2*sin(v0) + v3*sin(v0 + v1)
 */
void arm_forward(ptrdiff_t n, const double *restrict q1, const double *restrict q2,
                 const double *restrict l1, const double *restrict l2, double *restrict x,
                 double *restrict y)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = q1[i];
        const double v1 = q2[i];
        const double v2 = l1[i];
        const double v3 = l2[i];

        const double t0 = v0 + v1;

        x[i] = v2*vm_cos(v0) + v3*vm_cos(t0);
        y[i] = v2*vm_sin(v0) + v3*vm_sin(t0);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = v2*(v5*cos(v0) - v4*sin(v0)) + v3*(v5*cos(v0 + v1) - v4*sin(v0 + v1))
 *     r1 = v3*(v5*cos(v0 + v1) - v4*sin(v0 + v1))
 *     r2 = v5*sin(v0) + v4*cos(v0)
 *     r3 = v5*sin(v0 + v1) + v4*cos(v0 + v1)
 */
void arm_backward(ptrdiff_t n, const double *restrict q1, const double *restrict q2,
                  const double *restrict l1, const double *restrict l2,
                  const double *restrict x_bar, const double *restrict y_bar,
                  double *restrict q1_bar, double *restrict q2_bar, double *restrict l1_bar,
                  double *restrict l2_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = q1[i];
        const double v1 = q2[i];
        const double v2 = l1[i];
        const double v3 = l2[i];
        const double v4 = x_bar[i];
        const double v5 = y_bar[i];

        const double t0 = vm_cos(v0);
        const double t1 = v0 + v1;
        const double t2 = vm_cos(t1);
        const double t3 = vm_sin(v0);
        const double t4 = vm_sin(t1);
        const double t5 = v3*(v5*t2 - v4*t4);

        q1_bar[i] = v2*(v5*t0 - v4*t3) + t5;
        q2_bar[i] = t5;
        l1_bar[i] = v5*t3 + v4*t0;
        l2_bar[i] = v5*t4 + v4*t2;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = v2*cos(v0) + v3*cos(v0 + v1)
 *     r1 = v2*sin(v0) + v3*sin(v0 + v1)
 *     r2 = v2*(v5*cos(v0) - v4*sin(v0)) + v3*(v5*cos(v0 + v1) - v4*sin(v0 + v1))
 *     r3 = v3*(v5*cos(v0 + v1) - v4*sin(v0 + v1))
 *     r4 = v5*sin(v0) + v4*cos(v0)
 *     r5 = v5*sin(v0 + v1) + v4*cos(v0 + v1)
 */
void arm_forward_backward(ptrdiff_t n, const double *restrict q1, const double *restrict q2,
                          const double *restrict l1, const double *restrict l2,
                          const double *restrict x_bar, const double *restrict y_bar,
                          double *restrict x, double *restrict y, double *restrict q1_bar,
                          double *restrict q2_bar, double *restrict l1_bar, double *restrict l2_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = q1[i];
        const double v1 = q2[i];
        const double v2 = l1[i];
        const double v3 = l2[i];
        const double v4 = x_bar[i];
        const double v5 = y_bar[i];

        const double t0 = vm_cos(v0);
        const double t1 = v0 + v1;
        const double t2 = vm_cos(t1);
        const double t3 = vm_sin(v0);
        const double t4 = vm_sin(t1);
        const double t5 = v3*(v5*t2 - v4*t4);

        x[i]      = v2*t0 + v3*t2;
        y[i]      = v2*t3 + v3*t4;
        q1_bar[i] = v2*(v5*t0 - v4*t3) + t5;
        q2_bar[i] = t5;
        l1_bar[i] = v5*t3 + v4*t0;
        l2_bar[i] = v5*t4 + v4*t2;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void arm_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    arm_forward(n, in[0], in[1], in[2], in[3], out[0], out[1]);
}

void arm_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    arm_backward(n, in[0], in[1], in[2], in[3], in[4], in[5], out[0], out[1], out[2], out[3]);
}

void arm_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    arm_forward_backward(n, in[0], in[1], in[2], in[3], in[4], in[5], out[0], out[1], out[2],
                         out[3], out[4], out[5]);
}
