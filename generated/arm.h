/* Generated from a formula; the mathematics stands in arm.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef ARM_H
#define ARM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void arm_forward(ptrdiff_t n, const double *q1, const double *q2, const double *l1,
                 const double *l2, double *x, double *y);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void arm_backward(ptrdiff_t n, const double *q1, const double *q2, const double *l1,
                  const double *l2, const double *x_bar, const double *y_bar, double *q1_bar,
                  double *q2_bar, double *l1_bar, double *l2_bar);

/* Forward and backward in one pass. */
void arm_forward_backward(ptrdiff_t n, const double *q1, const double *q2, const double *l1,
                          const double *l2, const double *x_bar, const double *y_bar, double *x,
                          double *y, double *q1_bar, double *q2_bar, double *l1_bar, double *l2_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void arm_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void arm_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void arm_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
