/* Generated from a formula; the mathematics stands in lennard_jones.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef LENNARD_JONES_H
#define LENNARD_JONES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void lennard_jones_forward(ptrdiff_t n, const double *epsilon, const double *sigma, const double *x,
                           const double *y, const double *z, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void lennard_jones_backward(ptrdiff_t n, const double *epsilon, const double *sigma,
                            const double *x, const double *y, const double *z,
                            const double *out_bar, double *epsilon_bar, double *sigma_bar,
                            double *x_bar, double *y_bar, double *z_bar);

/* Forward and backward in one pass. */
void lennard_jones_forward_backward(ptrdiff_t n, const double *epsilon, const double *sigma,
                                    const double *x, const double *y, const double *z,
                                    const double *out_bar, double *out, double *epsilon_bar,
                                    double *sigma_bar, double *x_bar, double *y_bar, double *z_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void lennard_jones_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void lennard_jones_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void lennard_jones_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
