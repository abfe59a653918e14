/* Generated from a formula; the mathematics stands in line.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef LINE_H
#define LINE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void line_forward(ptrdiff_t n, const double *w, const double *x, const double *b, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void line_backward(ptrdiff_t n, const double *w, const double *x, const double *b,
                   const double *out_bar, double *w_bar, double *x_bar, double *b_bar);

/* Forward and backward in one pass. */
void line_forward_backward(ptrdiff_t n, const double *w, const double *x, const double *b,
                           const double *out_bar, double *out, double *w_bar, double *x_bar,
                           double *b_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void line_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void line_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void line_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
