/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "student_t.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_log(double) __asm__("log");
#define log vm_log
VECTOR double vm_log1p(double) __asm__("log1p");
#define log1p vm_log1p
#endif

/* Forward.
 *
 *     r0 = 0.5*((v3 + 1)*log1p(((v0 - v1)/v2)**2/v3)) + log(v2)
 */
void student_t_forward(ptrdiff_t n, const double *restrict x, const double *restrict mu,
                       const double *restrict sigma, const double *restrict nu,
                       double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = mu[i];
        const double v2 = sigma[i];
        const double v3 = nu[i];

        const double t0 = (v0 - v1)/v2;
        const double t1 = 0.5*((v3 + 1.0)*log1p(t0*t0/v3)) + log(v2);

        out[i] = t1;
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = 2*(0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2/v3)/v3)*((v0 - v1)*(1/v2))*(1/v2)
 *     r1 = -2*(0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2/v3)/v3)*((v0 - v1)*(1/v2))*(1/v2)
 *     r2 = v4*(1/v2) - 2*(0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2/v3)/v3)*((v0 - v1)*(1/v2))*(1/v2)*((v0 - v1)*(1/v2))
 *     r3 = 0.5*v4*log1p(((v0 - v1)*(1/v2))**2/v3) - 0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2/v3)/v3*(((v0 - v1)*(1/v2))**2/v3)
 */
void student_t_backward(ptrdiff_t n, const double *restrict x, const double *restrict mu,
                        const double *restrict sigma, const double *restrict nu,
                        const double *restrict out_bar, double *restrict x_bar,
                        double *restrict mu_bar, double *restrict sigma_bar,
                        double *restrict nu_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = mu[i];
        const double v2 = sigma[i];
        const double v3 = nu[i];
        const double v4 = out_bar[i];

        const double t0 = 1.0/v2;
        const double t1 = (v0 - v1)*t0;
        const double t2 = t1*t1/v3;
        const double t3 = 0.5*v4;
        const double t4 = t3*(v3 + 1.0)/(1.0 + t2)/v3;
        const double t5 = 2.0*t4*t1*t0;

        x_bar[i]     = t5;
        mu_bar[i]    = -t5;
        sigma_bar[i] = v4*t0 - t5*t1;
        nu_bar[i]    = t3*log1p(t2) - t4*t2;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = 0.5*((v3 + 1)*log1p(((v0 - v1)*(1/v2))**2/v3)) + log(v2)
 *     r1 = 2*(0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2/v3)/v3)*((v0 - v1)*(1/v2))*(1/v2)
 *     r2 = -2*(0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2/v3)/v3)*((v0 - v1)*(1/v2))*(1/v2)
 *     r3 = v4*(1/v2) - 2*(0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2/v3)/v3)*((v0 - v1)*(1/v2))*(1/v2)*((v0 - v1)*(1/v2))
 *     r4 = 0.5*v4*log1p(((v0 - v1)*(1/v2))**2/v3) - 0.5*v4*(v3 + 1)/(1 + ((v0 - v1)*(1/v2))**2/v3)/v3*(((v0 - v1)*(1/v2))**2/v3)
 */
void student_t_forward_backward(ptrdiff_t n, const double *restrict x, const double *restrict mu,
                                const double *restrict sigma, const double *restrict nu,
                                const double *restrict out_bar, double *restrict out,
                                double *restrict x_bar, double *restrict mu_bar,
                                double *restrict sigma_bar, double *restrict nu_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = mu[i];
        const double v2 = sigma[i];
        const double v3 = nu[i];
        const double v4 = out_bar[i];

        const double t0 = v3 + 1.0;
        const double t1 = 1.0/v2;
        const double t2 = (v0 - v1)*t1;
        const double t3 = t2*t2/v3;
        const double t4 = log1p(t3);
        const double t5 = 0.5*v4;
        const double t6 = t5*t0/(1.0 + t3)/v3;
        const double t7 = 2.0*t6*t2*t1;

        out[i]       = 0.5*(t0*t4) + log(v2);
        x_bar[i]     = t7;
        mu_bar[i]    = -t7;
        sigma_bar[i] = v4*t1 - t7*t2;
        nu_bar[i]    = t5*t4 - t6*t3;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void student_t_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    student_t_forward(n, in[0], in[1], in[2], in[3], out[0]);
}

void student_t_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    student_t_backward(n, in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2], out[3]);
}

void student_t_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    student_t_forward_backward(n, in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2], out[3],
                               out[4]);
}
