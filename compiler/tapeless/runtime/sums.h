/* Sums that are accurate, vectorised, and the same bits wherever the numbers lie.
 *
 * Within a tile a sum is pairwise; from tile to tile it goes into a compensated accumulator, a sum and an error,
 * all in double. Which additions are made, and in what order, follows from numbers of points alone.
 *
 * Must be compiled without contraction and without value-changing algebra, which would undo the compensation.
 */
#ifndef TAPELESS_SUMS_H
#define TAPELESS_SUMS_H

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "layout.h"

/* Eight numbers at once, anywhere in memory; compilers make of it what the processor has. Spelt out, for this file is
 * compiled at a level at which loops are not vectorised. */
typedef double eight __attribute__((vector_size(64), aligned(8), may_alias));
typedef float eight_narrow __attribute__((vector_size(32), aligned(4), may_alias));
#define EIGHT(place) (*(eight *)(place))
#define EIGHT_OF(place) (*(const eight *)(place))

enum { RUNNING = 32 /* running sums of a pairwise sum: enough to hide how long an addition takes */, NARROW = 64 };

/* Sum with an error that grows as log n. */
static double pairwise(const double *x, ptrdiff_t n)
{
    double rest[4] = {0.0, 0.0, 0.0, 0.0}, sum = 0.0;
    ptrdiff_t i = 0;
    if (n > 512) {
        ptrdiff_t half = n / 2 - n / 2 % RUNNING;
        return pairwise(x, half) + pairwise(x + half, n - half);
    }
    if (n >= RUNNING) {
        eight a = EIGHT_OF(x), b = EIGHT_OF(x + 8), c = EIGHT_OF(x + 16), d = EIGHT_OF(x + 24);
        for (i = RUNNING; i + RUNNING <= n; i += RUNNING) {
            a += EIGHT_OF(x + i);
            b += EIGHT_OF(x + i + 8);
            c += EIGHT_OF(x + i + 16);
            d += EIGHT_OF(x + i + 24);
        }
        a = (a + b) + (c + d);
        sum = ((a[0] + a[4]) + (a[1] + a[5])) + ((a[2] + a[6]) + (a[3] + a[7]));
    }
    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++)
            rest[j] += x[i + j];
    sum += (rest[0] + rest[1]) + (rest[2] + rest[3]);
    for (; i < n; i++)
        sum += x[i];
    return sum;
}

/* Add x to sum; what rounding loses goes to error. Source: Knuth, TAOCP 2, section 4.2.2, theorem B. */
static inline void add(double *sum, double *error, double x)
{
    double old = *sum, total = old + x, part = total - old;
    *sum = total;
    *error += (old - (total - part)) + (x - part);
}

static void add_all(double *sum, double *error, const double *x, ptrdiff_t n)
{
    ptrdiff_t i = 0;
    for (; i + 8 <= n; i += 8) {
        eight more = EIGHT_OF(x + i), old = EIGHT_OF(sum + i), total = old + more, part = total - old;
        EIGHT(sum + i) = total;
        EIGHT(error + i) = EIGHT_OF(error + i) + ((old - (total - part)) + (more - part));
    }
    for (; i < n; i++)
        add(&sum[i], &error[i], x[i]);
}

static void add_plain(double *sum, const double *x, ptrdiff_t n)
{
    ptrdiff_t i = 0;
    for (; i + 8 <= n; i += 8)
        EIGHT(sum + i) = EIGHT_OF(sum + i) + EIGHT_OF(x + i);
    for (; i < n; i++)
        sum[i] += x[i];
}

/* Add the rows of a table, of `columns` numbers each and at most NARROW, to one accumulator per column. */
static void add_rows(double *sum, double *error, const double *x, ptrdiff_t rows, ptrdiff_t columns)
{
    double part[NARROW];
    ptrdiff_t together = 1;
    while (2 * together * columns <= NARROW)
        together *= 2;
    ptrdiff_t width = together * columns, groups = rows / together;
    if (groups > 1) {
        memcpy(part, x, (size_t)width * sizeof *x);
        for (ptrdiff_t k = 1; k < groups; k++)
            add_plain(part, x + k * width, width);
        for (ptrdiff_t w = width / 2; w >= columns; w /= 2)
            add_plain(part, part + w, w);
        add_all(sum, error, part, columns);
        x += groups * width;
        rows -= groups * together;
    }
    for (ptrdiff_t k = 0; k < rows; k++)
        add_all(sum, error, x + k * columns, columns);
}

/* Add the sum of each row to an accumulator of its own. */
static void add_each_row(double *sum, double *error, const double *x, ptrdiff_t rows, ptrdiff_t columns)
{
    for (ptrdiff_t k = 0; k < rows; k++, x += columns) {
        double total = x[0];
        if (columns < 8)
            for (ptrdiff_t i = 1; i < columns; i++)
                total += x[i];
        else
            total = pairwise(x, columns);
        add(&sum[k], &error[k], total);
    }
}

/* Add `n` points of each lane of a tile, from `at` on, to accumulators: their places are the offsets of `where`, less
 * `low`, and those of a lane lie `pitch` numbers behind those of the lane before. `at` ends up behind the points. */
static void accumulate(double *sum, double *error, ptrdiff_t pitch, ptrdiff_t low, const double *tile,
                       ptrdiff_t tile_pitch, ptrdiff_t lanes, const layout *where, cursor *at, ptrdiff_t n)
{
    ptrdiff_t last = where->dimensions - 1, length = where->extent[last];
    int summed = where->stride[last] == 0, narrow = last > 0 && length <= NARROW;
    for (ptrdiff_t done = 0; done < n;) {
        ptrdiff_t run = run_length(where, at, n - done), place = at->offset - low, rows = 1;
        if (narrow && at->index[last] == 0 && n - done >= 2 * length &&
            (summed ? where->stride[last - 1] == 1 : where->stride[last - 1] == 0)) {
            ptrdiff_t left = where->extent[last - 1] - at->index[last - 1];
            rows = (n - done) / length < left ? (n - done) / length : left;
        }
        for (ptrdiff_t lane = 0; lane < lanes; lane++) {
            double *s = sum + lane * pitch + place, *e = error + lane * pitch + place;
            const double *x = tile + lane * tile_pitch + done;
            if (rows > 1 && summed)
                add_each_row(s, e, x, rows, length);
            else if (rows > 1)
                add_rows(s, e, x, rows, length);
            else if (summed)
                add(s, e, pairwise(x, run));
            else
                add_all(s, e, x, run);
        }
        if (rows > 1) {
            at->index[last - 1] += rows - 1;
            at->offset += (rows - 1) * where->stride[last - 1];
            done += (rows - 1) * length;
        }
        advance(where, at, run);
        done += run;
    }
}

/* Of an infinite or NaN sum the error term means nothing. */
static inline double settled(double sum, double error)
{
    return isfinite(sum) ? sum + error : sum;
}

static void widen(double *to, const float *from, ptrdiff_t n)
{
    ptrdiff_t i = 0;
#if defined(__clang__) || __GNUC__ >= 9
    for (; i + 8 <= n; i += 8)
        EIGHT(to + i) = __builtin_convertvector(*(const eight_narrow *)(from + i), eight);
#endif
    for (; i < n; i++)
        to[i] = from[i];
}

#endif
