/* Generated from a formula; the mathematics stands in student_t.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef STUDENT_T_H
#define STUDENT_T_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void student_t_forward(ptrdiff_t n, const double *x, const double *mu, const double *sigma,
                       const double *nu, double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void student_t_backward(ptrdiff_t n, const double *x, const double *mu, const double *sigma,
                        const double *nu, const double *out_bar, double *x_bar, double *mu_bar,
                        double *sigma_bar, double *nu_bar);

/* Forward and backward in one pass. */
void student_t_forward_backward(ptrdiff_t n, const double *x, const double *mu, const double *sigma,
                                const double *nu, const double *out_bar, double *out, double *x_bar,
                                double *mu_bar, double *sigma_bar, double *nu_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void student_t_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void student_t_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void student_t_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
