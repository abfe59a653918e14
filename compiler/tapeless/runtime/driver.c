/* Runs a kernel over a batch whose operands lie anywhere.
 *
 * A kernel wants every lane contiguous. Here operands have one byte stride per batch dimension, 0 where they are
 * broadcast. The batch is taken in C order, a tile of consecutive points at a time: lanes that are not contiguous
 * over the tile are packed into a buffer that stays in cache, the kernel runs, and results are written in place,
 * scattered, or summed.
 *
 * A result with stride 0 along a dimension longer than 1 is summed over it. The sum depends on the values and on
 * the shape of the batch alone, not on how the operands lie in memory: tiles and blocks are cut from the linear
 * index, runs from the pattern of summed dimensions. Within a run it is pairwise; from run to run it goes into a
 * compensated accumulator (Knuth's two-sum), all in double. Blocks have accumulators of their own, merged in order,
 * so that blocks could run on several threads and give the same bits.
 *
 * Must be compiled without contraction and without value-changing algebra, which would undo the compensation.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#define NOINLINE __attribute__((noinline)) /* halves the time that compiling this file takes */
#else
#define NOINLINE
#endif

typedef void kernel_function(ptrdiff_t n, const void *const *in, void *const *out);

enum { MAX_DIMENSIONS = 64, ALIGNMENT = 64, LARGEST_TILE = 512, BLOCK = 1 << 15 };
enum { DONE = 0, OUT_OF_MEMORY = 1 };

/* The batch as one operand sees it: adjacent dimensions that it walks with a single stride are merged. */
typedef struct {
    ptrdiff_t dimensions;
    ptrdiff_t extent[MAX_DIMENSIONS];
    ptrdiff_t stride[MAX_DIMENSIONS];
} layout;

/* A place in a layout: the linear index, spread over the dimensions. */
typedef struct {
    ptrdiff_t index[MAX_DIMENSIONS];
    ptrdiff_t offset;
} position;

typedef struct {
    char *data;
    ptrdiff_t lanes, lane_stride;
    layout batch;
    void **pointers;       /* this operand's part of the kernel's pointer table */
    char *tile;            /* its part of the tile buffers */
    /* Results that are summed only: */
    layout kept;           /* the dimensions that remain, with the strides of the result */
    ptrdiff_t size;        /* their number of points; 0 for a result that is not summed */
    double *block_sum, *block_error, *sum, *error; /* lanes * size each */
} operand;

static NOINLINE layout merge(ptrdiff_t dimensions, const ptrdiff_t *extent, const ptrdiff_t *stride)
{
    layout out;
    out.dimensions = 0;
    for (ptrdiff_t d = 0; d < dimensions; d++) {
        if (extent[d] == 1)
            continue;
        ptrdiff_t last = out.dimensions - 1;
        if (last >= 0 && out.stride[last] == stride[d] * extent[d]) {
            out.extent[last] *= extent[d];
            out.stride[last] = stride[d];
        } else {
            out.extent[out.dimensions] = extent[d];
            out.stride[out.dimensions++] = stride[d];
        }
    }
    if (out.dimensions == 0) {
        out.dimensions = 1;
        out.extent[0] = 1;
        out.stride[0] = 0;
    }
    return out;
}

static NOINLINE position seek(const layout *where, ptrdiff_t point)
{
    position at;
    at.offset = 0;
    for (ptrdiff_t d = where->dimensions; d-- > 0;) {
        at.index[d] = point % where->extent[d];
        at.offset += at.index[d] * where->stride[d];
        point /= where->extent[d];
    }
    return at;
}

/* Points from here to the end of the innermost dimension, at most `limit`. */
static ptrdiff_t run_length(const layout *where, const position *at, ptrdiff_t limit)
{
    ptrdiff_t last = where->dimensions - 1;
    ptrdiff_t left = where->extent[last] - at->index[last];
    return left < limit ? left : limit;
}

static void advance(const layout *where, position *at, ptrdiff_t run)
{
    ptrdiff_t d = where->dimensions - 1;
    at->index[d] += run;
    at->offset += run * where->stride[d];
    for (; d > 0 && at->index[d] == where->extent[d]; d--) {
        at->offset -= at->index[d] * where->stride[d];
        at->index[d] = 0;
        at->index[d - 1]++;
        at->offset += where->stride[d - 1];
    }
}

/* Elements are moved as integers of their size: memory here may be misaligned, and a signalling NaN stays as it is.
 * Two copies of the loop, for the size must be a constant if it is to be fast. */
