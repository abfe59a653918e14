/* Generated from a formula. In the comments v0, v1, ... are the inputs and r0, r1, ... the outputs of a
 * function, in the order of its parameters.
 */
#include "relativistic_energy.h"

#include <math.h>

/* Forward.
 *
 *     r0 = sqrt((v1*v2)**2 + (v0*v2**2)**2)
 */
void relativistic_energy_forward(ptrdiff_t n, const double *restrict m, const double *restrict p,
                                 const double *restrict c, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = m[i];
        const double v1 = p[i];
        const double v2 = c[i];

        const double t0 = v1*v2;
        const double t1 = v0*(v2*v2);

        out[i] = sqrt(t0*t0 + t1*t1);
    }
}

/* Backward: cotangents of the outputs in, cotangents of the inputs out.
 *
 *     r0 = 2*(v3/(2*sqrt((v1*v2)**2 + (v0*v2**2)**2)))*(v0*v2**2)*v2**2
 *     r1 = 2*(v3/(2*sqrt((v1*v2)**2 + (v0*v2**2)**2)))*(v1*v2)*v2
 *     r2 = 2*(2*(v3/(2*sqrt((v1*v2)**2 + (v0*v2**2)**2)))*(v0*v2**2)*v0)*v2 + 2*(v3/(2*sqrt((v1*v2)**2 + (v0*v2**2)**2)))*(v1*v2)*v1
 */
void relativistic_energy_backward(ptrdiff_t n, const double *restrict m, const double *restrict p,
                                  const double *restrict c, const double *restrict out_bar,
                                  double *restrict m_bar, double *restrict p_bar,
                                  double *restrict c_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = m[i];
        const double v1 = p[i];
        const double v2 = c[i];
        const double v3 = out_bar[i];

        const double t0 = v1*v2;
        const double t1 = v2*v2;
        const double t2 = v0*t1;
        const double t3 = 2.0*(v3/(2.0*sqrt(t0*t0 + t2*t2)));
        const double t4 = t3*t2;
        const double t5 = t3*t0;

        m_bar[i] = t4*t1;
        p_bar[i] = t5*v2;
        c_bar[i] = 2.0*(t4*v0)*v2 + t5*v1;
    }
}

/* Forward and backward in one pass.
 *
 *     r0 = sqrt((v1*v2)**2 + (v0*v2**2)**2)
 *     r1 = 2*(v3/(2*sqrt((v1*v2)**2 + (v0*v2**2)**2)))*(v0*v2**2)*v2**2
 *     r2 = 2*(v3/(2*sqrt((v1*v2)**2 + (v0*v2**2)**2)))*(v1*v2)*v2
 *     r3 = 2*(2*(v3/(2*sqrt((v1*v2)**2 + (v0*v2**2)**2)))*(v0*v2**2)*v0)*v2 + 2*(v3/(2*sqrt((v1*v2)**2 + (v0*v2**2)**2)))*(v1*v2)*v1
 */
void relativistic_energy_forward_backward(ptrdiff_t n, const double *restrict m,
                                          const double *restrict p, const double *restrict c,
                                          const double *restrict out_bar, double *restrict out,
                                          double *restrict m_bar, double *restrict p_bar,
                                          double *restrict c_bar)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double v0 = m[i];
        const double v1 = p[i];
        const double v2 = c[i];
        const double v3 = out_bar[i];

        const double t0 = v1*v2;
        const double t1 = v2*v2;
        const double t2 = v0*t1;
        const double t3 = sqrt(t0*t0 + t2*t2);
        const double t4 = 2.0*(v3/(2.0*t3));
        const double t5 = t4*t2;
        const double t6 = t4*t0;

        out[i]   = t3;
        m_bar[i] = t5*t1;
        p_bar[i] = t6*v2;
        c_bar[i] = 2.0*(t5*v0)*v2 + t6*v1;
    }
}

/* The same functions for callers that hold the arrays in tables. */

void relativistic_energy_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    relativistic_energy_forward(n, in[0], in[1], in[2], out[0]);
}

void relativistic_energy_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    relativistic_energy_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2]);
}

void relativistic_energy_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out)
{
    relativistic_energy_forward_backward(n, in[0], in[1], in[2], in[3], out[0], out[1], out[2],
                                         out[3]);
}
