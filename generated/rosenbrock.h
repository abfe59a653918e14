/* Generated from a formula; the mathematics stands in rosenbrock.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef ROSENBROCK_H
#define ROSENBROCK_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void rosenbrock_forward(ptrdiff_t n, const double *x, const double *y, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void rosenbrock_backward(ptrdiff_t n, const double *x, const double *y, const double *out_bar,
                         double *x_bar, double *y_bar);

/* Forward and backward in one pass. */
void rosenbrock_forward_backward(ptrdiff_t n, const double *x, const double *y,
                                 const double *out_bar, double *out, double *x_bar, double *y_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void rosenbrock_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void rosenbrock_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void rosenbrock_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