#define DEFINE_COPY(NAME, WORD)                                                                           \
    static void NAME(char *to, ptrdiff_t to_stride, const char *from, ptrdiff_t from_stride, ptrdiff_t n) \
    {                                                                                                     \
        WORD word;                                                                                        \
        if (to_stride == sizeof word && from_stride == sizeof word) {                                     \
            memcpy(to, from, (size_t)n * sizeof word);                                                    \
        } else if (to_stride == sizeof word && from_stride == 0) {                                        \
            memcpy(&word, from, sizeof word);                                                             \
            for (ptrdiff_t i = 0; i < n; i++)                                                             \
                memcpy(to + i * (ptrdiff_t)sizeof word, &word, sizeof word);                              \
        } else {                                                                                          \
            for (ptrdiff_t i = 0; i < n; i++) {                                                           \
                memcpy(&word, from + i * from_stride, sizeof word);                                       \
                memcpy(to + i * to_stride, &word, sizeof word);                                           \
            }                                                                                             \
        }                                                                                                 \
    }
DEFINE_COPY(copy_double, uint64_t)
DEFINE_COPY(copy_float, uint32_t)

static NOINLINE void copy(int itemsize, char *to, ptrdiff_t to_stride, const char *from, ptrdiff_t from_stride, ptrdiff_t n)
{
    if (itemsize == sizeof(double))
        copy_double(to, to_stride, from, from_stride, n);
    else
        copy_float(to, to_stride, from, from_stride, n);
}

/* Whether the points from `at` on can be used where they lie. */
static int lies_well(const operand *o, const position *at, int itemsize, ptrdiff_t n)
{
    return (n == 1 || o->batch.stride[o->batch.dimensions - 1] == itemsize) &&
           run_length(&o->batch, at, n) == n &&
           (uintptr_t)(o->data + at->offset) % (uintptr_t)itemsize == 0 && o->lane_stride % itemsize == 0;
}

static void point_at(operand *o, const position *at)
{
    for (ptrdiff_t lane = 0; lane < o->lanes; lane++)
        o->pointers[lane] = o->data + at->offset + lane * o->lane_stride;
}

static void point_at_tile(operand *o, ptrdiff_t pitch)
{
    for (ptrdiff_t lane = 0; lane < o->lanes; lane++)
        o->pointers[lane] = o->tile + lane * pitch;
}

static NOINLINE void gather(operand *o, int itemsize, ptrdiff_t pitch, ptrdiff_t start, ptrdiff_t n)
{
    position at = seek(&o->batch, start);
    if (lies_well(o, &at, itemsize, n)) {
        point_at(o, &at);
        return;
    }
    point_at_tile(o, pitch);
    ptrdiff_t stride = o->batch.stride[o->batch.dimensions - 1];
    for (ptrdiff_t done = 0; done < n;) {
        ptrdiff_t run = run_length(&o->batch, &at, n - done);
        for (ptrdiff_t lane = 0; lane < o->lanes; lane++)
            copy(itemsize, o->tile + lane * pitch + done * itemsize, itemsize,
                 o->data + at.offset + lane * o->lane_stride, stride, run);
        advance(&o->batch, &at, run);
        done += run;
    }
}

static NOINLINE void scatter(const layout *where, char *data, int itemsize, const char *from, ptrdiff_t start, ptrdiff_t n)
{
    position at = seek(where, start);
    ptrdiff_t stride = where->stride[where->dimensions - 1];
    for (ptrdiff_t done = 0; done < n;) {
        ptrdiff_t run = run_length(where, &at, n - done);
        copy(itemsize, data + at.offset, stride, from + done * itemsize, itemsize, run);
        advance(where, &at, run);
        done += run;
    }
}

/* Sum with an error that grows as log n; eight running sums let the loop be vectorised. The order of the additions
 * follows from n alone. */
static NOINLINE double pairwise(const double *x, ptrdiff_t n)
{
    if (n < 8) {
        double sum = 0.0;
        for (ptrdiff_t i = 0; i < n; i++)
            sum += x[i];
        return sum;
    }
    if (n <= 128) {
        double part[8];
        ptrdiff_t i = 8;
        memcpy(part, x, sizeof part);
        for (; i + 8 <= n; i += 8)
            for (int j = 0; j < 8; j++)
                part[j] += x[i + j];
        double sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
        for (; i < n; i++)
            sum += x[i];
        return sum;
    }
    ptrdiff_t half = n / 2 - n / 2 % 8;
    return pairwise(x, half) + pairwise(x + half, n - half);
}

/* Add x to sum; what rounding loses goes to error. Source: Knuth, TAOCP 2, section 4.2.2, theorem B. */
static inline void add(double *sum, double *error, double x)
{
    double old = *sum, total = old + x, part = total - old;
    *sum = total;
    *error += (old - (total - part)) + (x - part);
}

