/* Generated from a formula; the mathematics stands in morse.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef MORSE_H
#define MORSE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void morse_forward(ptrdiff_t n, const double *r, const double *depth, const double *a,
                   const double *arg3, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void morse_backward(ptrdiff_t n, const double *r, const double *depth, const double *a,
                    const double *arg3, const double *out_bar, double *r_bar, double *depth_bar,
                    double *a_bar, double *r0_bar);

/* Forward and backward in one pass. */
void morse_forward_backward(ptrdiff_t n, const double *r, const double *depth, const double *a,
                            const double *arg3, const double *out_bar, double *out, double *r_bar,
                            double *depth_bar, double *a_bar, double *r0_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void morse_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void morse_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void morse_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
