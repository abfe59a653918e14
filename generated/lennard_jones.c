/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "lennard_jones.h"

/* Forward.
 *
 *     r0 = 4*(v0*((v1**2/(v2**2 + v3**2 + v4**2))**6 - (v1**2/(v2**2 + v3**2 + v4**2))**3))
 */
void lennard_jones_forward(ptrdiff_t n, const double *restrict epsilon,
                           const double *restrict sigma, const double *restrict x,
                           const double *restrict y, const double *restrict z, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = epsilon[i];
        const double v1 = sigma[i];
        const double v2 = x[i];
        const double v3 = y[i];
        const double v4 = z[i];

        const double t0 = v1*v1/(v2*v2 + v3*v3 + v4*v4);
        const double t1 = t0*t0*t0;

        out[i] = 4.0*(v0*(t1*t1 - t1));
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = 4*v5*((v1**2*(1/(v2**2 + v3**2 + v4**2)))**6 - (v1**2*(1/(v2**2 + v3**2 + v4**2)))**3)
 *     r1 = 2*(4*v5*v0*(6*(v1**2*(1/(v2**2 + v3**2 + v4**2)))**5 - 3*(v1**2*(1/(v2**2 + v3**2 + v4**2)))**2)*(1/(v2**2 + v3**2 + v4**2)))*v1
 */
void lennard_jones_backward(ptrdiff_t n, const double *restrict epsilon,
                            const double *restrict sigma, const double *restrict x,
                            const double *restrict y, const double *restrict z,
                            const double *restrict out_bar, double *restrict epsilon_bar,
                            double *restrict sigma_bar, double *restrict x_bar,
                            double *restrict y_bar, double *restrict z_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = epsilon[i];
        const double v1 = sigma[i];
        const double v2 = x[i];
        const double v3 = y[i];
        const double v4 = z[i];
        const double v5 = out_bar[i];

        const double t0 = 1.0/(v2*v2 + v3*v3 + v4*v4);
        const double t1 = v1*v1*t0;
        const double t2 = t1*t1;
        const double t3 = t2*t1;
        const double t4 = t3*t2;
        const double t5 = 4.0*v5;
        const double t6 = t5*v0*(6.0*t4 - 3.0*t2)*t0;
        const double t7 = -2.0*(t6*t1);

        epsilon_bar[i] = t5*(t4*t1 - t3);
        sigma_bar[i]   = 2.0*t6*v1;
        x_bar[i]       = t7*v2;
        y_bar[i]       = t7*v3;
        z_bar[i]       = t7*v4;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = 4*(v0*((v1**2*(1/(v2**2 + v3**2 + v4**2)))**6 - (v1**2*(1/(v2**2 + v3**2 + v4**2)))**3))
 *     r1 = 4*v5*((v1**2*(1/(v2**2 + v3**2 + v4**2)))**6 - (v1**2*(1/(v2**2 + v3**2 + v4**2)))**3)
 *     r2 = 2*(4*v5*v0*(6*(v1**2*(1/(v2**2 + v3**2 + v4**2)))**5 - 3*(v1**2*(1/(v2**2 + v3**2 + v4**2)))**2)*(1/(v2**2 + v3**2 + v4**2)))*v1
 */
void lennard_jones_forward_backward(ptrdiff_t n, const double *restrict epsilon,
                                    const double *restrict sigma, const double *restrict x,
                                    const double *restrict y, const double *restrict z,
                                    const double *restrict out_bar, double *restrict out,
                                    double *restrict epsilon_bar, double *restrict sigma_bar,
                                    double *restrict x_bar, double *restrict y_bar,
                                    double *restrict z_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = epsilon[i];
        const double v1 = sigma[i];
        const double v2 = x[i];
        const double v3 = y[i];
        const double v4 = z[i];
        const double v5 = out_bar[i];

        const double t0 = 1.0/(v2*v2 + v3*v3 + v4*v4);
        const double t1 = v1*v1*t0;
        const double t2 = t1*t1;
        const double t3 = t2*t1;
        const double t4 = t3*t2;
        const double t5 = t4*t1 - t3;
        const double t6 = 4.0*v5;
        const double t7 = t6*v0*(6.0*t4 - 3.0*t2)*t0;
        const double t8 = -2.0*(t7*t1);

        out[i]         = 4.0*(v0*t5);
        epsilon_bar[i] = t6*t5;
        sigma_bar[i]   = 2.0*t7*v1;
        x_bar[i]       = t8*v2;
        y_bar[i]       = t8*v3;
        z_bar[i]       = t8*v4;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void lennard_jones_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    lennard_jones_forward(n, in[0], in[1], in[2], in[3], in[4], out[0]);
}

void lennard_jones_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    lennard_jones_backward(n, in[0], in[1], in[2], in[3], in[4], in[5], out[0], out[1], out[2],
                           out[3], out[4]);
}

void lennard_jones_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    lennard_jones_forward_backward(n, in[0], in[1], in[2], in[3], in[4], in[5], out[0], out[1],
                                   out[2], out[3], out[4], out[5]);
}
