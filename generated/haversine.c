/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "haversine.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_asin(double) __asm__("asin");
VECTOR double vm_cos(double) __asm__("cos");
VECTOR double vm_sin(double) __asm__("sin");
#else
#define vm_asin asin
#define vm_cos cos
#define vm_sin sin
#endif

/* Forward.
 *
 *     r0 = 2*asin(sqrt(sin(0.5*(v2 - v0))**2 + cos(v0)*cos(v2)*sin(0.5*(v3 - v1))**2))
 */
void haversine_forward(ptrdiff_t n, const double *restrict lat1, const double *restrict lon1,
                       const double *restrict lat2, const double *restrict lon2,
                       double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = lat1[i];
        const double v1 = lon1[i];
        const double v2 = lat2[i];
        const double v3 = lon2[i];

        const double t0 = vm_sin(0.5*(v2 - v0));
        const double t1 = vm_sin(0.5*(v3 - v1));
        const double t2 = t0*t0 + vm_cos(v0)*vm_cos(v2)*(t1*t1);

        out[i] = 2.0*vm_asin(sqrt(t2));
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
    for (ptrdiff_t i = 0; i < n; i++) {
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

        lat1_bar[i] = -0.5*t13 - t10*t3*vm_sin(v0);
        lon1_bar[i] = -0.5*t12;
        lat2_bar[i] = 0.5*t13 - t10*t2*vm_sin(v2);
        lon2_bar[i] = 0.5*t12;
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
    for (ptrdiff_t i = 0; i < n; i++) {
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

        out[i]      = 2.0*vm_asin(t8);
        lat1_bar[i] = -0.5*t13 - t10*t3*vm_sin(v0);
        lon1_bar[i] = -0.5*t12;
        lat2_bar[i] = 0.5*t13 - t10*t2*vm_sin(v2);
        lon2_bar[i] = 0.5*t12;
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
