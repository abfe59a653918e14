/* Generated from a formula; the mathematics stands in log_cosh.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef LOG_COSH_H
#define LOG_COSH_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void log_cosh_forward(ptrdiff_t n, const double *r, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void log_cosh_backward(ptrdiff_t n, const double *r, const double *out_bar, double *r_bar);

/* Forward and backward in one pass. */
void log_cosh_forward_backward(ptrdiff_t n, const double *r, const double *out_bar, double *out,
                               double *r_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void log_cosh_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void log_cosh_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void log_cosh_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
