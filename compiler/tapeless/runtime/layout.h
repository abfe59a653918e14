/* The batch as one operand sees it, and places in it. */
#ifndef TAPELESS_LAYOUT_H
#define TAPELESS_LAYOUT_H

#include <stddef.h>

/* Dimensions in C order; adjacent ones that are walked with a single stride are merged. There is at least one. */
typedef struct {
    ptrdiff_t dimensions;
    ptrdiff_t *extent, *stride;
} layout;

/* A point of a layout: its index in each dimension, and what these come to with the strides. */
typedef struct {
    ptrdiff_t offset;
    ptrdiff_t *index;
} cursor;

/* `out` has room for all dimensions. */
static void merge(layout *out, ptrdiff_t dimensions, const ptrdiff_t *extent, const ptrdiff_t *stride)
{
    ptrdiff_t last = -1;
    for (ptrdiff_t d = 0; d < dimensions; d++) {
        if (extent[d] == 1)
            continue;
        if (last >= 0 && out->stride[last] == stride[d] * extent[d]) {
            out->extent[last] *= extent[d];
            out->stride[last] = stride[d];
        } else {
            out->extent[++last] = extent[d];
            out->stride[last] = stride[d];
        }
    }
    if (last < 0) {
        out->extent[++last] = 1;
        out->stride[last] = 0;
    }
    out->dimensions = last + 1;
}

static void seek(const layout *where, cursor *at, ptrdiff_t point)
{
    at->offset = 0;
    for (ptrdiff_t d = where->dimensions; d-- > 0;) {
        ptrdiff_t index = point;
        if (d > 0) {
            point /= where->extent[d];
            index -= point * where->extent[d];
        }
        at->index[d] = index;
        at->offset += index * where->stride[d];
    }
}

/* Points from here to the end of the innermost dimension, at most `limit`. */
static inline ptrdiff_t run_length(const layout *where, const cursor *at, ptrdiff_t limit)
{
    ptrdiff_t last = where->dimensions - 1, left = where->extent[last] - at->index[last];
    return left < limit ? left : limit;
}

/* Go on by `run` points, at most to the end of the innermost dimension. */
static inline void advance(const layout *where, cursor *at, ptrdiff_t run)
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

#endif
