/* The driver against plain loops: shapes, strides, broadcasts, sums and numbers of threads at random. All values are
 * small integers, so that every order of additions gives the same sum.
 *
 * Usage: driver_check SEED ROUNDS
 */
#include "driver.c"

#include <stdio.h>

enum { OPERANDS = 4, INPUTS = 2, MOST_LANES = 9, MOST_SIDES = 4 };

static ptrdiff_t lanes_of[OPERANDS];
static int width;

static double get(const void *lane, ptrdiff_t i)
{
    return width == 8 ? ((const double *)lane)[i] : (double)((const float *)lane)[i];
}

static void set(void *lane, ptrdiff_t i, double value)
{
    if (width == 8)
        ((double *)lane)[i] = value;
    else
        ((float *)lane)[i] = (float)value;
}

/* Lane k of the first result is the sum of all inputs plus k, of the second their difference plus k. */
static double expected(double first, double second, int result, ptrdiff_t lane)
{
    return (result == 0 ? first + second : first - second) + (double)lane;
}

static void kernel(ptrdiff_t n, const void *const *in, void *const *out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        double part[INPUTS] = {0, 0};
        ptrdiff_t lane = 0;
        for (int k = 0; k < INPUTS; k++)
            for (ptrdiff_t l = 0; l < lanes_of[k]; l++)
                part[k] += (double)(l + 1) * get(in[lane++], i);
        lane = 0;
        for (int k = 0; k < OPERANDS - INPUTS; k++)
            for (ptrdiff_t l = 0; l < lanes_of[INPUTS + k]; l++)
                set(out[lane++], i, expected(part[0], part[1], k, l));
    }
}

static unsigned long long state;

static ptrdiff_t any(ptrdiff_t below)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (ptrdiff_t)((state >> 33) % (unsigned long long)below);
}

static double value_at(const char *place)
{
    double wide;
    float narrow;
    if (width == 8)
        return memcpy(&wide, place, 8), wide;
    return memcpy(&narrow, place, 4), (double)narrow;
}

typedef struct {
    char *block, *data;
    size_t bytes;
    ptrdiff_t strides[MOST_SIDES], lane_stride;
} table;

/* An array with some dimensions left out, in a random order of dimensions, with gaps, at times misaligned. */
static table allocate(ptrdiff_t sides, const ptrdiff_t *extent, ptrdiff_t lanes)
{
    table t;
    ptrdiff_t order[MOST_SIDES + 1], step = width, left_out = any(3) ? any(1 << sides) : 0;
    for (ptrdiff_t d = 0; d <= sides; d++)
        order[d] = d;
    if (any(3) == 0)
        for (ptrdiff_t d = sides; d > 0; d--) {
            ptrdiff_t other = any(d + 1), kept = order[d];
            order[d] = order[other];
            order[other] = kept;
        }
    t.lane_stride = 0;
    for (ptrdiff_t k = sides; k >= 0; k--) {
        ptrdiff_t d = order[k];
        if (d == sides) { /* the lanes */
            t.lane_stride = step;
            step *= lanes;
        } else if (extent[d] == 1 || left_out >> d & 1) {
            t.strides[d] = 0;
        } else {
            t.strides[d] = step;
            step *= extent[d];
        }
        if (any(8) == 0)
            step *= 2;
    }
    ptrdiff_t shift = any(6) == 0 ? 1 : any(3) * width;
    t.bytes = (size_t)(step + shift);
    t.block = malloc(t.bytes);
    if (t.block == NULL)
        exit(3);
    memset(t.block, 0, t.bytes);
    t.data = t.block + shift;
    return t;
}

