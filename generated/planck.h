/* Generated from a formula; the mathematics stands in planck.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef PLANCK_H
#define PLANCK_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void planck_forward(ptrdiff_t n, const double *wavelength, const double *T, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void planck_backward(ptrdiff_t n, const double *wavelength, const double *T, const double *out_bar,
                     double *wavelength_bar, double *T_bar);

/* Forward and backward in one pass. */
void planck_forward_backward(ptrdiff_t n, const double *wavelength, const double *T,
                             const double *out_bar, double *out, double *wavelength_bar,
                             double *T_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void planck_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void planck_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void planck_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
