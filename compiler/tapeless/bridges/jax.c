/* Runs kernels for XLA, through the C interface of its foreign functions.
 *
 * One handler serves all kernels. Its only attribute is a list of integers: which kernel, and how operands and results
 * lie. The kernel is named by a key that depends on the formula alone, never by its address: XLA may keep a compiled
 * program on disk and run it in another process.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xla/ffi/api/c_api.h"

#define EXPORTED __attribute__((visibility("default")))

typedef void kernel_function(ptrdiff_t n, const void *const *in, void *const *out);
typedef int drive_function(kernel_function *kernel, int itemsize, double cost, ptrdiff_t threads, ptrdiff_t dimensions,
                           const ptrdiff_t *extent, ptrdiff_t n_in, const void *const *in, const ptrdiff_t *in_rows,
                           ptrdiff_t n_out, void *const *out, const ptrdiff_t *out_rows);

/* ---------------------------------------------------------------- the kernels of this process */

typedef struct entry {
    struct entry *next;
    int64_t key;
    kernel_function *kernel;
    drive_function *drive;
    double cost;
    ptrdiff_t threads;
} entry;

enum { BUCKETS = 1024 };
static _Atomic(entry *) buckets[BUCKETS];

static entry *find(int64_t key)
{
    entry *e = atomic_load_explicit(&buckets[(uint64_t)key % BUCKETS], memory_order_acquire);
    while (e != NULL && e->key != key)
        e = e->next;
    return e;
}

/* Make a kernel known. Entries are only ever added, so that running calls need no lock; of a kernel that is known
 * already, nothing changes: it computes the same. Returns 0, or 1 without memory. */
EXPORTED int tapeless_xla_add(int64_t key, void *kernel, void *drive, double cost, int64_t threads)
{
    if (find(key) != NULL)
        return 0;
    entry *e = malloc(sizeof *e);
    if (e == NULL)
        return 1;
    e->key = key;
    e->kernel = (kernel_function *)kernel;
    e->drive = (drive_function *)drive;
    e->cost = cost;
    e->threads = (ptrdiff_t)threads;
    _Atomic(entry *) *bucket = &buckets[(uint64_t)key % BUCKETS];
    e->next = atomic_load(bucket);
    while (!atomic_compare_exchange_weak(bucket, &e->next, e))
        ;
    return 0;
}

/* ---------------------------------------------------------------- the handler */

static XLA_FFI_Error *error(XLA_FFI_CallFrame *frame, XLA_FFI_Error_Code code, const char *message)
{
    XLA_FFI_Error_Create_Args args;
    memset(&args, 0, sizeof args);
    args.struct_size = XLA_FFI_Error_Create_Args_STRUCT_SIZE;
    args.message = message;
    args.errc = code;
    return frame->api->XLA_FFI_Error_Create(&args);
}

static void *data_of(void *buffer)
{
    return ((XLA_FFI_Buffer *)buffer)->data;
}

/* The plan: key, bytes of a number, whether the kernel is called itself (every lane is
 * contiguous over the batch, which is small), number of dimensions, their
 * extents; then for each operand, and for each result, its number of lanes, the distance between lanes, and one stride
 * per dimension, in bytes. */
enum { KEY, ITEMSIZE, DIRECT, DIMENSIONS, EXTENTS };
enum { SOME = 64 };

