/* Generated from a formula; the mathematics stands in softplus.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef SOFTPLUS_H
#define SOFTPLUS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void softplus_forward(ptrdiff_t n, const double *x, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void softplus_backward(ptrdiff_t n, const double *x, const double *out_bar, double *x_bar);

/* Forward and backward in one pass. */
void softplus_forward_backward(ptrdiff_t n, const double *x, const double *out_bar, double *out,
                               double *x_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void softplus_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void softplus_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void softplus_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
