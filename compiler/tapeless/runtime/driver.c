/* Runs a kernel over a batch whose operands lie anywhere, on one thread or several.
 *
 * A kernel wants every lane contiguous. Here operands have one byte stride per batch dimension, 0 where they are
 * broadcast. The batch is taken in C order, a tile of consecutive points at a time: lanes that are not contiguous
 * over the tile are packed into a buffer that stays in cache, the kernel runs, and results are written in place,
 * unpacked, streamed past the caches, or summed.
 *
 * A result with stride 0 along a dimension longer than 1 is summed over it. A sum depends on the values and on the
 * shape of the batch alone, not on how operands lie in memory nor on the number of threads: the batch is cut into
 * blocks by its shape, a block is summed into accumulators by one thread, and accumulators are merged in the order
 * of the blocks.
 *
 * Where a result keeps long inner dimensions and is summed over outer ones, the batch is first cut into pieces along
 * the inner ones, each taken as a whole: its accumulators then stay in cache.
 */
#define _POSIX_C_SOURCE 200809L
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"
#include "moves.h"
#include "sums.h"
#include "workers.h"

typedef void kernel_function(ptrdiff_t n, const void *const *in, void *const *out);

enum { DONE = 0, OUT_OF_MEMORY = 1 };
enum { MAX_DIMENSIONS = 64 };
/* Points. Boundaries of blocks are multiples of GRAIN, so that kernels meet the end of a vector only where a tile or
 * the batch ends. */
enum { GRAIN = 64, LARGEST_TILE = 512, PIECE = 1024, LONGEST_ROW = 2048, LEAST_SUMMED = 4096, MOST_SUMMED = 32768 };
enum { TILE_NUMBERS = 3072 /* of all lanes together: a tile stays in first-level cache */ };
/* Bytes of a lane from one burst of streaming to the next: half of it for many lanes, twice as much for few. Reading goes
 * on meanwhile as far as the processor looks ahead, which is some hundred instructions and some sixty stores. */
enum { STRIP_BYTES = 512, FEW_LANES = 4, MANY_LANES = 10 };
/* Bytes of a call from which results are streamed, up to which half of them stay in the last cache all the same, and up
 * to which some do. Constants, for what systems say of caches is of no use: of one processor glibc 2.36 tells the last
 * caches of all its chiplets together, ten times what a core has. */
#ifndef STREAM_FROM
#define STREAM_FROM (16 << 20)
#define HALF_STAY (32 << 20)
#define SOME_STAY (64 << 20)
#endif

/* Of the time of memory: up to which a kernel is streamed, where some of it is in cache and where not; and from which
 * ordinary stores are done beside it. */
static const double SHORT_KERNEL = 1.1, LONG_KERNEL = 1.5, OVERLAPPING_KERNEL = 0.7;

/* Rough times in nanoseconds. */
static const double PER_BYTE = 0.03, PER_CACHED_BYTE = 0.012, PER_MOVE = 0.2;
static const double WORTH_SHARING = 3000.0, LEAST_SHARE = 1500.0, LONGEST_BLOCK = 30000.0;

/* How an operand's lanes reach the kernel: in place over the whole batch; in a tile that is filled once, being the
 * same everywhere or repeating; packed into each tile, unless it happens to lie well there; or as sums. */
enum how { DIRECT, CONSTANT, CYCLE, PACKED, SUMMED };

/* Pairs are for a full piece of the batch and for the last one. */
typedef struct {
    char *data;
    ptrdiff_t lanes, lane_stride;
    ptrdiff_t step;  /* bytes from one piece to the next */
    layout batch[2]; /* of a sum with strides in its accumulators, not in memory */
    enum how how;
    ptrdiff_t first; /* place of its first lane in the kernel's tables */
    ptrdiff_t room;  /* points of its tile */
    int stays;       /* whether a result goes through the caches where others are streamed */
    /* Of sums alone: */
    layout kept[2];    /* the dimensions that remain, with the strides of the result */
    ptrdiff_t size[2]; /* their points */
    int keeps_pieces;  /* whether each piece has elements of its own */
    int is_shared;     /* whether several blocks may add to one element */
    ptrdiff_t window;  /* elements that a block adds to, at most */
    ptrdiff_t in_slot; /* where its accumulators lie in a slot, if it is shared: sums and then errors of all lanes */
    double *total;     /* the same for the whole batch, of `total_size` elements */
    ptrdiff_t total_size;
} operand;

typedef struct {
    kernel_function *kernel;
    int itemsize;
    ptrdiff_t n_in, n_out, lanes_in, lanes;
    operand *operands;
    ptrdiff_t pieces, points[2];
    ptrdiff_t blocks, parts, gang, block; /* a block is one of `parts` of a piece, of `block` points, or some pieces */
    ptrdiff_t tile, strip;                /* points; no strips where the kernel's results are not streamed */
    int streams_tables;                   /* whether unpacked rows are */
    double *desk;                         /* memory for the calling thread */
    size_t desk_size;
    atomic_ptrdiff_t next; /* block to be taken */
    /* For shared sums: accumulators of blocks under way, and of the batch. */
    ptrdiff_t slots, slot_size;
    double *slot;
    atomic_ptrdiff_t *finished; /* by slot: the block that it holds, plus 1 */
    atomic_ptrdiff_t merged;    /* blocks */
    atomic_int merging;
} plan;

