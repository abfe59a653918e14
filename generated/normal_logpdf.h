/* Generated from a formula; the mathematics stands in normal_logpdf.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef NORMAL_LOGPDF_H
#define NORMAL_LOGPDF_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void normal_logpdf_forward(ptrdiff_t n, const double *x, const double *mu, const double *sigma,
                           double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void normal_logpdf_backward(ptrdiff_t n, const double *x, const double *mu, const double *sigma,
                            const double *out_bar, double *x_bar, double *mu_bar, double *sigma_bar);

/* Forward and backward in one pass. */
void normal_logpdf_forward_backward(ptrdiff_t n, const double *x, const double *mu,
                                    const double *sigma, const double *out_bar, double *out,
                                    double *x_bar, double *mu_bar, double *sigma_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void normal_logpdf_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void normal_logpdf_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void normal_logpdf_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
