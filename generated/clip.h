/* Generated from a formula; the mathematics stands in clip.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef CLIP_H
#define CLIP_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void clip_forward(ptrdiff_t n, const double *x, const double *lo, const double *hi, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void clip_backward(ptrdiff_t n, const double *x, const double *lo, const double *hi,
                   const double *out_bar, double *x_bar, double *lo_bar, double *hi_bar);

/* Forward and backward in one pass. */
void clip_forward_backward(ptrdiff_t n, const double *x, const double *lo, const double *hi,
                           const double *out_bar, double *out, double *x_bar, double *lo_bar,
                           double *hi_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void clip_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void clip_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void clip_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