static void add_all(double *restrict sum, double *restrict error, const double *restrict x, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        add(&sum[i], &error[i], x[i]);
}

static void widen(double *restrict to, const float *restrict from, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        to[i] = from[i];
}

/* Sum the tile, points start to start + n, into the block's accumulators. `batch` gives an element of the
 * accumulators for each point. */
static NOINLINE void reduce(operand *o, int itemsize, ptrdiff_t pitch, ptrdiff_t start, ptrdiff_t n, double *wide)
{
    int summed = o->batch.stride[o->batch.dimensions - 1] == 0;
    position first = seek(&o->batch, start);
    for (ptrdiff_t lane = 0; lane < o->lanes; lane++) {
        const double *values = (const double *)(const void *)(o->tile + lane * pitch);
        if (itemsize == sizeof(float)) {
            widen(wide, (const float *)(const void *)(o->tile + lane * pitch), n);
            values = wide;
        }
        double *sum = o->block_sum + lane * o->size, *error = o->block_error + lane * o->size;
        position at = first;
        for (ptrdiff_t done = 0; done < n;) {
            ptrdiff_t run = run_length(&o->batch, &at, n - done);
            if (summed)
                add(&sum[at.offset], &error[at.offset], pairwise(values + done, run));
            else
                add_all(&sum[at.offset], &error[at.offset], values + done, run);
            advance(&o->batch, &at, run);
            done += run;
        }
    }
}

static void close_block(operand *o)
{
    ptrdiff_t count = o->lanes * o->size;
    for (ptrdiff_t i = 0; i < count; i++) {
        add(&o->sum[i], &o->error[i], o->block_sum[i]);
        o->error[i] += o->block_error[i];
        o->block_sum[i] = o->block_error[i] = 0.0;
    }
}

static void store_sum(operand *o, int itemsize)
{
    for (ptrdiff_t lane = 0; lane < o->lanes; lane++) {
        double *sum = o->sum + lane * o->size, *error = o->error + lane * o->size;
        for (ptrdiff_t i = 0; i < o->size; i++) {
            /* Of an infinite or NaN sum the error term means nothing. */
            double value = isfinite(sum[i]) ? sum[i] + error[i] : sum[i];
            if (itemsize == sizeof(float)) {
                float narrow = (float)value;
                memcpy((char *)sum + i * itemsize, &narrow, sizeof narrow); /* behind what is still to be read */
            } else {
                sum[i] = value;
            }
        }
        scatter(&o->kept, o->data + lane * o->lane_stride, itemsize, (const char *)sum, 0, o->size);
    }
}

/* Prepare a result for summing, if one of its strides asks for it; return whether there was memory for it. */
static int open_sum(operand *o, ptrdiff_t dimensions, const ptrdiff_t *extent, const ptrdiff_t *stride)
{
    ptrdiff_t dense[MAX_DIMENSIONS], kept_extent[MAX_DIMENSIONS], kept_stride[MAX_DIMENSIONS];
    ptrdiff_t size = 1, kept = 0;
    int summed = 0;
    for (ptrdiff_t d = dimensions; d-- > 0;) {
        dense[d] = 0;
        if (extent[d] == 1)
            continue;
        if (stride[d] == 0) {
            summed = 1;
        } else {
            dense[d] = size;
            size *= extent[d];
        }
    }
    o->size = 0;
    o->sum = NULL;
    if (!summed)
        return 1;
    for (ptrdiff_t d = 0; d < dimensions; d++) {
        if (dense[d] != 0) {
            kept_extent[kept] = extent[d];
            kept_stride[kept++] = stride[d];
        }
    }
    o->kept = merge(kept, kept_extent, kept_stride);
    o->batch = merge(dimensions, extent, dense);
    size_t count = (size_t)(o->lanes * size);
    o->sum = calloc(count * 4, sizeof(double));
    if (o->sum == NULL)
        return 0;
    o->size = size;
    o->error = o->sum + count;
    o->block_sum = o->error + count;
    o->block_error = o->block_sum + count;
    return 1;
}

/* Points per tile, from the number of lanes alone: all lanes of a tile should stay in the first-level cache, and
 * where there are very many of them, in the second. */
static ptrdiff_t tile_points(ptrdiff_t lanes)
{
    ptrdiff_t points = LARGEST_TILE;
    while (points > 64 && points * lanes > 4096)
        points /= 2;
    while (points > 16 && points * lanes > 32768)
        points /= 2;
    return points;
}

/* Each operand's row in `in_rows` and `out_rows`: number of lanes, lane stride, one stride per batch dimension, all
 * strides in bytes. The batch has at least one point and at most MAX_DIMENSIONS dimensions. Results overlap nothing.
 */