int main(int count, char **words)
{
    if (count != 3)
        return 2;
    state = strtoull(words[1], NULL, 10) * 977 + 1;
    for (long round = 0; round < strtol(words[2], NULL, 10); round++) {
        static const ptrdiff_t lengths[] = {1, 2, 3, 5, 7, 16, 17, 64, 65, 300, 513, 1030, 2100, 5000, 70000};
        ptrdiff_t sides = any(MOST_SIDES + 1), extent[MOST_SIDES], points = 1;
        ptrdiff_t rows[OPERANDS][MOST_SIDES + 2], in_rows[INPUTS * (MOST_SIDES + 2)], threads = 1 + any(8);
        ptrdiff_t out_rows[INPUTS * (MOST_SIDES + 2)];
        table tables[OPERANDS];
        width = any(2) ? 8 : 4;
        for (ptrdiff_t d = 0; d < sides; d++) {
            do
                extent[d] = lengths[any(15)];
            while (points * extent[d] > (round % 16 ? 20000 : 200000));
            points *= extent[d];
        }
        for (int k = 0; k < OPERANDS; k++) {
            lanes_of[k] = any(2) ? 1 : 1 + any(MOST_LANES);
            tables[k] = allocate(sides, extent, lanes_of[k]);
            rows[k][0] = lanes_of[k];
            rows[k][1] = tables[k].lane_stride;
            for (ptrdiff_t d = 0; d < sides; d++)
                rows[k][2 + d] = tables[k].strides[d];
            ptrdiff_t *to = k < INPUTS ? in_rows + k * (sides + 2) : out_rows + (k - INPUTS) * (sides + 2);
            memcpy(to, rows[k], (size_t)(sides + 2) * sizeof *to);
        }
        double *sums[OPERANDS] = {0};
        for (int k = 0; k < OPERANDS; k++) {
            table *t = &tables[k];
            size_t numbers = (t->bytes - (size_t)(t->data - t->block)) / (size_t)width;
            if (k >= INPUTS) {
                sums[k] = calloc(numbers + 1, sizeof(double));
                continue;
            }
            for (size_t i = 0; i < numbers; i++) {
                double wide = (double)any(9) - 4.0;
                float narrow = (float)wide;
                memcpy(t->data + i * (size_t)width, width == 8 ? (void *)&wide : (void *)&narrow, (size_t)width);
            }
        }
        for (ptrdiff_t i = 0; i < points; i++) {
            ptrdiff_t left = i, offset[OPERANDS] = {0};
            for (ptrdiff_t d = sides; d-- > 0; left /= extent[d])
                for (int k = 0; k < OPERANDS; k++)
                    offset[k] += left % extent[d] * tables[k].strides[d];
            double part[INPUTS] = {0, 0};
            for (int k = 0; k < INPUTS; k++)
                for (ptrdiff_t l = 0; l < lanes_of[k]; l++)
                    part[k] += (double)(l + 1) * value_at(tables[k].data + offset[k] + l * tables[k].lane_stride);
            for (int k = INPUTS; k < OPERANDS; k++)
                for (ptrdiff_t l = 0; l < lanes_of[k]; l++)
                    sums[k][(offset[k] + l * tables[k].lane_stride) / width] +=
                        expected(part[0], part[1], k - INPUTS, l);
        }
        const void *in[INPUTS] = {tables[0].data, tables[1].data};
        void *out[OPERANDS - INPUTS] = {tables[2].data, tables[3].data};
        /* With the high cost threads are always worth it, with the low one streaming is. */
        double cost = any(2) ? 1e4 : 0.01;
        if (tapeless_drive(kernel, width, cost, threads, sides, extent, INPUTS, in, in_rows, OPERANDS - INPUTS, out,
                           out_rows) != DONE)
            return 3;
        for (int k = INPUTS; k < OPERANDS; k++) {
            table *t = &tables[k];
            size_t numbers = (t->bytes - (size_t)(t->data - t->block)) / (size_t)width;
            for (size_t i = 0; i < numbers; i++)
                if (value_at(t->data + i * (size_t)width) != sums[k][i]) {
                    fprintf(stderr, "round %ld, result %d, number %zu: %g, not %g\nextents", round, k - INPUTS, i,
                            value_at(t->data + i * (size_t)width), sums[k][i]);
                    for (ptrdiff_t d = 0; d < sides; d++)
                        fprintf(stderr, " %td", extent[d]);
                    for (int j = 0; j < OPERANDS; j++)
                        for (ptrdiff_t d = 0; d < sides + 2; d++)
                            fprintf(stderr, d == 0 ? "; row %td" : " %td", rows[j][d]);
                    fprintf(stderr, "; %td threads, cost %g, %d bytes\n", threads, cost, width);
                    return 1;
                }
        }
        for (int k = 0; k < OPERANDS; k++) {
            free(tables[k].block);
            free(sums[k]);
        }
    }
    return 0;
}
