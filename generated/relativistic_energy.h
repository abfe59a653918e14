/* Generated from a formula; the mathematics stands in relativistic_energy.c.
 *
 * Every array holds n numbers of type double. Outputs must not overlap inputs or each other.
 */
#ifndef RELATIVISTIC_ENERGY_H
#define RELATIVISTIC_ENERGY_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Forward. */
void relativistic_energy_forward(ptrdiff_t n, const double *m, const double *p, const double *c,
                                 double *out);

/* Backward: cotangents of the outputs in, cotangents of the inputs out. */
void relativistic_energy_backward(ptrdiff_t n, const double *m, const double *p, const double *c,
                                  const double *out_bar, double *m_bar, double *p_bar,
                                  double *c_bar);

/* Forward and backward in one pass. */
void relativistic_energy_forward_backward(ptrdiff_t n, const double *m, const double *p,
                                          const double *c, const double *out_bar, double *out,
                                          double *m_bar, double *p_bar, double *c_bar);

/* The same with the arrays in tables, in the order of the parameters above. */
void relativistic_energy_forward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void relativistic_energy_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);
void relativistic_energy_forward_backward_lanes(ptrdiff_t n, const void *const *in, void *const *out);

#ifdef __cplusplus
}
#endif

#endif
