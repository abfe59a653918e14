/* One point of a kernel, as the integrators and filters of SciPy call it. Compiled behind the C of the kernel itself,
 * with these defined: KERNEL, its function that takes tables; VARIABLES, how many of its inputs come from the caller;
 * BOUND, how many come from memory. The compiler is made to put the kernel in its place, with a batch of one.
 *
 * Nothing is written but on the stack, so that threads may share what is bound.
 */
#if !defined(TAPELESS_UNIT) || TAPELESS_UNIT == 0

#ifdef __GNUC__
#define WITH_ALL_IT_CALLS __attribute__((flatten))
#else
#define WITH_ALL_IT_CALLS
#endif

static WITH_ALL_IT_CALLS double at_point(const double *variables, const double *bound)
{
    const void *in[VARIABLES + BOUND];
    double value;
    void *out[1] = {&value};

    for (ptrdiff_t k = 0; k < VARIABLES; k++)
        in[k] = variables + k;
    for (ptrdiff_t k = 0; k < BOUND; k++)
        in[VARIABLES + k] = bound + k;
    KERNEL(1, in, out);
    return value;
}

/* The answer to a caller that passes another number of variables: reading on would leave its array. */
static double not_a_number(void)
{
    const volatile double zero = 0.0;
    return zero / zero;
}

double tapeless_number(double x)
{
    return VARIABLES == 1 && BOUND == 0 ? at_point(&x, &x) : not_a_number();
}

double tapeless_number_data(double x, void *data)
{
    return VARIABLES == 1 ? at_point(&x, data) : not_a_number();
}

double tapeless_numbers(int n, double *x)
{
    return n == VARIABLES && BOUND == 0 ? at_point(x, x) : not_a_number();
}

double tapeless_numbers_data(int n, double *x, void *data)
{
    return n == VARIABLES ? at_point(x, data) : not_a_number();
}

/* A filter's window; 0 says that it has another size. */
int tapeless_window(double *x, ptrdiff_t n, double *value, void *data)
{
    if (n != VARIABLES)
        return 0;
    *value = at_point(x, data);
    return 1;
}

#endif
