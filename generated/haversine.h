/* Generated from a formula; the mathematics stands in haversine.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef HAVERSINE_H
#define HAVERSINE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void haversine_forward(ptrdiff_t n, const double *lat1, const double *lon1, const double *lat2,
                       const double *lon2, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void haversine_backward(ptrdiff_t n, const double *lat1, const double *lon1, const double *lat2,
                        const double *lon2, const double *out_bar, double *lat1_bar,
                        double *lon1_bar, double *lat2_bar, double *lon2_bar);

/* Forward and backward in one pass. */
void haversine_forward_backward(ptrdiff_t n, const double *lat1, const double *lon1,
                                const double *lat2, const double *lon2, const double *out_bar,
                                double *out, double *lat1_bar, double *lon1_bar, double *lat2_bar,
                                double *lon2_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void haversine_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void haversine_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void haversine_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
