/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "weibull_logpdf.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_log(double) __asm__("log");
#define log vm_log
VECTOR double vm_pow(double, double) __asm__("pow");
#define pow vm_pow
#endif

/* Forward.
 *
 *     r0 = log(v1/v2) + (v1 - 1)*log(v0/v2) - (v0/v2)**v1
 */
void weibull_logpdf_forward(ptrdiff_t n, const double *restrict x, const double *restrict k,
                            const double *restrict scale, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = k[i];
        const double v2 = scale[i];

        const double t0 = v0/v2;
        const double t1 = log(v1/v2) + (v1 - 1.0)*log(t0) - pow(t0, v1);

        out[i] = t1;
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = (where(v1 == 0, 0, -v3*v1*(v0*(1/v2))**(v1 - 1)) + v3*(v1 - 1)/(v0*(1/v2)))*(1/v2)
 *     r1 = where(v0*(1/v2) == 0, 0, -log(v0*(1/v2))*v3*(v0*(1/v2))**v1) + log(v0*(1/v2))*v3 + v3/v1
 *     r2 = -((where(v1 == 0, 0, -v3*v1*(v0*(1/v2))**(v1 - 1)) + v3*(v1 - 1)/(v0*(1/v2)))*(1/v2)*(v0*(1/v2)) + v3*(1/v2))
 */
void weibull_logpdf_backward(ptrdiff_t n, const double *restrict x, const double *restrict k,
                             const double *restrict scale, const double *restrict out_bar,
                             double *restrict x_bar, double *restrict k_bar,
                             double *restrict scale_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = k[i];
        const double v2 = scale[i];
        const double v3 = out_bar[i];

        const double t0 = 1.0/v2;
        const double t1 = v1 - 1.0;
        const double t2 = v0*t0;
        const double t3 = log(t2)*v3;
        const double t4 = -(v3*v1*pow(t2, t1));
        const double t5 = (v1 == 0.0) ? 0.0 : t4;
        const double t6 = (t5 + v3*t1/t2)*t0;
        const double t7 = -(t3*pow(t2, v1));
        const double t8 = (t2 == 0.0) ? 0.0 : t7;

        x_bar[i]     = t6;
        k_bar[i]     = t8 + (t3 + v3/v1);
        scale_bar[i] = -(t6*t2 + v3*t0);
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = log(v1*(1/v2)) + (v1 - 1)*log(v0*(1/v2)) - (v0*(1/v2))**v1
 *     r1 = (where(v1 == 0, 0, -v3*v1*(v0*(1/v2))**(v1 - 1)) + v3*(v1 - 1)/(v0*(1/v2)))*(1/v2)
 *     r2 = where(v0*(1/v2) == 0, 0, -log(v0*(1/v2))*v3*(v0*(1/v2))**v1) + log(v0*(1/v2))*v3 + v3/v1
 *     r3 = -((where(v1 == 0, 0, -v3*v1*(v0*(1/v2))**(v1 - 1)) + v3*(v1 - 1)/(v0*(1/v2)))*(1/v2)*(v0*(1/v2)) + v3/v1*(v1*(1/v2)))
 */
void weibull_logpdf_forward_backward(ptrdiff_t n, const double *restrict x,
                                     const double *restrict k, const double *restrict scale,
                                     const double *restrict out_bar, double *restrict out,
                                     double *restrict x_bar, double *restrict k_bar,
                                     double *restrict scale_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = x[i];
        const double v1 = k[i];
        const double v2 = scale[i];
        const double v3 = out_bar[i];

        const double t0  = 1.0/v2;
        const double t1  = v1*t0;
        const double t2  = v1 - 1.0;
        const double t3  = v0*t0;
        const double t4  = log(t3);
        const double t5  = pow(t3, v1);
        const double t6  = t4*v3;
        const double t7  = -(v3*v1*pow(t3, t2));
        const double t8  = (v1 == 0.0) ? 0.0 : t7;
        const double t9  = (t8 + v3*t2/t3)*t0;
        const double t10 = v3/v1;
        const double t11 = -(t6*t5);
        const double t12 = (t3 == 0.0) ? 0.0 : t11;

        out[i]       = log(t1) + t2*t4 - t5;
        x_bar[i]     = t9;
        k_bar[i]     = t12 + (t6 + t10);
        scale_bar[i] = -(t9*t3 + t10*t1);
    }
}

/* The same functions for callers that hold the arrays in tables. */

void weibull_logpdf_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    weibull_logpdf_forward(n, in[0], in[1], in[2], out[0]);
}

void weibull_logpdf_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    weibull_logpdf_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2]);
}

void weibull_logpdf_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    weibull_logpdf_forward_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2], out[3]);
}
