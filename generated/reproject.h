/* Generated from a formula; the mathematics stands in reproject.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef REPROJECT_H
#define REPROJECT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void reproject_forward(ptrdiff_t n, const double *X, const double *Y, const double *Z,
                       const double *f, const double *arg4, const double *arg5, double *u,
                       double *v);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void reproject_backward(ptrdiff_t n, const double *X, const double *Y, const double *Z,
                        const double *f, const double *arg4, const double *arg5,
                        const double *u_bar, const double *v_bar, double *X_bar, double *Y_bar,
                        double *Z_bar, double *f_bar, double *k1_bar, double *k2_bar);

/* Forward and backward in one pass. */
void reproject_forward_backward(ptrdiff_t n, const double *X, const double *Y, const double *Z,
                                const double *f, const double *arg4, const double *arg5,
                                const double *u_bar, const double *v_bar, double *u, double *v,
                                double *X_bar, double *Y_bar, double *Z_bar, double *f_bar,
                                double *k1_bar, double *k2_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void reproject_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void reproject_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void reproject_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
