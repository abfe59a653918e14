/* Generated from a formula; the mathematics stands in van_der_waals.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef VAN_DER_WAALS_H
#define VAN_DER_WAALS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void van_der_waals_forward(ptrdiff_t n, const double *arg0, const double *V, const double *T,
                           const double *a, const double *b, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void van_der_waals_backward(ptrdiff_t n, const double *arg0, const double *V, const double *T,
                            const double *a, const double *b, const double *out_bar, double *n_bar,
                            double *V_bar, double *T_bar, double *a_bar, double *b_bar);

/* Forward and backward in one pass. */
void van_der_waals_forward_backward(ptrdiff_t n, const double *arg0, const double *V,
                                    const double *T, const double *a, const double *b,
                                    const double *out_bar, double *out, double *n_bar,
                                    double *V_bar, double *T_bar, double *a_bar, double *b_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void van_der_waals_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void van_der_waals_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void van_der_waals_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
