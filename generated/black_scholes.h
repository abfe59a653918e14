/* Generated from a formula; the mathematics stands in black_scholes.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef BLACK_SCHOLES_H
#define BLACK_SCHOLES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void black_scholes_forward(ptrdiff_t n, const double *S, const double *K, const double *r,
                           const double *sigma, const double *T, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void black_scholes_backward(ptrdiff_t n, const double *S, const double *K, const double *r,
                            const double *sigma, const double *T, const double *out_bar,
                            double *S_bar, double *K_bar, double *r_bar, double *sigma_bar,
                            double *T_bar);

/* Forward and backward in one pass. */
void black_scholes_forward_backward(ptrdiff_t n, const double *S, const double *K, const double *r,
                                    const double *sigma, const double *T, const double *out_bar,
                                    double *out, double *S_bar, double *K_bar, double *r_bar,
                                    double *sigma_bar, double *T_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void black_scholes_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void black_scholes_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void black_scholes_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
