/* Generated from a formula; the mathematics stands in bce_logits.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef BCE_LOGITS_H
#define BCE_LOGITS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void bce_logits_forward(ptrdiff_t n, const double *z, const double *t, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void bce_logits_backward(ptrdiff_t n, const double *z, const double *t, const double *out_bar,
                         double *z_bar, double *t_bar);

/* Forward and backward in one pass. */
void bce_logits_forward_backward(ptrdiff_t n, const double *z, const double *t,
                                 const double *out_bar, double *out, double *z_bar, double *t_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void bce_logits_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void bce_logits_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void bce_logits_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