int tapeless_drive(kernel_function *kernel, int itemsize, ptrdiff_t dimensions, const ptrdiff_t *extent,
                   ptrdiff_t n_in, const void *const *in, const ptrdiff_t *in_rows,
                   ptrdiff_t n_out, void *const *out, const ptrdiff_t *out_rows)
{
    ptrdiff_t row = dimensions + 2, lanes = 0, points = 1, largest = 0;
    int status = OUT_OF_MEMORY;
    for (ptrdiff_t d = 0; d < dimensions; d++)
        points *= extent[d];
    for (ptrdiff_t k = 0; k < n_in; k++)
        lanes += in_rows[k * row];
    ptrdiff_t in_lanes = lanes;
    for (ptrdiff_t k = 0; k < n_out; k++)
        lanes += out_rows[k * row];
    ptrdiff_t tile = tile_points(lanes);
    /* One cache line more than the tile: lanes at equal offsets in a page would alias in the store buffer. */
    ptrdiff_t pitch = tile * itemsize + ALIGNMENT;

    operand *operands = calloc((size_t)(n_in + n_out) + 1, sizeof *operands);
    void **pointers = calloc((size_t)lanes + 1, sizeof *pointers);
    char *buffer = malloc((size_t)(lanes * pitch) + LARGEST_TILE * sizeof(double) + ALIGNMENT);
    if (operands == NULL || pointers == NULL || buffer == NULL)
        goto release;
    double *wide = (double *)(((uintptr_t)buffer + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
    char *next_tile = (char *)(wide + LARGEST_TILE);
    void **next_pointer = pointers;
    operand *inputs = operands, *results = operands + n_in;

    for (ptrdiff_t k = 0; k < n_in + n_out; k++) {
        operand *o = &operands[k];
        const ptrdiff_t *spec = k < n_in ? in_rows + k * row : out_rows + (k - n_in) * row;
        o->data = k < n_in ? (char *)(uintptr_t)in[k] : out[k - n_in];
        o->lanes = spec[0];
        o->lane_stride = spec[1];
        o->batch = merge(dimensions, extent, spec + 2);
        o->pointers = next_pointer;
        o->tile = next_tile;
        next_pointer += o->lanes;
        next_tile += o->lanes * pitch;
        if (k >= n_in && !open_sum(o, dimensions, extent, spec + 2))
            goto release;
        if (o->size > largest)
            largest = o->size;
        if (o->size > 0)
            point_at_tile(o, pitch);
    }

    /* Blocks are long enough that merging their accumulators is a small part of the work. */
    ptrdiff_t block = largest == 0 ? points : BLOCK > 4 * largest ? BLOCK : 4 * largest;
    block = (block + LARGEST_TILE - 1) / LARGEST_TILE * LARGEST_TILE;

    for (ptrdiff_t start = 0; start < points; start += tile) {
        ptrdiff_t n = points - start < tile ? points - start : tile;
        for (ptrdiff_t k = 0; k < n_in; k++) {
            operand *o = &inputs[k];
            /* The same value everywhere: the first, full tile serves for all. */
            if (start == 0 || o->batch.dimensions > 1 || o->batch.stride[0] != 0)
                gather(o, itemsize, pitch, start, n);
        }
        for (ptrdiff_t k = 0; k < n_out; k++) {
            operand *o = &results[k];
            if (o->size > 0)
                continue;
            position at = seek(&o->batch, start);
            if (lies_well(o, &at, itemsize, n))
                point_at(o, &at);
            else
                point_at_tile(o, pitch);
        }
        kernel(n, (const void *const *)pointers, pointers + in_lanes);
        for (ptrdiff_t k = 0; k < n_out; k++) {
            operand *o = &results[k];
            if (o->size > 0)
                reduce(o, itemsize, pitch, start, n, wide);
            else
                for (ptrdiff_t lane = 0; lane < o->lanes; lane++)
                    if (o->pointers[lane] == o->tile + lane * pitch)
                        scatter(&o->batch, o->data + lane * o->lane_stride, itemsize, o->pointers[lane], start, n);
        }
        if ((start + n) % block == 0 || start + n == points)
            for (ptrdiff_t k = 0; k < n_out; k++)
                if (results[k].size > 0)
                    close_block(&results[k]);
    }
    for (ptrdiff_t k = 0; k < n_out; k++)
        if (results[k].size > 0)
            store_sum(&results[k], itemsize);
    status = DONE;

release:
    if (operands != NULL)
        for (ptrdiff_t k = n_in; k < n_in + n_out; k++)
            free(operands[k].sum);
    free(buffer);
    free(pointers);
    free(operands);
    return status;
}
