/* Moving numbers between memory and tiles.
 *
 * Numbers are moved as integers of their size: memory may be misaligned here, and a signalling NaN stays as it is.
 * In a tile each lane is contiguous, at `pitch` bytes from the one before.
 */
#ifndef TAPELESS_MOVES_H
#define TAPELESS_MOVES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "layout.h"

enum { LINE = 64 /* bytes of a cache line */, SHORT_RUN = 16 };

/* Two neighbouring columns of a table of rows become two lanes, and back: shuffles of 16 bytes, which every
 * processor with vectors has. `__builtin_shuffle` is gcc's older name. */
typedef uint64_t two64 __attribute__((vector_size(16)));
typedef uint32_t four32 __attribute__((vector_size(16)));
#if defined(__clang__)
#define PICK2(a, b, i, j) __builtin_shufflevector(a, b, i, j)
#define PICK4(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define PICK2(a, b, i, j) __builtin_shuffle(a, b, (two64){i, j})
#define PICK4(a, b, i, j, k, l) __builtin_shuffle(a, b, (four32){i, j, k, l})
#endif

static inline two64 load_two64(const char *from)
{
    two64 word;
    memcpy(&word, from, sizeof word);
    return word;
}

static inline void store_two64(char *to, two64 word)
{
    memcpy(to, &word, sizeof word);
}

static inline four32 load_four32(const char *from)
{
    four32 word;
    memcpy(&word, from, sizeof word);
    return word;
}

static inline four32 load_pairs32(const char *first, const char *second)
{
    uint64_t one, two;
    memcpy(&one, first, sizeof one);
    memcpy(&two, second, sizeof two);
    return (four32)(two64){one, two};
}

/* Each moves the first points and returns how many it moved. */
static inline ptrdiff_t pack_pair_8(char *a, char *b, const char *from, ptrdiff_t stride, ptrdiff_t n)
{
    ptrdiff_t i = 0;
    for (; i + 4 <= n; i += 4, from += 4 * stride) {
        two64 p = load_two64(from), q = load_two64(from + stride);
        two64 r = load_two64(from + 2 * stride), s = load_two64(from + 3 * stride);
        store_two64(a + i * 8, PICK2(p, q, 0, 2));
        store_two64(a + i * 8 + 16, PICK2(r, s, 0, 2));
        store_two64(b + i * 8, PICK2(p, q, 1, 3));
        store_two64(b + i * 8 + 16, PICK2(r, s, 1, 3));
    }
    return i;
}

static inline ptrdiff_t unpack_pair_8(char *to, ptrdiff_t stride, const char *a, const char *b, ptrdiff_t n)
{
    ptrdiff_t i = 0;
    for (; i + 2 <= n; i += 2, to += 2 * stride) {
        two64 p = load_two64(a + i * 8), q = load_two64(b + i * 8);
        store_two64(to, PICK2(p, q, 0, 2));
        store_two64(to + stride, PICK2(p, q, 1, 3));
    }
    return i;
}

static inline ptrdiff_t pack_pair_4(char *a, char *b, const char *from, ptrdiff_t stride, ptrdiff_t n)
{
    ptrdiff_t i = 0;
    for (; i + 4 <= n; i += 4, from += 4 * stride) {
        four32 p = load_pairs32(from, from + stride), q = load_pairs32(from + 2 * stride, from + 3 * stride);
        four32 even = PICK4(p, q, 0, 2, 4, 6), odd = PICK4(p, q, 1, 3, 5, 7);
        memcpy(a + i * 4, &even, 16);
        memcpy(b + i * 4, &odd, 16);
    }
    return i;
}

static inline ptrdiff_t unpack_pair_4(char *to, ptrdiff_t stride, const char *a, const char *b, ptrdiff_t n)
{
    ptrdiff_t i = 0;
    for (; i + 4 <= n; i += 4, to += 4 * stride) {
        four32 p = load_four32(a + i * 4), q = load_four32(b + i * 4);
        two64 low = (two64)PICK4(p, q, 0, 4, 1, 5), high = (two64)PICK4(p, q, 2, 6, 3, 7);
        uint64_t rows[4] = {low[0], low[1], high[0], high[1]};
        for (int k = 0; k < 4; k++)
            memcpy(to + k * stride, &rows[k], sizeof rows[k]);
    }
    return i;
}

