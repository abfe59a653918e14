/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "black_scholes.h"

#include <math.h>

/* With TAPELESS_VECTOR_MATH defined, for glibc 2.35 or later and gcc: loops call the vector versions of these
 * functions. Under names of their own, for the compiler joins a sine and a cosine into a call that has none.
 */
#if defined(TAPELESS_VECTOR_MATH) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR extern __attribute__((const, nothrow, leaf, simd("notinbranch")))
VECTOR double vm_erfc(double) __asm__("erfc");
#define erfc vm_erfc
VECTOR double vm_exp(double) __asm__("exp");
#define exp vm_exp
VECTOR double vm_log(double) __asm__("log");
#define log vm_log
#endif

/* Forward.
 */
void black_scholes_forward(ptrdiff_t n, const double *restrict S, const double *restrict K,
                           const double *restrict r, const double *restrict sigma,
                           const double *restrict T, double *restrict out)
{
    const double k0 = 0.7071067811865476; /* 1/sqrt(2) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = S[i];
        const double v1 = K[i];
        const double v2 = r[i];
        const double v3 = sigma[i];
        const double v4 = T[i];

        const double t0 = v3*sqrt(v4);
        const double t1 = (log(v0/v1) + (v2 + 0.5*(v3*v3))*v4)/t0;
        const double t2 = v1*exp(-(v2*v4))*erfc(k0*(t0 - t1));

        out[i] = 0.5*(v0*erfc(-(k0*t1)) - t2);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 */
void black_scholes_backward(ptrdiff_t n, const double *restrict S, const double *restrict K,
                            const double *restrict r, const double *restrict sigma,
                            const double *restrict T, const double *restrict out_bar,
                            double *restrict S_bar, double *restrict K_bar, double *restrict r_bar,
                            double *restrict sigma_bar, double *restrict T_bar)
{
    const double k0 = 0.7071067811865476; /* 1/sqrt(2) */
    const double k1 = 0.7978845608028654; /* 2/sqrt(pi)*(1/sqrt(2)) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = S[i];
        const double v1 = K[i];
        const double v2 = r[i];
        const double v3 = sigma[i];
        const double v4 = T[i];
        const double v5 = out_bar[i];

        const double t0  = v0/v1;
        const double t1  = v2 + 0.5*(v3*v3);
        const double t2  = sqrt(v4);
        const double t3  = v3*t2;
        const double t4  = (log(t0) + t1*v4)/t3;
        const double t5  = k0*t4;
        const double t6  = k0*(t3 - t4);
        const double t7  = 0.5*v5;
        const double t8  = exp(-(v2*v4))*(-0.5*v5);
        const double t9  = t8*erfc(t6);
        const double t10 = t8*k1*v1*exp(-(t6*t6));
        const double t11 = t9*v1;
        const double t12 = (t10 + k1*v0*t7*exp(-(t5*t5)))/t3;
        const double t13 = t10 + t12*t4;
        const double t14 = t12*v4;
        const double t15 = t12*t1 - (t11*v2 + t13*v3/(2.0*t2));
        const double t16 = t12/v0;

        S_bar[i]     = t7*erfc(-t5) + t16;
        K_bar[i]     = t9 - t16*t0;
        r_bar[i]     = t14 - t11*v4;
        sigma_bar[i] = t14*v3 - t13*t2;
        T_bar[i]     = t15;
    }
}

/* Forward and backward in one pass.
 */
void black_scholes_forward_backward(ptrdiff_t n, const double *restrict S, const double *restrict K,
                                    const double *restrict r, const double *restrict sigma,
                                    const double *restrict T, const double *restrict out_bar,
                                    double *restrict out, double *restrict S_bar,
                                    double *restrict K_bar, double *restrict r_bar,
                                    double *restrict sigma_bar, double *restrict T_bar)
{
    const double k0 = 0.7071067811865476; /* 1/sqrt(2) */
    const double k1 = 0.7978845608028654; /* 2/sqrt(pi)*(1/sqrt(2)) */

    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = S[i];
        const double v1 = K[i];
        const double v2 = r[i];
        const double v3 = sigma[i];
        const double v4 = T[i];
        const double v5 = out_bar[i];

        const double t0  = v0/v1;
        const double t1  = v2 + 0.5*(v3*v3);
        const double t2  = sqrt(v4);
        const double t3  = v3*t2;
        const double t4  = (log(t0) + t1*v4)/t3;
        const double t5  = k0*t4;
        const double t6  = erfc(-t5);
        const double t7  = exp(-(v2*v4));
        const double t8  = k0*(t3 - t4);
        const double t9  = erfc(t8);
        const double t10 = v1*t7;
        const double t11 = 0.5*v5;
        const double t12 = -0.5*v5;
        const double t13 = t12*t9*t7;
        const double t14 = k1*t12*t10*exp(-(t8*t8));
        const double t15 = t13*v1;
        const double t16 = (t14 + k1*t11*v0*exp(-(t5*t5)))/t3;
        const double t17 = t14 + t16*t4;
        const double t18 = t16*v4;
        const double t19 = t16*t1 - (t15*v2 + t17*v3/(2.0*t2));
        const double t20 = t16/v0;

        out[i]       = 0.5*(v0*t6 - t10*t9);
        S_bar[i]     = t11*t6 + t20;
        K_bar[i]     = t13 - t20*t0;
        r_bar[i]     = t18 - t15*v4;
        sigma_bar[i] = t18*v3 - t17*t2;
        T_bar[i]     = t19;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void black_scholes_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    black_scholes_forward(n, in[0], in[1], in[2], in[3], in[4], out[0]);
}

void black_scholes_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    black_scholes_backward(n, in[0], in[1], in[2], in[3], in[4], in[5], out[0], out[1], out[2],
                           out[3], out[4]);
}

void black_scholes_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    black_scholes_forward_backward(n, in[0], in[1], in[2], in[3], in[4], in[5], out[0], out[1],
                                   out[2], out[3], out[4], out[5]);
}