/* What a thread works with. */
typedef struct {
    /* By lane: */
    void **lanes;
    void **moved;    /* to the strip */
    ptrdiff_t *mask; /* all ones for those that move from strip to strip */
    flow *flows;        /* `streams` of them for the tile */
    ptrdiff_t streams;
    /* By operand: */
    char **data; /* moved to the piece */
    char **tile;
    int *written; /* whether the kernel itself writes a result where it belongs, or strips are streamed there */
    cursor *at, *kept_at;
    double **sum, **error; /* accumulators */
    ptrdiff_t *low, *high; /* elements to which the block adds */

    double *wide;
    char *stage;
} desk;

static ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

static ptrdiff_t larger(ptrdiff_t a, ptrdiff_t b)
{
    return a > b ? a : b;
}

static ptrdiff_t round_up(ptrdiff_t n, ptrdiff_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Memory handed out line by line. Without any it only counts. */
typedef struct {
    char *base;
    size_t used;
} arena;

static void *take(arena *from, size_t size, ptrdiff_t count)
{
    size_t at = from->used;
    from->used += (size * (size_t)count + LINE - 1) / LINE * LINE;
    return from->base == NULL ? NULL : from->base + at;
}

static void *align(void *memory)
{
    return (void *)(((uintptr_t)memory + LINE - 1) & ~(uintptr_t)(LINE - 1));
}

/* Bytes from lane to lane of a tile: a line more than it holds, for lanes at equal places in a page would be in each
 * other's way. */
static ptrdiff_t pitch_of(const plan *p, const operand *o)
{
    return round_up(o->room * p->itemsize, LINE) + LINE;
}

/* ---- blocks */

/* The elements of a sum to which points `start` to `end` add. */
static void reach(const layout *where, cursor *at, ptrdiff_t start, ptrdiff_t end, ptrdiff_t *low, ptrdiff_t *high)
{
    ptrdiff_t first[MAX_DIMENSIONS], d = 0, within = 0;
    seek(where, at, start);
    memcpy(first, at->index, (size_t)where->dimensions * sizeof *first);
    *low = *high = at->offset;
    seek(where, at, end - 1);
    while (d < where->dimensions && first[d] == at->index[d])
        d++;
    if (d < where->dimensions) {
        *low = *high = 0;
        for (ptrdiff_t k = 0; k <= d; k++) {
            *low += first[k] * where->stride[k];
            *high += at->index[k] * where->stride[k];
        }
        for (ptrdiff_t k = d + 1; k < where->dimensions; k++)
            within += (where->extent[k] - 1) * where->stride[k];
        *high += within;
    }
    ++*high;
}

static void block_range(const plan *p, ptrdiff_t block, ptrdiff_t *piece, ptrdiff_t *start, ptrdiff_t *end)
{
    *piece = p->parts > 1 ? block / p->parts : block * p->gang;
    *start = p->parts > 1 ? block % p->parts * p->block : 0;
    *end = p->parts > 1 ? smaller(*start + p->block, p->points[*piece == p->pieces - 1]) : 0;
}

/* ---- a desk */

static size_t set_up(const plan *p, desk *d, void *memory)
{
    arena from = {memory, 0};
    ptrdiff_t count = p->n_in + p->n_out, wide = 0, stage = 0;
    d->lanes = take(&from, sizeof *d->lanes, p->lanes);
    d->moved = take(&from, sizeof *d->moved, p->strip > 0 ? p->lanes : 0);
    d->mask = take(&from, sizeof *d->mask, p->lanes);
    if (memory != NULL)
        memset(memory, 0, from.used); /* lanes are moved four at a time */
    d->flows = take(&from, sizeof *d->flows, p->strip > 0 ? p->lanes - p->lanes_in : 0);
    d->data = take(&from, sizeof *d->data, count);
    d->tile = take(&from, sizeof *d->tile, count);
    d->written = take(&from, sizeof *d->written, count);
    d->at = take(&from, sizeof *d->at, count);
    d->kept_at = take(&from, sizeof *d->kept_at, count);
    d->sum = take(&from, sizeof *d->sum, count);
    d->error = take(&from, sizeof *d->error, count);
    d->low = take(&from, sizeof *d->low, count);
    d->high = take(&from, sizeof *d->high, count);
    for (ptrdiff_t k = 0; k < count; k++) {
        const operand *o = &p->operands[k];
        ptrdiff_t dimensions = larger(larger(o->batch[0].dimensions, o->batch[1].dimensions),
                                      larger(o->kept[0].dimensions, o->kept[1].dimensions));
        ptrdiff_t *index = take(&from, sizeof *index, 2 * dimensions);
        char *tile = take(&from, 1, o->room > 0 ? LINE + o->lanes * pitch_of(p, o) : 0);
        double *sum = NULL;
        if (o->how == SUMMED) {
            wide = larger(wide, o->lanes);
            if (!o->is_shared)
                sum = take(&from, sizeof *sum, 2 * o->lanes * o->window);
        } else if (k >= p->n_in) {
            stage = larger(stage, o->lanes);
        }
        if (memory != NULL) {
            d->tile[k] = tile + LINE; /* a line before each lane is free */
            d->at[k].index = index;
            d->kept_at[k].index = index + dimensions;
            d->sum[k] = sum;
            d->error[k] = sum != NULL ? sum + o->lanes * o->window : NULL;
        }
    }
    d->wide = take(&from, sizeof *d->wide, p->itemsize == 4 ? wide * p->tile : 0);
    d->stage = take(&from, 1, p->streams_tables ? LINE + stage * p->tile * p->itemsize : 0);
    if (memory != NULL)
        d->stage += LINE;
    return from.used;
}

/* Fill the tiles that serve for the whole batch. */
static void fill_tiles(const plan *p, desk *d)
{
    for (ptrdiff_t k = 0; k < p->n_in; k++) {
        const operand *o = &p->operands[k];
        ptrdiff_t pitch = o->room > 0 ? pitch_of(p, o) : 0;
        if (o->how != CONSTANT && o->how != CYCLE)
            continue;
        seek(&o->batch[0], &d->at[k], 0);
        pack(p->itemsize, d->tile[k], pitch, o->data, o->lanes, o->lane_stride, &o->batch[0], &d->at[k], o->room);
        for (ptrdiff_t lane = 0; lane < o->lanes; lane++) {
            d->lanes[o->first + lane] = d->tile[k] + lane * pitch;
            d->mask[o->first + lane] = 0;
        }
    }
}

/* ---- tiles */

static int lies_well(const plan *p, const operand *o, const layout *where, const cursor *at, const char *data, ptrdiff_t n)
{
    return (n == 1 || (where->stride[where->dimensions - 1] == p->itemsize && run_length(where, at, n) == n)) &&
           (uintptr_t)(data + at->offset) % (uintptr_t)p->itemsize == 0 && o->lane_stride % p->itemsize == 0;
}

static void point(desk *d, const operand *o, char *lane, ptrdiff_t distance, ptrdiff_t mask)
{
    for (ptrdiff_t k = o->first; k < o->first + o->lanes; k++, lane += distance) {
        d->lanes[k] = lane;
        d->mask[k] = mask;
    }
}

static void place_input(const plan *p, desk *d, ptrdiff_t k, int last, ptrdiff_t start, ptrdiff_t n)
{
    const operand *o = &p->operands[k];
    if (o->how == DIRECT) {
        point(d, o, d->data[k] + start * p->itemsize, o->lane_stride, -1);
    } else if (o->how == CYCLE) {
        point(d, o, d->tile[k] + start % o->batch[last].extent[1] * p->itemsize, pitch_of(p, o), -1);
    } else if (o->how == PACKED) {
        if (lies_well(p, o, &o->batch[last], &d->at[k], d->data[k], n)) {
            point(d, o, d->data[k] + d->at[k].offset, o->lane_stride, -1);
            advance(&o->batch[last], &d->at[k], n);
        } else {
            point(d, o, d->tile[k], pitch_of(p, o), -1);
            pack(p->itemsize, d->tile[k], pitch_of(p, o), d->data[k], o->lanes, o->lane_stride, &o->batch[last],
                 &d->at[k], n);
        }
    }
}

static void place_result(const plan *p, desk *d, ptrdiff_t k, int last, ptrdiff_t start, ptrdiff_t n)
{
    const operand *o = &p->operands[k];
    char *there = NULL;
    if (o->how == DIRECT)
        there = d->data[k] + start * p->itemsize;
    else if (o->how == PACKED && lies_well(p, o, &o->batch[last], &d->at[k], d->data[k], n))
        there = d->data[k] + d->at[k].offset;
    d->written[k] = there != NULL;
    if (there == NULL) {
        point(d, o, d->tile[k], pitch_of(p, o), -1);
    } else if (p->strip == 0 || o->stays) {
        point(d, o, there, o->lane_stride, -1);
    } else {
        point(d, o, d->tile[k], pitch_of(p, o), 0);
        for (ptrdiff_t lane = 0; lane < o->lanes; lane++)
            d->flows[d->streams++] = (flow){there + lane * o->lane_stride, d->lanes[o->first + lane], 0};
    }
}

/* Run the kernel strip by strip, and stream what it wrote before the next. Reading for one strip overlaps with writing
 * of the one before, the more the fewer instructions lie between: lanes are moved four at a time, always from where
 * they are at the tile's beginning, and where all is aligned lines are streamed without a look at it. */
static void run_strips(const plan *p, const desk *d, ptrdiff_t n)
{
    const ptrdiff_t strip = p->strip, bytes = strip * p->itemsize, streams = d->streams, *mask = d->mask;
    const ptrdiff_t moving = streams == p->lanes - p->lanes_in ? p->lanes_in : p->lanes;
    kernel_function *kernel = p->kernel;
    char **start = (char **)d->lanes, **lanes = (char **)d->moved;
    const void *const *in = (const void *const *)d->moved;
    void *const *out = (moving == p->lanes ? d->moved : d->lanes) + p->lanes_in;
    flow *flows = d->flows;
    uintptr_t aligned = (uintptr_t)bytes;
    for (ptrdiff_t k = 0; k < streams; k++)
        aligned |= (uintptr_t)flows[k].to;
    for (ptrdiff_t done = 0, left = n; left > 0; left -= strip, done += bytes) {
        ptrdiff_t m = smaller(left, strip);
        for (ptrdiff_t k = 0; k < moving; k += 4) {
            lanes[k] = start[k] + (done & mask[k]);
            lanes[k + 1] = start[k + 1] + (done & mask[k + 1]);
            lanes[k + 2] = start[k + 2] + (done & mask[k + 2]);
            lanes[k + 3] = start[k + 3] + (done & mask[k + 3]);
        }
        kernel(m, in, out);
        if (aligned % LINE == 0 && m == strip)
            for (ptrdiff_t k = 0; k < streams; k++) {
                stream_lines(flows[k].to, flows[k].tile, bytes);
                flows[k].to += bytes;
            }
        else
            for (ptrdiff_t k = 0; k < streams; k++)
                stream(&flows[k], m * p->itemsize);
    }
    for (ptrdiff_t k = 0; k < streams; k++)
        end_stream(&flows[k]);
}

static void run_kernel(const plan *p, const desk *d, ptrdiff_t n)
{
    if (p->strip > 0)
        run_strips(p, d, n);
    else
        p->kernel(n, (const void *const *)d->lanes, d->lanes + p->lanes_in);
}

/* Whether the rows of a result lie one behind the other, so that a tile of them is one run of bytes. */
static int is_table(const plan *p, const operand *o)
{
    return o->lanes > 1 && o->lane_stride == p->itemsize && o->batch[1].dimensions == 1 &&
           o->batch[1].stride[0] == o->lanes * p->itemsize;
}

static void deliver(const plan *p, desk *d, ptrdiff_t k, int last, ptrdiff_t n)
{
    const operand *o = &p->operands[k];
    const layout *where = &o->batch[last];
    ptrdiff_t pitch = o->room > 0 ? pitch_of(p, o) : 0;
    if (o->how == SUMMED) {
        const double *values = (const double *)(const void *)d->tile[k];
        ptrdiff_t distance = pitch / p->itemsize;
        if (p->itemsize == 4) {
            for (ptrdiff_t lane = 0; lane < o->lanes; lane++)
                widen(d->wide + lane * p->tile, (const float *)(const void *)(d->tile[k] + lane * pitch), n);
            values = d->wide;
            distance = p->tile;
        }
        accumulate(d->sum[k], d->error[k], o->window, d->low[k], values, distance, o->lanes, where, &d->at[k], n);
    } else if (o->how == PACKED && d->written[k]) {
        advance(where, &d->at[k], n);
    } else if (o->how == PACKED && p->streams_tables && is_table(p, o)) {
        layout table = {1, &n, where->stride};
        ptrdiff_t none = 0;
        cursor start = {0, &none};
        unpack(p->itemsize, d->tile[k], pitch, d->stage, o->lanes, o->lane_stride, &table, &start, n);
        flow rows = {d->data[k] + d->at[k].offset, d->stage, 0};
        stream(&rows, n * where->stride[0]);
        end_stream(&rows);
        advance(where, &d->at[k], n);
    } else if (o->how == PACKED) {
        unpack(p->itemsize, d->tile[k], pitch, d->data[k], o->lanes, o->lane_stride, where, &d->at[k], n);
    }
}

/* ---- sums of a block */

static void store_sums(const plan *p, const operand *o, int last, char *data, double *sum, const double *error,
                       ptrdiff_t distance, cursor *at, ptrdiff_t low, ptrdiff_t high)
{
    for (ptrdiff_t lane = 0; lane < o->lanes; lane++, sum += distance, error += distance) {
        for (ptrdiff_t i = 0; i < high - low; i++) {
            double value = settled(sum[i], error[i]);
            float narrow = (float)value;
            if (p->itemsize == 4)
                memcpy((char *)sum + i * 4, &narrow, 4); /* behind what is still to be read */
            else
                sum[i] = value;
        }
        seek(&o->kept[last], at, low);
        unpack(p->itemsize, (const char *)sum, 0, data + lane * o->lane_stride, 1, 0, &o->kept[last], at, high - low);
    }
}

static void open_sums(const plan *p, desk *d, int shared, int last, ptrdiff_t start, ptrdiff_t end)
{
    for (ptrdiff_t k = p->n_in; k < p->n_in + p->n_out; k++) {
        const operand *o = &p->operands[k];
        if (o->how != SUMMED || o->is_shared != shared)
            continue;
        d->low[k] = 0;
        d->high[k] = o->size[last];
        if (p->parts > 1)
            reach(&o->batch[last], &d->at[k], start, end, &d->low[k], &d->high[k]);
        for (ptrdiff_t lane = 0; lane < o->lanes; lane++) {
            size_t bytes = (size_t)(d->high[k] - d->low[k]) * sizeof(double);
            memset(d->sum[k] + lane * o->window, 0, bytes);
            memset(d->error[k] + lane * o->window, 0, bytes);
        }
    }
}

static void run_part(const plan *p, desk *d, ptrdiff_t piece, ptrdiff_t start, ptrdiff_t end)
{
    int last = piece == p->pieces - 1;
    ptrdiff_t count = p->n_in + p->n_out;
    open_sums(p, d, 0, last, start, end);
    for (ptrdiff_t k = 0; k < count; k++) {
        const operand *o = &p->operands[k];
        d->data[k] = o->data + piece * o->step;
        if (o->how == PACKED || o->how == SUMMED)
            seek(&o->batch[last], &d->at[k], start);
    }
    for (ptrdiff_t at = start, n; at < end; at += n) {
        n = smaller(p->tile, end - at);
        for (ptrdiff_t k = 0; k < p->n_in; k++)
            place_input(p, d, k, last, at, n);
        d->streams = 0;
        for (ptrdiff_t k = p->n_in; k < count; k++)
            place_result(p, d, k, last, at, n);
        run_kernel(p, d, n);
        for (ptrdiff_t k = p->n_in; k < count; k++)
            deliver(p, d, k, last, n);
    }
    for (ptrdiff_t k = p->n_in; k < count; k++) {
        const operand *o = &p->operands[k];
        if (o->how == SUMMED && !o->is_shared)
            store_sums(p, o, last, d->data[k], d->sum[k], d->error[k], o->window, &d->kept_at[k], d->low[k],
                       d->high[k]);
    }
}

static void run_block(const plan *p, desk *d, ptrdiff_t block)
{
    ptrdiff_t piece, start, end;
    block_range(p, block, &piece, &start, &end);
    if (p->slots > 0) {
        for (ptrdiff_t k = p->n_in; k < p->n_in + p->n_out; k++) {
            const operand *o = &p->operands[k];
            if (o->how == SUMMED && o->is_shared) {
                d->sum[k] = p->slot + block % p->slots * p->slot_size + o->in_slot;
                d->error[k] = d->sum[k] + o->lanes * o->window;
            }
        }
        if (p->parts == 1 || start < end)
            open_sums(p, d, 1, piece == p->pieces - 1, start, end);
    }
    if (p->parts > 1) {
        if (start < end)
            run_part(p, d, piece, start, end);
        return;
    }
    for (ptrdiff_t beyond = smaller(piece + p->gang, p->pieces); piece < beyond; piece++)
        run_part(p, d, piece, 0, p->points[piece == p->pieces - 1]);
}

/* ---- merging in order */

static void merge_block(plan *p, desk *d, ptrdiff_t block)
{
    ptrdiff_t piece, start, end;
    block_range(p, block, &piece, &start, &end);
    for (ptrdiff_t k = p->n_in; k < p->n_in + p->n_out; k++) {
        operand *o = &p->operands[k];
        int last = piece == p->pieces - 1;
        ptrdiff_t low = 0, high = o->size[last], before = o->keeps_pieces ? piece * o->size[0] : 0;
        const double *sum = p->slot + block % p->slots * p->slot_size + o->in_slot, *error = sum + o->lanes * o->window;
        if (o->how != SUMMED || !o->is_shared || (p->parts > 1 && start >= end))
            continue;
        if (p->parts > 1)
            reach(&o->batch[last], &d->kept_at[k], start, end, &low, &high);
        for (ptrdiff_t lane = 0; lane < o->lanes; lane++, sum += o->window, error += o->window) {
            double *total = o->total + lane * o->total_size + before + low;
            double *lost = total + o->lanes * o->total_size;
            add_all(total, lost, sum, high - low);
            for (ptrdiff_t i = 0; i < high - low; i++)
                lost[i] += error[i];
        }
    }
}

/* Whoever finishes a block merges what is next in order, if it is there and nobody else is at it. */
static void finish_block(plan *p, desk *d, ptrdiff_t block)
{
    ptrdiff_t next;
    if (p->slots == 0)
        return;
    atomic_store(&p->finished[block % p->slots], block + 1);
    while ((next = atomic_load(&p->merged)) < p->blocks && atomic_load(&p->finished[next % p->slots]) == next + 1) {
        int nobody = 0;
        if (!atomic_compare_exchange_strong(&p->merging, &nobody, 1))
            return; /* who is at it looks again afterwards */
        next = atomic_load(&p->merged);
        if (next < p->blocks && atomic_load(&p->finished[next % p->slots]) == next + 1) {
            merge_block(p, d, next);
            atomic_store(&p->merged, next + 1);
        }
        atomic_store(&p->merging, 0);
    }
}

/* Take the next block, or return -1. With sums no more blocks are under way than there are slots. */
static ptrdiff_t take_block(plan *p)
{
    ptrdiff_t block = atomic_load(&p->next);
    while (block < p->blocks) {
        if (p->slots > 0 && block >= atomic_load(&p->merged) + p->slots) {
            sched_yield();
            block = atomic_load(&p->next);
        } else if (atomic_compare_exchange_weak(&p->next, &block, block + 1)) {
            return block;
        }
    }
    return -1;
}

static ptrdiff_t do_blocks(void *context, int helping)
{
    plan *p = context;
    ptrdiff_t block, done = 0;
    void *memory = helping ? malloc(p->desk_size + LINE) : p->desk;
    if (memory == NULL)
        return 0; /* others do the work */
    desk d;
    set_up(p, &d, align(memory));
    fill_tiles(p, &d);
    while ((block = take_block(p)) >= 0) {
        run_block(p, &d, block);
        finish_block(p, &d, block);
        done++;
    }
    if (p->strip > 0 || p->streams_tables)
        order_streams();
    if (helping)
        free(memory);
    return done;
}

/* ---- making the plan */

static ptrdiff_t tile_points(ptrdiff_t lanes)
{
    if (lanes > TILE_NUMBERS / 8)
        return 16; /* and so many lanes in the second-level cache */
    return smaller(larger(TILE_NUMBERS / lanes / GRAIN, 1) * GRAIN, LARGEST_TILE);
}

/* The dimension to cut into pieces, and how long they are there; -1 where the batch is to stay whole. It depends on
 * what is summed, not on memory. */
static ptrdiff_t choose_cut(ptrdiff_t dimensions, const ptrdiff_t *extent, ptrdiff_t n_out, const ptrdiff_t *rows,
                            ptrdiff_t *length)
{
    for (ptrdiff_t k = 0; k < n_out; k++) {
        const ptrdiff_t *stride = rows + k * (dimensions + 2) + 2;
        ptrdiff_t d = dimensions - 1, kept = 1, within = 1;
        for (; d >= 0 && (extent[d] == 1 || stride[d] != 0); d--)
            kept *= extent[d];
        if (d < 0 || kept < 2 * PIECE)
            continue;
        for (d = dimensions - 1; within * extent[d] < PIECE; d--)
            within *= extent[d];
        *length = larger(PIECE / within, 1);
        return d;
    }
    return -1;
}

static layout new_layout(arena *from, ptrdiff_t dimensions, const ptrdiff_t *extent, const ptrdiff_t *stride)
{
    layout out;
    out.extent = take(from, sizeof *out.extent, larger(dimensions, 1));
    out.stride = take(from, sizeof *out.stride, larger(dimensions, 1));
    merge(&out, dimensions, extent, stride);
    return out;
}

/* See whether a result is a sum, and lay out its accumulators. */
static void look_for_sum(operand *o, arena *from, int last, ptrdiff_t dimensions, const ptrdiff_t *whole,
                         const ptrdiff_t *extent, const ptrdiff_t *stride)
{
    ptrdiff_t dense[MAX_DIMENSIONS], kept_extent[MAX_DIMENSIONS], kept_stride[MAX_DIMENSIONS], size = 1, kept = 0;
    int summed = 0;
    for (ptrdiff_t d = dimensions; d-- > 0;) {
        dense[d] = 0;
        if (whole[d] > 1 && stride[d] == 0) {
            summed = 1;
        } else if (extent[d] > 1) {
            dense[d] = size;
            size *= extent[d];
        }
    }
    if (!summed)
        return;
    for (ptrdiff_t d = 0; d < dimensions; d++)
        if (dense[d] != 0) {
            kept_extent[kept] = extent[d];
            kept_stride[kept++] = stride[d];
        }
    o->how = SUMMED;
    o->size[last] = size;
    o->batch[last] = new_layout(from, dimensions, extent, dense);
    o->kept[last] = new_layout(from, kept, kept_extent, kept_stride);
}

static void describe(operand *o, int is_result, ptrdiff_t points, int itemsize)
{
    const layout *full = &o->batch[0], *last = &o->batch[1];
    ptrdiff_t strides = full->stride[0] | last->stride[0];
    int in_line = full->dimensions == 1 && last->dimensions == 1 && full->stride[0] == last->stride[0];
    int is_aligned = (uintptr_t)o->data % (uintptr_t)itemsize == 0 && o->lane_stride % itemsize == 0;
    if (o->how == SUMMED)
        return;
    if (is_aligned && o->step % itemsize == 0 && (points == 1 || (in_line && full->stride[0] == itemsize)))
        o->how = DIRECT;
    else if (!is_result && in_line && strides == 0 && o->step == 0)
        o->how = CONSTANT;
    else if (!is_result && o->step == 0 && full->dimensions == 2 && last->dimensions == 2 && strides == 0 &&
             full->extent[1] == last->extent[1] && full->extent[1] <= LARGEST_TILE)
        o->how = CYCLE;
    else
        o->how = PACKED;
}

/* The common multiple of a row's length and GRAIN. */
static ptrdiff_t row_unit(ptrdiff_t row)
{
    ptrdiff_t common = 1;
    while (common < GRAIN && row % (2 * common) == 0)
        common *= 2;
    return row / common * GRAIN;
}

/* Points of a block where something is summed, from the shape alone: long enough that merging is a small part. */
static ptrdiff_t summed_block(const plan *p)
{
    ptrdiff_t block = larger(LEAST_SUMMED, smaller(MOST_SUMMED, p->points[0] * p->pieces / 16));
    for (ptrdiff_t k = p->n_in; k < p->n_in + p->n_out; k++) {
        const operand *o = &p->operands[k];
        if (o->how == SUMMED && o->batch[0].stride[o->batch[0].dimensions - 1] != 0)
            block = larger(block, 8 * smaller(o->size[0], o->batch[0].extent[o->batch[0].dimensions - 1]));
    }
    block = round_up(block, GRAIN);
    for (ptrdiff_t k = p->n_in; k < p->n_in + p->n_out; k++) {
        const operand *o = &p->operands[k];
        const layout *batch = &o->batch[0];
        ptrdiff_t row = batch->extent[batch->dimensions - 1];
        if (o->how == SUMMED && batch->dimensions == 2 && batch->stride[1] == 0 && row <= LONGEST_ROW)
            return round_up(block, row_unit(row)); /* rows stay whole */
    }
    return block;
}

static void see_who_shares(plan *p)
{
    ptrdiff_t index[MAX_DIMENSIONS];
    cursor at = {0, index};
    for (ptrdiff_t k = p->n_in; k < p->n_in + p->n_out; k++) {
        operand *o = &p->operands[k];
        const layout *batch = &o->batch[0];
        if (o->how != SUMMED)
            continue;
        int whole_rows = batch->dimensions == 2 && batch->stride[0] != 0 && batch->stride[1] == 0 &&
                         p->block % batch->extent[1] == 0;
        o->is_shared = !((o->keeps_pieces || p->pieces == 1) && (p->parts == 1 || whole_rows));
        o->window = p->parts == 1 ? o->size[0] : 1;
        for (int last = p->pieces == 1; last < 2 && p->parts > 1; last++)
            for (ptrdiff_t start = 0; start < p->points[last]; start += p->block) {
                ptrdiff_t low, high;
                reach(&o->batch[last], &at, start, smaller(start + p->block, p->points[last]), &low, &high);
                o->window = larger(o->window, high - low);
            }
        o->total_size = o->keeps_pieces ? (p->pieces - 1) * o->size[0] + o->size[1] : o->size[0];
        if (o->is_shared) {
            o->in_slot = p->slot_size;
            p->slot_size += round_up(2 * o->lanes * o->window, LINE / (ptrdiff_t)sizeof(double));
        }
    }
}

/* What a point costs apart from the kernel: bytes that go through memory, numbers that are moved. */
static void weigh(const plan *p, double *bytes, double *moves)
{
    *bytes = *moves = 0.0;
    for (ptrdiff_t k = 0; k < p->n_in + p->n_out; k++) {
        const operand *o = &p->operands[k];
        if (o->how == DIRECT || o->how == PACKED)
            *bytes += (double)(o->lanes * p->itemsize);
        if (o->how == PACKED || o->how == SUMMED)
            *moves += (double)o->lanes;
    }
}

/* Points from one burst of streaming to the next. */
static ptrdiff_t strip_points(const plan *p, int tables)
{
    ptrdiff_t bytes = STRIP_BYTES;
    if (p->lanes < FEW_LANES && !tables)
        bytes *= 2;
    else if (p->lanes > MANY_LANES && !tables)
        bytes /= 2;
    return smaller(bytes / p->itemsize, p->tile);
}

/* Choose results that go through the caches beside others that are streamed. A core streams only so many bytes a second,
 * fewer than it writes to the last cache: where as many lanes are written as read or more, and the cache has room for
 * some, the two together are faster than either. More go there from a kernel that computes: it need not wait for them. */
static void let_some_stay(plan *p, double bytes, int computes)
{
    ptrdiff_t written = p->lanes - p->lanes_in, left;
    if (written < p->lanes_in || bytes > SOME_STAY)
        return;
    left = computes || bytes <= HALF_STAY ? written / 2 : (written + 1) / 4;
    for (ptrdiff_t k = p->n_in; k < p->n_in + p->n_out; k++) {
        operand *o = &p->operands[k];
        o->stays = o->how == DIRECT && o->lanes <= left;
        left -= o->stays ? o->lanes : 0;
    }
}

/* Decide on blocks, tiles and streaming; return about how long the call will take in nanoseconds. */
static double arrange(plan *p, double cost)
{
    ptrdiff_t count = p->n_in + p->n_out, points = p->points[0] * (p->pieces - 1) + p->points[1];
    int packs = 0, sums = 0, tables = 0, streams = 0;
    double bytes, moves;
    weigh(p, &bytes, &moves);
    for (ptrdiff_t k = 0; k < count; k++) {
        const operand *o = &p->operands[k];
        packs |= o->how != DIRECT;
        sums |= o->how == SUMMED;
        tables |= k >= p->n_in && o->how == PACKED && is_table(p, o);
        streams |= k >= p->n_in && o->how != SUMMED;
    }
    double all = bytes * (double)points;
    int large = all >= STREAM_FROM;
    double memory = bytes * (large ? PER_BYTE : PER_CACHED_BYTE);
    double each = (cost > memory ? cost : memory) + moves * PER_MOVE;
    p->tile = tile_points(p->lanes);
    /* Beside a kernel that computes for longer, reading what is overwritten costs nothing; unpacking rows is not beside
     * anything. */
    p->streams_tables = CAN_STREAM && tables && large;
    if (CAN_STREAM && streams && large && cost < (all > HALF_STAY ? LONG_KERNEL : SHORT_KERNEL) * memory) {
        p->strip = strip_points(p, tables);
        let_some_stay(p, all, cost > OVERLAPPING_KERNEL * memory);
    }
    if (sums) {
        p->block = summed_block(p);
    } else {
        double least = LEAST_SHARE / each, most = LONGEST_BLOCK / each, block = (double)points / 16;
        block = block < least ? least : block > most ? most : block;
        p->block = block < (double)points ? round_up((ptrdiff_t)block + 1, GRAIN) : points;
    }
    p->parts = p->block < p->points[0] ? (p->points[0] + p->block - 1) / p->block : 1;
    p->gang = p->parts > 1 ? 1 : larger(1, p->block / p->points[0]);
    p->blocks = p->parts > 1 ? p->pieces * p->parts : (p->pieces + p->gang - 1) / p->gang;
    if (p->parts == 1)
        p->block = p->points[0];
    if (!packs)
        p->tile = p->block;
    else if (p->streams_tables)
        p->tile = smaller(p->tile, STRIP_BYTES / p->itemsize);
    p->tile = smaller(p->tile, larger(p->points[0], p->points[1]));
    for (ptrdiff_t k = 0; k < count; k++) {
        operand *o = &p->operands[k];
        if (o->how == DIRECT)
            o->room = k >= p->n_in && !o->stays ? smaller(p->strip, p->tile) : 0;
        else
            o->room = smaller(p->tile + (o->how == CYCLE ? o->batch[0].extent[1] : 0), p->points[0]);
    }
    if (sums)
        see_who_shares(p);
    return each * (double)points;
}

static void read_operands(plan *p, arena *from, ptrdiff_t dimensions, const ptrdiff_t *extent, const void *const *in,
                          const ptrdiff_t *in_rows, void *const *out, const ptrdiff_t *out_rows)
{
    ptrdiff_t piece[2][MAX_DIMENSIONS], length, row = dimensions + 2, first = 0;
    ptrdiff_t cut = choose_cut(dimensions, extent, p->n_out, out_rows, &length);
    for (ptrdiff_t d = 0; d < dimensions; d++)
        piece[0][d] = piece[1][d] = extent[d];
    p->pieces = 1;
    if (cut >= 0) {
        p->pieces = (extent[cut] + length - 1) / length;
        piece[0][cut] = length;
        piece[1][cut] = extent[cut] - (p->pieces - 1) * length;
    }
    for (int last = 0; last < 2; last++) {
        p->points[last] = 1;
        for (ptrdiff_t d = 0; d < dimensions; d++)
            p->points[last] *= piece[last][d];
    }
    for (ptrdiff_t k = 0; k < p->n_in + p->n_out; k++) {
        operand *o = &p->operands[k];
        const ptrdiff_t *spec = k < p->n_in ? in_rows + k * row : out_rows + (k - p->n_in) * row;
        memset(o, 0, sizeof *o);
        o->data = k < p->n_in ? (char *)(uintptr_t)in[k] : out[k - p->n_in];
        o->lanes = spec[0];
        o->lane_stride = spec[1];
        o->first = first;
        first += o->lanes;
        if (k == p->n_in - 1)
            p->lanes_in = first;
        if (cut >= 0) {
            o->step = length * spec[2 + cut];
            o->keeps_pieces = spec[2 + cut] != 0;
        }
        for (int last = 0; last < 2; last++) {
            if (k >= p->n_in)
                look_for_sum(o, from, last, dimensions, extent, piece[last], spec + 2);
            if (o->how != SUMMED)
                o->batch[last] = new_layout(from, dimensions, piece[last], spec + 2);
        }
        describe(o, k >= p->n_in, p->points[0] * (p->pieces - 1) + p->points[1], p->itemsize);
    }
    p->lanes = first;
}

static void store_totals(plan *p, desk *d)
{
    for (ptrdiff_t k = p->n_in; k < p->n_in + p->n_out; k++) {
        operand *o = &p->operands[k];
        if (o->how != SUMMED || !o->is_shared)
            continue;
        double *error = o->total + o->lanes * o->total_size;
        for (ptrdiff_t piece = 0; piece < (o->keeps_pieces ? p->pieces : 1); piece++) {
            int last = piece == p->pieces - 1;
            ptrdiff_t before = piece * o->size[0];
            store_sums(p, o, last, o->data + piece * o->step, o->total + before, error + before, o->total_size,
                       &d->kept_at[k], 0, o->size[last]);
        }
    }
}

/* Calls under way that would like helpers: together they should not have more threads than one of them may. */
static atomic_int callers;

/* Run `kernel`, of about `cost` nanoseconds a point, on at most `threads` threads.
 *
 * Each operand's row in `in_rows` and `out_rows`: number of lanes, lane stride, one stride per batch dimension, all
 * strides in bytes. The batch has at least one point and at most MAX_DIMENSIONS dimensions. Results overlap nothing.
 */
int tapeless_drive(kernel_function *kernel, int itemsize, double cost, ptrdiff_t threads, ptrdiff_t dimensions,
                   const ptrdiff_t *extent, ptrdiff_t n_in, const void *const *in, const ptrdiff_t *in_rows,
                   ptrdiff_t n_out, void *const *out, const ptrdiff_t *out_rows)
{
    /* Small calls do without the allocator. */
    char small_plan[4096 + LINE], small_desk[16384 + LINE];
    void *large_plan = NULL, *large_desk = NULL;
    plan p = {.kernel = kernel, .itemsize = itemsize, .n_in = n_in, .n_out = n_out};
    ptrdiff_t count = n_in + n_out, line = LINE / (ptrdiff_t)sizeof(ptrdiff_t);
    size_t needed = (size_t)(count + 1) * sizeof *p.operands +
                    (size_t)(count * 8 * round_up(larger(dimensions, 1), line)) * sizeof(ptrdiff_t);
    int status = OUT_OF_MEMORY;

    if (needed > sizeof small_plan - LINE && (large_plan = malloc(needed + LINE)) == NULL)
        return OUT_OF_MEMORY;
    arena from = {align(large_plan != NULL ? large_plan : small_plan), 0};
    p.operands = take(&from, sizeof *p.operands, count);
    read_operands(&p, &from, dimensions, extent, in, in_rows, out, out_rows);
    double estimate = arrange(&p, cost);

    ptrdiff_t helpers = smaller(smaller(threads, p.blocks), (ptrdiff_t)(estimate / LEAST_SHARE)) - 1;
    int counted = helpers > 0 && estimate >= WORTH_SHARING;
    helpers = counted ? smaller(helpers, threads - 1 - atomic_fetch_add(&callers, 1)) : 0;

    desk d;
    p.desk_size = set_up(&p, &d, NULL);
    if (p.slot_size > 0)
        p.slots = helpers > 0 ? 2 * helpers + 4 : 1;
    arena rest = {NULL, p.desk_size};
    for (int pass = 0; pass < 2; pass++) {
        p.slot = take(&rest, sizeof *p.slot, p.slots * p.slot_size);
        p.finished = take(&rest, sizeof *p.finished, p.slots);
        for (ptrdiff_t k = n_in; k < count; k++)
            if (p.operands[k].is_shared) {
                ptrdiff_t numbers = 2 * p.operands[k].lanes * p.operands[k].total_size;
                p.operands[k].total = take(&rest, sizeof *p.operands[k].total, numbers);
                if (pass == 1)
                    memset(p.operands[k].total, 0, (size_t)numbers * sizeof *p.operands[k].total);
            }
        if (pass == 1)
            break;
        if (rest.used > sizeof small_desk - LINE && (large_desk = malloc(rest.used + LINE)) == NULL)
            goto release;
        rest.base = align(large_desk != NULL ? large_desk : small_desk);
        rest.used = p.desk_size;
        p.desk = (double *)(void *)rest.base;
    }
    for (ptrdiff_t k = 0; k < p.slots; k++)
        atomic_init(&p.finished[k], 0);

    share(do_blocks, &p, p.blocks, (int)helpers, estimate);
    if (p.slots > 0) {
        set_up(&p, &d, p.desk);
        store_totals(&p, &d);
    }
    status = DONE;

release:
    if (counted)
        atomic_fetch_sub(&callers, 1);
    free(large_desk);
    free(large_plan);
    return status;
}