/* The size of a number must be a constant if its moves are to be fast, so that there are two of each. */
#define DEFINE_MOVES(SIZE, WORD)                                                                                   \
    static void copy_##SIZE(char *to, ptrdiff_t to_stride, const char *from, ptrdiff_t from_stride, ptrdiff_t n)    \
    {                                                                                                              \
        WORD word;                                                                                                 \
        if (to_stride == SIZE && from_stride == SIZE) {                                                            \
            memcpy(to, from, (size_t)n * SIZE);                                                                    \
        } else if (to_stride == SIZE && from_stride == 0) {                                                        \
            memcpy(&word, from, SIZE);                                                                             \
            for (ptrdiff_t i = 0; i < n; i++)                                                                      \
                memcpy(to + i * SIZE, &word, SIZE);                                                                \
        } else {                                                                                                   \
            for (ptrdiff_t i = 0; i < n; i++) {                                                                    \
                memcpy(&word, from + i * from_stride, SIZE);                                                       \
                memcpy(to + i * to_stride, &word, SIZE);                                                           \
            }                                                                                                      \
        }                                                                                                          \
    }                                                                                                              \
                                                                                                                   \
    /* Rows of `columns` numbers, two or more, into as many lanes, in pairs; of an odd number the last pair has a   \
     * column that was already moved, so that nothing beside the rows is touched. */                               \
    static void pack_rows_##SIZE(char *tile, ptrdiff_t pitch, const char *from, ptrdiff_t stride,                   \
                                 ptrdiff_t columns, ptrdiff_t n)                                                   \
    {                                                                                                              \
        for (ptrdiff_t c = 0; c < columns; c += 2) {                                                               \
            ptrdiff_t k = c + 2 <= columns ? c : columns - 2;                                                      \
            char *a = tile + k * pitch, *b = a + pitch;                                                            \
            const char *column = from + k * SIZE;                                                                  \
            for (ptrdiff_t i = pack_pair_##SIZE(a, b, column, stride, n); i < n; i++) {                            \
                memcpy(a + i * SIZE, column + i * stride, SIZE);                                                   \
                memcpy(b + i * SIZE, column + i * stride + SIZE, SIZE);                                            \
            }                                                                                                      \
        }                                                                                                          \
    }                                                                                                              \
                                                                                                                   \
    /* And back, some rows at a time, which then stay in cache until they are complete. */                         \
    static void unpack_rows_##SIZE(char *to, ptrdiff_t stride, const char *tile, ptrdiff_t pitch,                   \
                                   ptrdiff_t columns, ptrdiff_t n)                                                 \
    {                                                                                                              \
        for (ptrdiff_t at = 0; at < n; at += 32) {                                                                 \
            ptrdiff_t m = n - at < 32 ? n - at : 32;                                                               \
            for (ptrdiff_t c = 0; c < columns; c += 2) {                                                           \
                ptrdiff_t k = c + 2 <= columns ? c : columns - 2;                                                  \
                const char *a = tile + k * pitch + at * SIZE, *b = a + pitch;                                      \
                char *column = to + at * stride + k * SIZE;                                                        \
                for (ptrdiff_t i = unpack_pair_##SIZE(column, stride, a, b, m); i < m; i++) {                      \
                    memcpy(column + i * stride, a + i * SIZE, SIZE);                                               \
                    memcpy(column + i * stride + SIZE, b + i * SIZE, SIZE);                                        \
                }                                                                                                  \
            }                                                                                                      \
        }                                                                                                          \
    }
DEFINE_MOVES(8, uint64_t)
DEFINE_MOVES(4, uint32_t)

static inline void copy(int itemsize, char *to, ptrdiff_t to_stride, const char *from, ptrdiff_t from_stride, ptrdiff_t n)
{
    if (itemsize == 8)
        copy_8(to, to_stride, from, from_stride, n);
    else
        copy_4(to, to_stride, from, from_stride, n);
}

/* Runs of `length` points, `distance` bytes apart, into one lane, as for copy: where runs are short, a call for each
 * would cost more than the moving. */
static void copy_runs(int itemsize, char *to, const char *from, ptrdiff_t distance, ptrdiff_t runs, ptrdiff_t stride,
                      ptrdiff_t length)
{
    for (ptrdiff_t k = 0; k < runs; k++, from += distance)
        if (itemsize == 8)
            for (ptrdiff_t i = 0; i < length; i++, to += 8)
                memcpy(to, from + i * stride, 8);
        else
            for (ptrdiff_t i = 0; i < length; i++, to += 4)
                memcpy(to, from + i * stride, 4);
}

/* The next `n` points from `at` on, into lanes of a tile; `at` ends up behind them. */
static void pack(int itemsize, char *tile, ptrdiff_t pitch, const char *data, ptrdiff_t lanes, ptrdiff_t lane_stride,
                 const layout *where, cursor *at, ptrdiff_t n)
{
    ptrdiff_t last = where->dimensions - 1, stride = where->stride[last], length = where->extent[last];
    int rows = lanes > 1 && lane_stride == itemsize && stride != 0, short_runs = last > 0 && length <= SHORT_RUN;
    for (ptrdiff_t done = 0; done < n;) {
        ptrdiff_t run = run_length(where, at, n - done);
        const char *from = data + at->offset;
        char *to = tile + done * itemsize;
        if (short_runs && at->index[last] == 0 && n - done >= 2 * length) {
            ptrdiff_t left = where->extent[last - 1] - at->index[last - 1], distance = where->stride[last - 1];
            ptrdiff_t runs = (n - done) / length < left ? (n - done) / length : left;
            for (ptrdiff_t lane = 0; lane < lanes; lane++)
                copy_runs(itemsize, to + lane * pitch, from + lane * lane_stride, distance, runs, stride, length);
            at->index[last - 1] += runs - 1;
            at->offset += (runs - 1) * distance;
            done += (runs - 1) * length;
            run = length;
        } else if (rows && itemsize == 8)
            pack_rows_8(to, pitch, from, stride, lanes, run);
        else if (rows)
            pack_rows_4(to, pitch, from, stride, lanes, run);
        else
            for (ptrdiff_t lane = 0; lane < lanes; lane++)
                copy(itemsize, to + lane * pitch, itemsize, from + lane * lane_stride, stride, run);
        advance(where, at, run);
        done += run;
    }
}

