/* Generated from a formula; the mathematics stands in weibull_logpdf.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef WEIBULL_LOGPDF_H
#define WEIBULL_LOGPDF_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void weibull_logpdf_forward(ptrdiff_t n, const double *x, const double *k, const double *scale,
                            double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void weibull_logpdf_backward(ptrdiff_t n, const double *x, const double *k, const double *scale,
                             const double *out_bar, double *x_bar, double *k_bar, double *scale_bar);

/* Forward and backward in one pass. */
void weibull_logpdf_forward_backward(ptrdiff_t n, const double *x, const double *k,
                                     const double *scale, const double *out_bar, double *out,
                                     double *x_bar, double *k_bar, double *scale_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void weibull_logpdf_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void weibull_logpdf_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void weibull_logpdf_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
