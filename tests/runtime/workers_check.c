/* Calls that share the helpers: from many threads at once, and around forks. To be compiled with LONGEST_REST=0, so that
 * no call goes without helpers because they were of no use before.
 *
 * Usage: workers_check threads | fork | exit
 */
#include "driver.c"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POINTS = 60000, CALLERS = 6, ROUNDS = 40 };

/* y = 2 x, and the sum of x. */
static void kernel(ptrdiff_t n, const void *const *in, void *const *out)
{
    const double *x = in[0];
    double *y = out[0], *same = out[1];
    for (ptrdiff_t i = 0; i < n; i++) {
        y[i] = 2.0 * x[i];
        same[i] = x[i];
    }
}

static int call(ptrdiff_t threads)
{
    static double x[POINTS];
    double *y = calloc(POINTS, sizeof *y), sum = 0.0;
    ptrdiff_t extent = POINTS, in_rows[] = {1, 0, sizeof *x}, out_rows[] = {1, 0, sizeof *y, 1, 0, 0}, wrong = 0;
    const void *in[] = {x};
    void *out[] = {y, &sum};
    if (y == NULL || tapeless_drive(kernel, 8, 50.0, threads, 1, &extent, 1, in, in_rows, 2, out, out_rows) != DONE)
        return 1;
    for (ptrdiff_t i = 0; i < POINTS; i++)
        wrong += y[i] != 2.0 * x[i];
    free(y);
    return wrong != 0 || sum != 0.0;
}

static atomic_int failures;

static void *caller(void *threads)
{
    for (int round = 0; round < ROUNDS; round++)
        atomic_fetch_add(&failures, call(*(ptrdiff_t *)threads));
    return NULL;
}

static int call_from_many(void)
{
    pthread_t thread[CALLERS];
    ptrdiff_t threads[CALLERS];
    for (int k = 0; k < CALLERS; k++) {
        threads[k] = 2 + k;
        if (pthread_create(&thread[k], NULL, caller, &threads[k]) != 0)
            return 1;
    }
    for (int k = 0; k < CALLERS; k++)
        pthread_join(thread[k], NULL);
    return atomic_load(&failures);
}

/* Fork again and again while another thread keeps the helpers at work; children call as well. */
static int fork_meanwhile(void)
{
    pthread_t thread;
    ptrdiff_t threads = 3;
    int wrong = call(3);
    if (pthread_create(&thread, NULL, caller, &threads) != 0)
        return 1;
    for (int k = 0; k < 20; k++) {
        pid_t child = fork();
        int status = 0;
        if (child == 0)
            _exit(call(1) | call(3) | call(3));
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            wrong++;
        wrong += call(3);
    }
    pthread_join(thread, NULL);
    return wrong + atomic_load(&failures);
}

int main(int count, char **words)
{
    if (count == 2 && strcmp(words[1], "threads") == 0)
        return call_from_many();
    if (count == 2 && strcmp(words[1], "fork") == 0)
        return fork_meanwhile();
    return call(4); /* and leave while helpers still watch */
}