/* The next `n` points from `at` on, out of lanes of a tile. */
static void unpack(int itemsize, const char *tile, ptrdiff_t pitch, char *data, ptrdiff_t lanes, ptrdiff_t lane_stride,
                   const layout *where, cursor *at, ptrdiff_t n)
{
    ptrdiff_t stride = where->stride[where->dimensions - 1];
    int rows = lanes > 1 && lane_stride == itemsize;
    for (ptrdiff_t done = 0; done < n;) {
        ptrdiff_t run = run_length(where, at, n - done);
        const char *from = tile + done * itemsize;
        char *to = data + at->offset;
        if (rows && itemsize == 8)
            unpack_rows_8(to, stride, from, pitch, lanes, run);
        else if (rows)
            unpack_rows_4(to, stride, from, pitch, lanes, run);
        else
            for (ptrdiff_t lane = 0; lane < lanes; lane++)
                copy(itemsize, to + lane * lane_stride, stride, from + lane * pitch, itemsize, run);
        advance(where, at, run);
        done += run;
    }
}

/* Stores that go past the caches: memory that is written is not read first, and what lies in cache stays there. The
 * widest store that the compiler knows for the processor it was told of; without one, a copy. */
#if defined(__clang__) && defined(__has_builtin)
#if __has_builtin(__builtin_nontemporal_store) && (defined(__SSE2__) || defined(__aarch64__))
#define STREAM(to, word) __builtin_nontemporal_store(word, to)
#endif
#elif defined(__GNUC__) && defined(__AVX512F__)
#define STREAM(to, word) __builtin_ia32_movntdq512(to, word)
#elif defined(__GNUC__) && defined(__AVX__)
#define STREAM(to, word) __builtin_ia32_movntdq256(to, word)
#elif defined(__GNUC__) && defined(__SSE2__)
#define STREAM(to, word) __builtin_ia32_movntdq(to, word)
#endif

#ifdef STREAM
enum { CAN_STREAM = 1 };
#if defined(__AVX512F__)
typedef long long stream_word __attribute__((vector_size(64), may_alias));
#elif defined(__AVX__)
typedef long long stream_word __attribute__((vector_size(32), may_alias));
#else
typedef long long stream_word __attribute__((vector_size(16), may_alias));
#endif
typedef long long stream_source __attribute__((vector_size(sizeof(stream_word)), aligned(1), may_alias));

static inline void stream_lines(char *to, const char *from, ptrdiff_t bytes)
{
    for (char *end = to + bytes; to < end; to += LINE, from += LINE)
        for (int j = 0; j < LINE; j += (int)sizeof(stream_word))
            STREAM((stream_word *)(void *)(to + j), *(const stream_source *)(from + j));
}
#else
enum { CAN_STREAM = 0 };

static inline void stream_lines(char *to, const char *from, ptrdiff_t bytes)
{
    memcpy(to, from, (size_t)bytes);
}
#endif

/* A lane on its way from a tile to memory. Only whole lines are streamed, for a line that is partly streamed and partly
 * written in the usual way is slow to write: what is left of one waits in the line before the tile. */
typedef struct {
    char *to, *tile;
    ptrdiff_t waiting; /* bytes */
} flow;

static void begin_or_go_on(flow *f, ptrdiff_t bytes)
{
    ptrdiff_t head = (ptrdiff_t)(-(uintptr_t)f->to % LINE), lines;
    const char *from = f->tile - f->waiting;
    bytes += f->waiting;
    head = head < bytes ? head : bytes;
    memcpy(f->to, from, (size_t)head);
    lines = (bytes - head) / LINE * LINE;
    stream_lines(f->to + head, from + head, lines);
    f->to += head + lines;
    f->waiting = bytes - head - lines;
    memmove(f->tile - f->waiting, from + head + lines, (size_t)f->waiting);
}

/* Move on the first `bytes` of the tile. */
static inline void stream(flow *f, ptrdiff_t bytes)
{
    if ((uintptr_t)f->to % LINE != 0 || bytes % LINE != 0) {
        begin_or_go_on(f, bytes);
        return;
    }
    stream_lines(f->to, f->tile - f->waiting, bytes);
    f->to += bytes;
    if (f->waiting > 0)
        memcpy(f->tile - LINE, f->tile + bytes - LINE, LINE);
}

static inline void end_stream(flow *f)
{
    memcpy(f->to, f->tile - f->waiting, (size_t)f->waiting);
    f->to += f->waiting;
    f->waiting = 0;
}

/* What was streamed is to be seen by others: such stores are not ordered with those that tell them so. */
static void order_streams(void)
{
#if defined(STREAM) && defined(__SSE2__)
    __builtin_ia32_sfence();
#endif
}

#endif
