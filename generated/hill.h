/* Generated from a formula; the mathematics stands in hill.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef HILL_H
#define HILL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void hill_forward(ptrdiff_t n, const double *L, const double *K, const double *arg2, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void hill_backward(ptrdiff_t n, const double *L, const double *K, const double *arg2,
                   const double *out_bar, double *L_bar, double *K_bar, double *n_bar);

/* Forward and backward in one pass. */
void hill_forward_backward(ptrdiff_t n, const double *L, const double *K, const double *arg2,
                           const double *out_bar, double *out, double *L_bar, double *K_bar,
                           double *n_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void hill_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void hill_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void hill_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
