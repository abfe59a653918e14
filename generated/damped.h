/* Generated from a formula; the mathematics stands in damped.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef DAMPED_H
#define DAMPED_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void damped_forward(ptrdiff_t n, const double *A, const double *g, const double *w, const double *t,
                    double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void damped_backward(ptrdiff_t n, const double *A, const double *g, const double *w,
                     const double *t, const double *out_bar, double *A_bar, double *g_bar,
                     double *w_bar, double *t_bar);

/* Forward and backward in one pass. */
void damped_forward_backward(ptrdiff_t n, const double *A, const double *g, const double *w,
                             const double *t, const double *out_bar, double *out, double *A_bar,
                             double *g_bar, double *w_bar, double *t_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void damped_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void damped_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void damped_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
