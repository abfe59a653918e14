/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "van_der_waals.h"

/* Forward.
 *
 *     r0 = 207861565453831/25000000000000*(v0*v2)/(v1 - v0*v4) - v3*(v0/v1)**2
 */
void van_der_waals_forward(ptrdiff_t n, const double *restrict arg0, const double *restrict V,
                           const double *restrict T, const double *restrict a,
                           const double *restrict b, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = arg0[i];
        const double v1 = V[i];
        const double v2 = T[i];
        const double v3 = a[i];
        const double v4 = b[i];

        const double t0 = 8.31446261815324*(v0*v2)/(v1 - v0*v4);
        const double t1 = v0/v1;

        out[i] = t0 - v3*(t1*t1);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r1 = -((-2*(v5*v3))*(v0*(1/v1))*(1/v1)*(v0*(1/v1)) + v5*(1/(v1 - v0*v4))*(207861565453831/25000000000000*(v0*v2)*(1/(v1 - v0*v4))))
 *     r2 = 207861565453831/25000000000000*(v5*(1/(v1 - v0*v4)))*v0
 *     r3 = -v5*(v0*(1/v1))**2
 *     r4 = v5*(1/(v1 - v0*v4))*(207861565453831/25000000000000*(v0*v2)*(1/(v1 - v0*v4)))*v0
 */
void van_der_waals_backward(ptrdiff_t n, const double *restrict arg0, const double *restrict V,
                            const double *restrict T, const double *restrict a,
                            const double *restrict b, const double *restrict out_bar,
                            double *restrict n_bar, double *restrict V_bar, double *restrict T_bar,
                            double *restrict a_bar, double *restrict b_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = arg0[i];
        const double v1 = V[i];
        const double v2 = T[i];
        const double v3 = a[i];
        const double v4 = b[i];
        const double v5 = out_bar[i];

        const double t0 = 1.0/(v1 - v0*v4);
        const double t1 = 1.0/v1;
        const double t2 = v0*t1;
        const double t3 = -2.0*(v5*v3)*t2*t1;
        const double t4 = v5*t0;
        const double t5 = t4*(8.31446261815324*(v0*v2)*t0);
        const double t6 = 8.31446261815324*t4;

        n_bar[i] = t3 + t6*v2 + t5*v4;
        V_bar[i] = -(t3*t2 + t5);
        T_bar[i] = t6*v0;
        a_bar[i] = -(v5*(t2*t2));
        b_bar[i] = t5*v0;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = 207861565453831/25000000000000*(v0*v2)*(1/(v1 - v0*v4)) - v3*(v0*(1/v1))**2
 *     r2 = -((-2*(v5*v3))*(v0*(1/v1))*(1/v1)*(v0*(1/v1)) + v5*(1/(v1 - v0*v4))*(207861565453831/25000000000000*(v0*v2)*(1/(v1 - v0*v4))))
 *     r3 = 207861565453831/25000000000000*(v5*(1/(v1 - v0*v4)))*v0
 *     r4 = -v5*(v0*(1/v1))**2
 *     r5 = v5*(1/(v1 - v0*v4))*(207861565453831/25000000000000*(v0*v2)*(1/(v1 - v0*v4)))*v0
 */
void van_der_waals_forward_backward(ptrdiff_t n, const double *restrict arg0,
                                    const double *restrict V, const double *restrict T,
                                    const double *restrict a, const double *restrict b,
                                    const double *restrict out_bar, double *restrict out,
                                    double *restrict n_bar, double *restrict V_bar,
                                    double *restrict T_bar, double *restrict a_bar,
                                    double *restrict b_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = arg0[i];
        const double v1 = V[i];
        const double v2 = T[i];
        const double v3 = a[i];
        const double v4 = b[i];
        const double v5 = out_bar[i];

        const double t0 = 1.0/(v1 - v0*v4);
        const double t1 = 8.31446261815324*(v0*v2)*t0;
        const double t2 = 1.0/v1;
        const double t3 = v0*t2;
        const double t4 = t3*t3;
        const double t5 = -2.0*(v5*v3)*t3*t2;
        const double t6 = v5*t0;
        const double t7 = t6*t1;
        const double t8 = 8.31446261815324*t6;

        out[i]   = t1 - v3*t4;
        n_bar[i] = t5 + t8*v2 + t7*v4;
        V_bar[i] = -(t5*t3 + t7);
        T_bar[i] = t8*v0;
        a_bar[i] = -(v5*t4);
        b_bar[i] = t7*v0;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void van_der_waals_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    van_der_waals_forward(n, in[0], in[1], in[2], in[3], in[4], out[0]);
}

void van_der_waals_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    van_der_waals_backward(n, in[0], in[1], in[2], in[3], in[4], in[5], out[0], out[1], out[2],
                           out[3], out[4]);
}

void van_der_waals_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    van_der_waals_forward_backward(n, in[0], in[1], in[2], in[3], in[4], in[5], out[0], out[1],
                                   out[2], out[3], out[4], out[5]);
}
