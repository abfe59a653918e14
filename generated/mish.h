/* Generated from a formula; the mathematics stands in mish.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef MISH_H
#define MISH_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void mish_forward(ptrdiff_t n, const double *x, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void mish_backward(ptrdiff_t n, const double *x, const double *out_bar, double *x_bar);

/* Forward and backward in one pass. */
void mish_forward_backward(ptrdiff_t n, const double *x, const double *out_bar, double *out,
                           double *x_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void mish_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void mish_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void mish_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