static XLA_FFI_Error *run(XLA_FFI_CallFrame *frame, const entry *found, const int64_t *plan)
{
    ptrdiff_t n_in = (ptrdiff_t)frame->args.size, n_out = (ptrdiff_t)frame->rets.size;
    ptrdiff_t dimensions = (ptrdiff_t)plan[DIMENSIONS], row = dimensions + 2, points = 1;
    size_t itemsize = (size_t)plan[ITEMSIZE];
    const int64_t *rows = plan + EXTENTS + dimensions;
    for (ptrdiff_t d = 0; d < dimensions; d++)
        points *= (ptrdiff_t)plan[EXTENTS + d];
    if (points == 0) { /* sums over no points; other results have no elements */
        for (ptrdiff_t k = 0; k < n_out; k++) {
            const XLA_FFI_Buffer *buffer = frame->rets.rets[k];
            size_t size = itemsize;
            for (int64_t d = 0; d < buffer->rank; d++)
                size *= (size_t)buffer->dims[d];
            memset(buffer->data, 0, size);
        }
        return NULL;
    }

    ptrdiff_t lanes = 0;
    for (ptrdiff_t k = 0; k < n_in + n_out; k++)
        lanes += plan[DIRECT] ? (ptrdiff_t)rows[k * row] : 1;
    void *few[SOME], **pointers = lanes <= SOME ? few : malloc((size_t)lanes * sizeof *pointers);
    if (pointers == NULL)
        return error(frame, XLA_FFI_Error_Code_RESOURCE_EXHAUSTED, "no memory for the pointers of a call");
    void **next = pointers;
    void *const *out = NULL;
    for (ptrdiff_t k = 0; k < n_in + n_out; k++) {
        if (k == n_in)
            out = next;
        char *data = data_of(k < n_in ? frame->args.args[k] : frame->rets.rets[k - n_in]);
        *next++ = data;
        for (ptrdiff_t lane = 1; plan[DIRECT] && lane < (ptrdiff_t)rows[k * row]; lane++)
            *next++ = data + (size_t)lane * itemsize;
    }
    int status = 0;
    if (plan[DIRECT]) {
        found->kernel(points, (const void *const *)pointers, out);
    } else {
        _Static_assert(sizeof(ptrdiff_t) == sizeof(int64_t), "plans hold 64-bit numbers");
        const ptrdiff_t *numbers = (const ptrdiff_t *)(const void *)rows;
        status = found->drive(found->kernel, (int)itemsize, found->cost, found->threads, dimensions,
                              (const ptrdiff_t *)(const void *)(plan + EXTENTS), n_in, (const void *const *)pointers,
                              numbers, n_out, out, numbers + n_in * row);
    }
    if (pointers != few)
        free(pointers);
    return status == 0 ? NULL
                       : error(frame, XLA_FFI_Error_Code_RESOURCE_EXHAUSTED, "no memory for the buffers of a call");
}

static void describe(XLA_FFI_Metadata *metadata)
{
    size_t known = offsetof(XLA_FFI_Metadata, traits) + sizeof metadata->traits;
    memset(&metadata->api_version, 0, sizeof metadata->api_version);
    metadata->api_version.struct_size = XLA_FFI_Api_Version_STRUCT_SIZE;
    metadata->api_version.major_version = XLA_FFI_API_MAJOR;
    metadata->api_version.minor_version = XLA_FFI_API_MINOR;
    metadata->traits = 0;
    if (metadata->struct_size > known) /* what later versions add is nothing that this handler has */
        memset((char *)metadata + known, 0, metadata->struct_size - known);
}

EXPORTED XLA_FFI_Error *tapeless_xla_call(XLA_FFI_CallFrame *frame)
{
    for (XLA_FFI_Extension_Base *e = frame->extension_start; e != NULL; e = e->next)
        if (e->type == XLA_FFI_Extension_Metadata) {
            describe(((XLA_FFI_Metadata_Extension *)(void *)e)->metadata);
            return NULL;
        }
    if (frame->stage != XLA_FFI_ExecutionStage_EXECUTE)
        return NULL;
    if (frame->attrs.size != 1 || frame->attrs.types[0] != XLA_FFI_AttrType_ARRAY)
        return error(frame, XLA_FFI_Error_Code_INVALID_ARGUMENT, "a call of another version of tapeless");
    const int64_t *plan = ((const XLA_FFI_Array *)frame->attrs.attrs[0])->data;
    const entry *found = find(plan[KEY]);
    if (found == NULL)
        return error(frame, XLA_FFI_Error_Code_NOT_FOUND,
                     "this program calls a tapeless function that this process does not have; compile the formula, "
                     "call its to_jax(), and trace the program again");
    return run(frame, found, plan);
}
