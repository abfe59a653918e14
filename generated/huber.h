/* Generated from a formula; the mathematics stands in huber.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef HUBER_H
#define HUBER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void huber_forward(ptrdiff_t n, const double *r, const double *delta, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void huber_backward(ptrdiff_t n, const double *r, const double *delta, const double *out_bar,
                    double *r_bar, double *delta_bar);

/* Forward and backward in one pass. */
void huber_forward_backward(ptrdiff_t n, const double *r, const double *delta,
                            const double *out_bar, double *out, double *r_bar, double *delta_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void huber_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void huber_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void huber_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
