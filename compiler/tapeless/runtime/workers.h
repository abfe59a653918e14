/* Threads that help with a call.
 *
 * The work of a call is cut into chunks that do not depend on who takes them. The calling thread takes chunks like
 * any other, and when none is left waits for those that others have taken, so that a helper that gets no processor
 * holds nothing up. One call at a time has the helpers; others meanwhile work alone.
 *
 * Helpers watch for the next call for a moment and then sleep, so that a row of short calls finds them awake. Whether
 * help pays is measured: where none came before the work was done, or a call took longer than its own processor time
 * says it would have taken alone, the other processors are busy, and this thread may be put aside for its own
 * helpers. Then the next calls are made alone, for longer each time.
 */
#ifndef TAPELESS_WORKERS_H
#define TAPELESS_WORKERS_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

/* Takes chunks until there are none; returns how many it took. `helping` is 0 for the thread whose call it is. */
typedef ptrdiff_t work_function(void *context, int helping);

typedef long long nanoseconds;

enum { MOST_HELPERS = 255 };
enum {
    WATCH = 30000,       /* nanoseconds that a helper watches for the next call */
    PATIENCE = 20000,    /* that a call watches for helpers to finish before it sleeps */
    WORTH_WAKING = 40000 /* of work for which helpers are woken: that takes some 7000 of the caller's own */
};
enum { MOST_CAUTION = 10, TRUST = 32 };
#ifndef LONGEST_REST
#define LONGEST_REST 1000000000 /* nanoseconds */
#endif

/* The gate: how many helpers may still come in, and how many are in. */
enum { PLACE = 1 << 16, INSIDE = PLACE - 1 };

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
#define RELAX() __builtin_ia32_pause()
#else
#define RELAX() ((void)0)
#endif

static struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    atomic_int taken; /* whether a call has the helpers */
    atomic_uint gate;
    atomic_int watching, sleeping, waited_for;
    /* What follows belongs to the call that has the helpers. */
    int helpers; /* that exist */
    work_function *work;
    void *context;
    nanoseconds last_end, rest_until;
    int caution, trust;
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static nanoseconds read_clock(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? t.tv_sec * 1000000000LL + t.tv_nsec : 0;
}

static int is_open(void)
{
    return atomic_load(&pool.gate) >= PLACE;
}

static int come_in(void)
{
    unsigned gate = atomic_load(&pool.gate);
    while (gate >= PLACE)
        if (atomic_compare_exchange_weak(&pool.gate, &gate, gate - PLACE + 1))
            return 1;
    return 0;
}

static void go_out(void)
{
    if (atomic_fetch_sub(&pool.gate, 1) == 1 && atomic_load(&pool.waited_for)) {
        pthread_mutex_lock(&pool.mutex);
        pthread_cond_signal(&pool.done);
        pthread_mutex_unlock(&pool.mutex);
    }
}

/* Others who want the processor get it. */
static int watch_for_work(void)
{
    nanoseconds until = read_clock(CLOCK_MONOTONIC) + WATCH;
    int open = 0;
    atomic_fetch_add(&pool.watching, 1);
    do {
        for (int i = 0; i < 20 && !(open = is_open()); i++)
            RELAX();
    } while (!open && sched_yield() == 0 && read_clock(CLOCK_MONOTONIC) < until);
    atomic_fetch_sub(&pool.watching, 1);
    return open;
}

static void *help(void *unused)
{
    (void)unused;
    for (;;) {
        if (come_in()) {
            pool.work(pool.context, 1);
            go_out();
        }
        if (!watch_for_work()) {
            pthread_mutex_lock(&pool.mutex);
            atomic_fetch_add(&pool.sleeping, 1);
            while (!is_open())
                pthread_cond_wait(&pool.wake, &pool.mutex);
            atomic_fetch_sub(&pool.sleeping, 1);
            pthread_mutex_unlock(&pool.mutex);
        }
    }
    return NULL;
}

/* In the child of a fork there are no helpers, and whatever state they left is of no use. */
static void forget_helpers(void)
{
    static const struct pool none = {.mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER,
                                     .done = PTHREAD_COND_INITIALIZER};
    memcpy(&pool, &none, sizeof pool);
}

static void mind_forks(void)
{
    pthread_atfork(NULL, NULL, forget_helpers);
}

