/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "reproject.h"

/* Forward.
 *
 *     r0 = v3*(1 + v4*((v0*(1/v2))**2 + (v1*(1/v2))**2) + v5*((v0*(1/v2))**2 + (v1*(1/v2))**2)**2)*(v0*(1/v2))
 *     r1 = v3*(1 + v4*((v0*(1/v2))**2 + (v1*(1/v2))**2) + v5*((v0*(1/v2))**2 + (v1*(1/v2))**2)**2)*(v1*(1/v2))
 */
void reproject_forward(ptrdiff_t n, const double *restrict X, const double *restrict Y,
                       const double *restrict Z, const double *restrict f,
                       const double *restrict arg4, const double *restrict arg5, double *restrict u,
                       double *restrict v)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = X[i];
        const double v1 = Y[i];
        const double v2 = Z[i];
        const double v3 = f[i];
        const double v4 = arg4[i];
        const double v5 = arg5[i];

        const double t0 = 1.0/v2;
        const double t1 = v0*t0;
        const double t2 = v1*t0;
        const double t3 = t1*t1 + t2*t2;
        const double t4 = v3*(1.0 + v4*t3 + v5*(t3*t3));

        u[i] = t4*t1;
        v[i] = t4*t2;
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r3 = (v7*(v1*(1/v2)) + v6*(v0*(1/v2)))*(1 + v4*((v0*(1/v2))**2 + (v1*(1/v2))**2) + v5*((v0*(1/v2))**2 + (v1*(1/v2))**2)**2)
 *     r4 = (v7*(v1*(1/v2)) + v6*(v0*(1/v2)))*v3*((v0*(1/v2))**2 + (v1*(1/v2))**2)
 *     r5 = (v7*(v1*(1/v2)) + v6*(v0*(1/v2)))*v3*((v0*(1/v2))**2 + (v1*(1/v2))**2)**2
 */
void reproject_backward(ptrdiff_t n, const double *restrict X, const double *restrict Y,
                        const double *restrict Z, const double *restrict f,
                        const double *restrict arg4, const double *restrict arg5,
                        const double *restrict u_bar, const double *restrict v_bar,
                        double *restrict X_bar, double *restrict Y_bar, double *restrict Z_bar,
                        double *restrict f_bar, double *restrict k1_bar, double *restrict k2_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = X[i];
        const double v1 = Y[i];
        const double v2 = Z[i];
        const double v3 = f[i];
        const double v4 = arg4[i];
        const double v5 = arg5[i];
        const double v6 = u_bar[i];
        const double v7 = v_bar[i];

        const double t0  = 1.0/v2;
        const double t1  = v0*t0;
        const double t2  = v1*t0;
        const double t3  = t1*t1 + t2*t2;
        const double t4  = t3*t3;
        const double t5  = 1.0 + v4*t3 + v5*t4;
        const double t6  = v3*t5;
        const double t7  = v7*t2 + v6*t1;
        const double t8  = t7*v3;
        const double t9  = 2.0*(t8*(2.0*v5*t3 + v4));
        const double t10 = v7*t6 + t9*t2;
        const double t11 = v6*t6 + t9*t1;

        X_bar[i]  = t11*t0;
        Y_bar[i]  = t10*t0;
        Z_bar[i]  = -((t10*v1 + t11*v0)*t0*t0);
        f_bar[i]  = t7*t5;
        k1_bar[i] = t8*t3;
        k2_bar[i] = t8*t4;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = v3*(1 + v4*((v0*(1/v2))**2 + (v1*(1/v2))**2) + v5*((v0*(1/v2))**2 + (v1*(1/v2))**2)**2)*(v0*(1/v2))
 *     r1 = v3*(1 + v4*((v0*(1/v2))**2 + (v1*(1/v2))**2) + v5*((v0*(1/v2))**2 + (v1*(1/v2))**2)**2)*(v1*(1/v2))
 *     r5 = (v7*(v1*(1/v2)) + v6*(v0*(1/v2)))*(1 + v4*((v0*(1/v2))**2 + (v1*(1/v2))**2) + v5*((v0*(1/v2))**2 + (v1*(1/v2))**2)**2)
 *     r6 = (v7*(v1*(1/v2)) + v6*(v0*(1/v2)))*v3*((v0*(1/v2))**2 + (v1*(1/v2))**2)
 *     r7 = (v7*(v1*(1/v2)) + v6*(v0*(1/v2)))*v3*((v0*(1/v2))**2 + (v1*(1/v2))**2)**2
 */
void reproject_forward_backward(ptrdiff_t n, const double *restrict X, const double *restrict Y,
                                const double *restrict Z, const double *restrict f,
                                const double *restrict arg4, const double *restrict arg5,
                                const double *restrict u_bar, const double *restrict v_bar,
                                double *restrict u, double *restrict v, double *restrict X_bar,
                                double *restrict Y_bar, double *restrict Z_bar,
                                double *restrict f_bar, double *restrict k1_bar,
                                double *restrict k2_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = X[i];
        const double v1 = Y[i];
        const double v2 = Z[i];
        const double v3 = f[i];
        const double v4 = arg4[i];
        const double v5 = arg5[i];
        const double v6 = u_bar[i];
        const double v7 = v_bar[i];

        const double t0  = 1.0/v2;
        const double t1  = v0*t0;
        const double t2  = v1*t0;
        const double t3  = t1*t1 + t2*t2;
        const double t4  = t3*t3;
        const double t5  = 1.0 + v4*t3 + v5*t4;
        const double t6  = v3*t5;
        const double t7  = v7*t2 + v6*t1;
        const double t8  = t7*v3;
        const double t9  = 2.0*(t8*(2.0*v5*t3 + v4));
        const double t10 = v7*t6 + t9*t2;
        const double t11 = v6*t6 + t9*t1;

        u[i]      = t6*t1;
        v[i]      = t6*t2;
        X_bar[i]  = t11*t0;
        Y_bar[i]  = t10*t0;
        Z_bar[i]  = -((t10*v1 + t11*v0)*t0*t0);
        f_bar[i]  = t7*t5;
        k1_bar[i] = t8*t3;
        k2_bar[i] = t8*t4;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void reproject_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    reproject_forward(n, in[0], in[1], in[2], in[3], in[4], in[5], out[0], out[1]);
}

void reproject_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    reproject_backward(n, in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], out[0], out[1],
                       out[2], out[3], out[4], out[5]);
}

void reproject_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    reproject_forward_backward(n, in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], out[0],
                               out[1], out[2], out[3], out[4], out[5], out[6], out[7]);
}
