/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "normal_logpdf.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_log(double) __asm__("log");
#define log vm_log
#endif

/* Forward.
 *
 *     r0 = -0.5*((v0 - v1)/v2)**2 - log(v2) - 0.5*log(2*pi)
 */
void normal_logpdf_forward(ptrdiff_t n, const double *restrict x, const double *restrict mu,
                           const double *restrict sigma, double *restrict out)
{
    const double k0 = 0.9189385332046728; /* 0.5*log(2*pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = mu[i];
        const double v2 = sigma[i];

        const double t0 = (v0 - v1)/v2;

        out[i] = -0.5*(t0*t0) - log(v2) - k0;
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = -v3*(1/v2)*((v0 - v1)*(1/v2))
 *     r1 = v3*(1/v2)*((v0 - v1)*(1/v2))
 *     r2 = v3*(1/v2)*((v0 - v1)*(1/v2))*((v0 - v1)*(1/v2)) - v3*(1/v2)
 */
void normal_logpdf_backward(ptrdiff_t n, const double *restrict x, const double *restrict mu,
                            const double *restrict sigma, const double *restrict out_bar,
                            double *restrict x_bar, double *restrict mu_bar,
                            double *restrict sigma_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = mu[i];
        const double v2 = sigma[i];
        const double v3 = out_bar[i];

        const double t0 = 1.0/v2;
        const double t1 = (v0 - v1)*t0;
        const double t2 = v3*t0;
        const double t3 = t2*t1;

        x_bar[i]     = -t3;
        mu_bar[i]    = t3;
        sigma_bar[i] = t3*t1 - t2;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = -0.5*((v0 - v1)*(1/v2))**2 - log(v2) - 0.5*log(2*pi)
 *     r1 = -v3*(1/v2)*((v0 - v1)*(1/v2))
 *     r2 = v3*(1/v2)*((v0 - v1)*(1/v2))
 *     r3 = v3*(1/v2)*((v0 - v1)*(1/v2))*((v0 - v1)*(1/v2)) - v3*(1/v2)
 */
void normal_logpdf_forward_backward(ptrdiff_t n, const double *restrict x,
                                    const double *restrict mu, const double *restrict sigma,
                                    const double *restrict out_bar, double *restrict out,
                                    double *restrict x_bar, double *restrict mu_bar,
                                    double *restrict sigma_bar)
{
    const double k0 = 0.9189385332046728; /* 0.5*log(2*pi) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = mu[i];
        const double v2 = sigma[i];
        const double v3 = out_bar[i];

        const double t0 = 1.0/v2;
        const double t1 = (v0 - v1)*t0;
        const double t2 = v3*t0;
        const double t3 = t2*t1;

        out[i]       = -0.5*(t1*t1) - log(v2) - k0;
        x_bar[i]     = -t3;
        mu_bar[i]    = t3;
        sigma_bar[i] = t3*t1 - t2;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void normal_logpdf_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    normal_logpdf_forward(n, in[0], in[1], in[2], out[0]);
}

void normal_logpdf_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    normal_logpdf_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2]);
}

void normal_logpdf_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    normal_logpdf_forward_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2], out[3]);
}