/* Have as many helpers as are wanted, or as many as the system gives; return their number. */
static int hire(int wanted)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pool.helpers >= wanted || pthread_once(&once, mind_forks) != 0 || pthread_attr_init(&attributes) != 0)
        return pool.helpers < wanted ? pool.helpers : wanted;
    /* Signals are for the threads of the program. */
    sigfillset(&all);
    if (pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
        pthread_sigmask(SIG_SETMASK, &all, &before) == 0) {
        pthread_t thread;
        while (pool.helpers < wanted && pthread_create(&thread, &attributes, help, NULL) == 0)
            pool.helpers++;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attributes);
    return pool.helpers;
}

static void call_in(int wanted)
{
    atomic_store(&pool.gate, (unsigned)wanted * PLACE);
    int more = wanted - atomic_load(&pool.watching);
    if (more <= 0 || atomic_load(&pool.sleeping) == 0)
        return;
    pthread_mutex_lock(&pool.mutex);
    for (; more > 0; more--)
        pthread_cond_signal(&pool.wake);
    pthread_mutex_unlock(&pool.mutex);
}

/* Let nobody else in, and wait for those who are. */
static void see_out(void)
{
    if ((atomic_fetch_and(&pool.gate, INSIDE) & INSIDE) == 0)
        return;
    nanoseconds until = read_clock(CLOCK_MONOTONIC) + PATIENCE;
    do {
        for (int i = 0; i < 50; i++) {
            if (atomic_load(&pool.gate) == 0)
                return;
            RELAX();
        }
    } while (read_clock(CLOCK_MONOTONIC) < until);
    /* Asleep, this thread leaves its processor to a helper that waits for one. */
    pthread_mutex_lock(&pool.mutex);
    atomic_store(&pool.waited_for, 1);
    while (atomic_load(&pool.gate) != 0)
        pthread_cond_wait(&pool.done, &pool.mutex);
    atomic_store(&pool.waited_for, 0);
    pthread_mutex_unlock(&pool.mutex);
}

/* Learn from a call: `took` by the clock, `alone` had it been without helpers, and whether any of them came in time. */
static void learn(nanoseconds took, double alone, int helped, nanoseconds end)
{
    if (!helped || (double)took > 1.1 * alone + PATIENCE) {
        nanoseconds rest;
        pool.caution += pool.caution < MOST_CAUTION;
        rest = took << pool.caution;
        pool.rest_until = end + (rest < LONGEST_REST ? rest : LONGEST_REST);
        pool.trust = 0;
    } else if (pool.caution > 0 && (double)took < 0.9 * alone && ++pool.trust == TRUST) {
        pool.caution--;
        pool.trust = 0;
    }
}

/* Do the work of a call, about `estimate` nanoseconds of it in `chunks` chunks, with `helpers` others at most. */
static void share(work_function *work, void *context, ptrdiff_t chunks, int helpers, double estimate)
{
    int nobody = 0, is_long = estimate >= WORTH_WAKING;
    if (helpers <= 0 || !atomic_compare_exchange_strong(&pool.taken, &nobody, 1)) {
        work(context, 0);
        return;
    }
    nanoseconds start = read_clock(CLOCK_MONOTONIC), used = 0;
    int wanted = helpers < MOST_HELPERS ? helpers : MOST_HELPERS;
    /* A single short call does not pay for waking helpers; the second of a row does it for those to come. */
    int awake = atomic_load(&pool.watching) > 0 || start - pool.last_end < WATCH;
    wanted = start >= pool.rest_until && (is_long || awake) ? hire(wanted) : 0;
    if (wanted > 0) {
        pool.work = work;
        pool.context = context;
        if (is_long)
            used = read_clock(CLOCK_THREAD_CPUTIME_ID);
        call_in(wanted);
    }
    ptrdiff_t own = work(context, 0);
    if (wanted > 0) {
        double alone = 10 * estimate + 10 * WATCH; /* beyond doubt, whatever the estimate is worth */
        if (is_long && own > 0)
            alone = (double)(read_clock(CLOCK_THREAD_CPUTIME_ID) - used) * (double)chunks / (double)own;
        see_out();
        pool.last_end = read_clock(CLOCK_MONOTONIC);
        learn(pool.last_end - start, alone, own < chunks, pool.last_end);
    } else {
        pool.last_end = read_clock(CLOCK_MONOTONIC);
    }
    atomic_store(&pool.taken, 0);
}

#endif
