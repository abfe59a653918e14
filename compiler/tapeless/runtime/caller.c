/* Calls kernels straight from the interpreter.
 *
 * A call whose arguments are as a kernel wants them, arrays of one shape and of the kernel's own dtype, and numbers
 * among them, needs no Python code. Here such calls are recognised, their results made, and the kernel called. Of any
 * other call nothing is judged here, right or wrong: it goes to the method in Python that it stands for, which knows
 * all rules and all errors. So whatever is accepted here must give what that method gives, type and bits.
 *
 *   Plan    a kernel with what must be known to call it
 *   Table   the plans of one Function, by method and by wrt
 *   Method  a method of the fast Function: tries the plan, else calls the method in Python
 *
 * All of this runs with the GIL held but for long kernels, which own nothing that Python could change meanwhile.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#define NPY_NO_DEPRECATED_API NPY_1_22_API_VERSION
#define NPY_TARGET_VERSION NPY_1_22_API_VERSION /* since then an array knows what frees its memory */
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef Py_GIL_DISABLED
#error "the lists of spare memory rely on the GIL"
#endif

typedef void kernel_function(ptrdiff_t n, const void *const *in, void *const *out);
/* As in driver.c. */
typedef int drive_function(kernel_function *kernel, int itemsize, double cost, ptrdiff_t threads, ptrdiff_t dimensions,
                           const ptrdiff_t *extent, ptrdiff_t n_in, const void *const *in, const ptrdiff_t *in_rows,
                           ptrdiff_t n_out, void *const *out, const ptrdiff_t *out_rows);

/* Most operands of a plan, and most results: one bit each in a word. */
enum { MOST_PARTS = 64, FEW_LANES = 128 };
/* Points up to which a number among arrays is written out; beyond, the driver does it tile by tile. */
enum { MOST_WRITTEN_OUT = 4096 };
enum { READY = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED };
/* NumPy's flag for views that are to become read-only one day, which its public headers do not name. */
#define WARNS_ON_WRITE 0x80000000u
/* What an attempt came to. */
enum { FAILED = -1, NOT_HERE = 0, DONE = 1 };

/* ---------------------------------------------------------------- memory of results
 *
 * Results start at a cache line: NumPy's own 16 bytes cost more than a factor of two in kernels with several results.
 * Blocks are kept when their array goes, for fresh memory costs more than writing to it. Each has a header of one
 * line in front.
 */

enum { LINE = 64, SMALL_CLASSES = 16, LARGEST_POWER = 19, CLASSES = SMALL_CLASSES + 4 * (LARGEST_POWER - 9) };
enum { MOST_SPARE = 16, MOST_HELD = 16 << 20 /* two sets of eight results, at the largest */ };

typedef struct block {
    struct block *next;
    size_t capacity;
    int class;
} block;

static struct {
    block *first[CLASSES];
    int count[CLASSES];
    size_t held, limit;
} spare = {.limit = MOST_HELD};

/* The class of blocks that serve `size` bytes, and their capacity: steps of a line up to a kilobyte, then four steps
 * from power to power of two. -1 for what is too large to be kept. */
static int class_of(size_t size, size_t *capacity)
{
    if (size <= SMALL_CLASSES * LINE) {
        size_t lines = size == 0 ? 1 : (size + LINE - 1) / LINE;
        *capacity = lines * LINE;
        return (int)lines - 1;
    }
    *capacity = size;
    if (size > (size_t)2 << LARGEST_POWER)
        return -1;
    int power = 63 - __builtin_clzll((unsigned long long)size - 1);
    size_t base = (size_t)1 << power, step = base / 4, steps = (size - 1 - base) / step;
    *capacity = base + (steps + 1) * step;
    return SMALL_CLASSES + 4 * (power - 10) + (int)steps;
}

static void *block_new(size_t size)
{
    size_t capacity;
    int class = class_of(size, &capacity);
    block *found;
    if (class >= 0 && spare.first[class] != NULL) {
        found = spare.first[class];
        spare.first[class] = found->next;
        spare.count[class]--;
        spare.held -= capacity;
    } else {
        void *fresh;
        if (capacity > PTRDIFF_MAX - LINE || posix_memalign(&fresh, LINE, capacity + LINE) != 0)
            return NULL;
        found = fresh;
        found->capacity = capacity;
        found->class = class;
    }
    return (char *)found + LINE;
}

static void block_free(void *data)
{
    if (data == NULL)
        return;
    block *old = (block *)(void *)((char *)data - LINE);
    int class = old->class;
    if (class < 0 || spare.count[class] >= MOST_SPARE || spare.held + old->capacity > spare.limit) {
        free(old);
        return;
    }
    old->next = spare.first[class];
    spare.first[class] = old;
    spare.count[class]++;
    spare.held += old->capacity;
}

/* What NumPy calls for an array made here. It holds the GIL whenever it does. */
static void *handler_malloc(void *context, size_t size)
{
    (void)context;
    return block_new(size);
}

static void *handler_calloc(void *context, size_t count, size_t size)
{
    (void)context;
    if (size != 0 && count > PTRDIFF_MAX / size)
        return NULL;
    void *data = block_new(count * size);
    if (data != NULL)
        memset(data, 0, count * size);
    return data;
}

static void handler_free(void *context, void *data, size_t size)
{
    (void)context;
    (void)size;
    block_free(data);
}

static void *handler_realloc(void *context, void *data, size_t size)
{
    (void)context;
    void *fresh = block_new(size);
    if (fresh != NULL && data != NULL) {
        size_t had = ((block *)(void *)((char *)data - LINE))->capacity;
        memcpy(fresh, data, had < size ? had : size);
        block_free(data);
    }
    return fresh;
}

static PyDataMem_Handler handler = {
    "tapeless", 1, {NULL, handler_malloc, handler_calloc, handler_realloc, handler_free}};
static PyObject *handler_capsule;

/* Memory statistics of Python, under NumPy's number (NPY_TRACE_DOMAIN), as NumPy does for its own arrays. */
enum { TRACE_DOMAIN = 389047 };

static PyObject *new_array(PyArray_Descr *descr, int dimensions, const npy_intp *shape, size_t size)
{
    void *data = block_new(size);
    if (data == NULL)
        return PyErr_NoMemory();
    Py_INCREF(descr);
    PyObject *made =
        PyArray_NewFromDescr(&PyArray_Type, descr, dimensions, shape, NULL, data, NPY_ARRAY_CARRAY, NULL);
    if (made == NULL) {
        block_free(data);
        return NULL;
    }
    PyTraceMalloc_Track(TRACE_DOMAIN, (uintptr_t)data, size);
    Py_INCREF(handler_capsule);
    ((PyArrayObject_fields *)made)->mem_handler = handler_capsule;
    PyArray_ENABLEFLAGS((PyArrayObject *)made, NPY_ARRAY_OWNDATA);
    return made;
}

/* ---------------------------------------------------------------- Plan */

typedef union {
    double d;
    float f;
} number;

/* An operand or a result. */
typedef struct {
    int dimensions; /* of the core shape */
    int cotangent;
    const npy_intp *shape;
    Py_ssize_t lanes;
} part;

typedef struct {
    PyObject_HEAD
    kernel_function *kernel;
    PyArray_Descr *descr;
    int is_double;
    int flat; /* all core shapes are () */
    size_t itemsize;
    Py_ssize_t operands, results, lanes_in, lanes_out;
    Py_ssize_t limit;    /* points from which the driver does better */
    Py_ssize_t release;  /* points from which other threads may run meanwhile */
    double cost;         /* nanoseconds for a point */
    drive_function *drive;        /* the driver, once Python has it */
    const ptrdiff_t *most_threads; /* of any call; 0 while Python has to find out */
    Py_ssize_t threads;            /* of this function's */
    PyObject *make;                /* makes a large array: make(shape, dtype) */
    Py_ssize_t large;              /* its bytes at least */
    uint64_t liked;      /* operands that a result is the gradient of */
    npy_intp *shapes;
    part parts[2 * MOST_PARTS]; /* operands, then results */
} Plan;

static PyTypeObject PlanType;

static int has_shape(PyArrayObject *array, int dimensions, const npy_intp *shape)
{
    if (PyArray_NDIM(array) != dimensions)
        return 0;
    const npy_intp *own = PyArray_DIMS(array);
    for (int d = 0; d < dimensions; d++)
        if (own[d] != shape[d])
            return 0;
    return 1;
}

/* Read a number of a type that Python's conversion takes as it is; 0 for any other, and for one whose conversion
 * would warn, round to nothing, or fail. `liked`: its gradient must have the kernel's dtype. */
static int read_number(const Plan *plan, PyObject *value, int liked, number *to)
{
    double found;
    if (PyFloat_CheckExact(value)) {
        found = PyFloat_AS_DOUBLE(value);
    } else if (Py_IS_TYPE(value, &PyDoubleArrType_Type)) {
        found = PyArrayScalar_VAL(value, Double);
        if (liked && !plan->is_double)
            return 0;
    } else if (PyLong_CheckExact(value)) {
        found = PyLong_AsDouble(value);
        if (found == -1.0 && PyErr_Occurred()) {
            PyErr_Clear();
            return 0;
        }
    } else if (Py_IS_TYPE(value, &PyFloatArrType_Type)) {
        found = (double)PyArrayScalar_VAL(value, Float);
        if (liked && plan->is_double)
            return 0;
    } else if (PyBool_Check(value)) {
        found = value == Py_True;
    } else {
        return 0;
    }
    if (plan->is_double) {
        to->d = found;
        return 1;
    }
    to->f = (float)found;
    return (double)to->f == found || isnormal(to->f);
}

static int overlap(const void *a, size_t a_size, const void *b, size_t b_size)
{
    uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;
    return x < y + b_size && y < x + a_size;
}

/* Whether a kernel can write to an array that the caller gave. */
static int can_take(const Plan *plan, PyObject *out, int dimensions, const npy_intp *shape)
{
    if (!Py_IS_TYPE(out, &PyArray_Type))
        return 0;
    PyArrayObject *array = (PyArrayObject *)out;
    int needed = READY | NPY_ARRAY_WRITEABLE;
    return PyArray_DESCR(array) == plan->descr && (PyArray_FLAGS(array) & needed) == needed &&
           !((unsigned)PyArray_FLAGS(array) & WARNS_ON_WRITE) && has_shape(array, dimensions, shape);
}

static void fill(const Plan *plan, void *row, const void *value, Py_ssize_t n)
{
    if (plan->is_double) {
        double d, *to = row;
        memcpy(&d, value, sizeof d);
        for (Py_ssize_t i = 0; i < n; i++)
            to[i] = d;
    } else {
        float f, *to = row;
        memcpy(&f, value, sizeof f);
        for (Py_ssize_t i = 0; i < n; i++)
            to[i] = f;
    }
}

static PyObject *new_scalar(const Plan *plan, const number *value)
{
    PyObject *made;
    if (plan->is_double) {
        made = PyArrayScalar_New(Double);
        if (made != NULL)
            PyArrayScalar_ASSIGN(made, Double, value->d);
    } else {
        made = PyArrayScalar_New(Float);
        if (made != NULL)
            PyArrayScalar_ASSIGN(made, Float, value->f);
    }
    return made;
}

static void drop(PyObject **results, Py_ssize_t count)
{
    for (Py_ssize_t k = 0; k < count; k++)
        Py_CLEAR(results[k]);
}

/* Make an array for a result of a call for the driver: a large one lies where large results lie. */
static PyObject *new_large_array(const Plan *plan, int dimensions, const npy_intp *shape, size_t size)
{
    if (size < (size_t)plan->large)
        return new_array(plan->descr, dimensions, shape, size);
    PyObject *extents = PyArray_IntTupleFromIntp(dimensions, shape);
    if (extents == NULL)
        return NULL;
    PyObject *made = PyObject_CallFunctionObjArgs(plan->make, extents, (PyObject *)plan->descr, NULL);
    Py_DECREF(extents);
    if (made != NULL && !can_take(plan, made, dimensions, shape)) {
        Py_CLEAR(made);
        PyErr_SetString(PyExc_SystemError, "an array of another kind was made");
    }
    return made;
}

/* Call the driver for arrays of one shape and numbers, which are the same at all points. */
static int drive(Plan *plan, Py_ssize_t n, uint64_t spread, const void *const *starts, void *const *targets)
{
    ptrdiff_t rows[3 * 2 * MOST_PARTS], extent = n, limit = *plan->most_threads;
    const ptrdiff_t n_in = plan->operands, n_out = plan->results, step = (ptrdiff_t)plan->itemsize;
    int status;
    for (ptrdiff_t k = 0; k < n_in + n_out; k++) {
        rows[3 * k] = 1;
        rows[3 * k + 1] = 0;
        rows[3 * k + 2] = k < n_in && (spread >> k) & 1 ? 0 : step;
    }
    if (plan->threads > 0 && plan->threads < limit)
        limit = plan->threads;
    Py_INCREF(plan);
    Py_BEGIN_ALLOW_THREADS
    status = plan->drive(plan->kernel, (int)step, plan->cost, limit, 1, &extent, n_in, starts, rows, n_out, targets,
                         rows + 3 * n_in);
    Py_END_ALLOW_THREADS
    Py_DECREF(plan);
    if (status == 0)
        return DONE;
    PyErr_SetString(PyExc_MemoryError, "no memory for the buffers of a call");
    return FAILED;
}

/* Call the kernel. `outs` is NULL, or has an array or NULL for each result. On DONE `results` holds new references.
 * The operands, and what is in `outs`, must live through the call without the GIL. */
static int execute(Plan *plan, PyObject *const *operands, PyObject *const *outs, PyObject **results)
{
    const void *starts[MOST_PARTS];
    number values[MOST_PARTS], made[MOST_PARTS];
    void *targets[MOST_PARTS], *few[FEW_LANES];
    const Py_ssize_t n_in = plan->operands, n_out = plan->results;
    const size_t itemsize = plan->itemsize;
    uint64_t spread = 0; /* operands that are one number, wherever it is needed */
    PyArrayObject *shaped = NULL;
    int counted = 0;

    for (Py_ssize_t k = 0; k < n_in; k++) {
        const part *own = &plan->parts[k];
        PyObject *operand = operands[k];
        if (Py_IS_TYPE(operand, &PyArray_Type)) {
            PyArrayObject *array = (PyArrayObject *)operand;
            if (PyArray_DESCR(array) != plan->descr || (PyArray_FLAGS(array) & READY) != READY)
                return NOT_HERE;
            starts[k] = PyArray_DATA(array);
            if (!plan->flat) {
                if (has_shape(array, own->dimensions, own->shape))
                    continue;
                if (PyArray_NDIM(array) != 0 || !own->cotangent)
                    return NOT_HERE;
                spread |= (uint64_t)1 << k;
            } else if (PyArray_NDIM(array) == 0) {
                spread |= (uint64_t)1 << k;
            } else {
                if (shaped == NULL)
                    shaped = array;
                else if (!has_shape(array, PyArray_NDIM(shaped), PyArray_DIMS(shaped)))
                    return NOT_HERE;
                counted |= !own->cotangent;
            }
        } else {
            if (own->dimensions > 0 && !own->cotangent)
                return NOT_HERE;
            if (!read_number(plan, operand, (plan->liked >> k) & 1, &values[k]))
                return NOT_HERE;
            starts[k] = &values[k];
            spread |= (uint64_t)1 << k;
        }
    }

    Py_ssize_t n = 1;
    int dimensions = 0;
    const npy_intp *shape = NULL;
    if (shaped != NULL) {
        /* Cotangents do not make a batch, and what is summed is not done here. */
        if (!counted || (spread & plan->liked))
            return NOT_HERE;
        dimensions = PyArray_NDIM(shaped);
        shape = PyArray_DIMS(shaped);
        for (int d = 0; d < dimensions; d++)
            n *= shape[d]; /* an array has that many elements, so there is no overflow */
        if (n == 0)
            return NOT_HERE;
    }
    const int driven = n >= plan->limit;
    if (driven && (plan->drive == NULL || !plan->flat || *plan->most_threads <= 0))
        return NOT_HERE;
    const int write_out = spread != 0 && n > 1 && !driven;
    if (write_out && n > MOST_WRITTEN_OUT)
        return NOT_HERE;

    const part *results_of = plan->parts + n_in;
    if (outs != NULL) {
        for (Py_ssize_t k = 0; k < n_out; k++) {
            if (outs[k] == NULL)
                continue;
            const part *own = &results_of[k];
            if (!can_take(plan, outs[k], plan->flat ? dimensions : own->dimensions, plan->flat ? shape : own->shape))
                return NOT_HERE;
            targets[k] = PyArray_DATA((PyArrayObject *)outs[k]);
            size_t size = (size_t)(n * own->lanes) * itemsize;
            for (Py_ssize_t j = 0; j < n_in; j++) {
                size_t lanes = (spread >> j) & 1 ? 1 : (size_t)(n * plan->parts[j].lanes);
                if (overlap(targets[k], size, starts[j], lanes * itemsize))
                    return NOT_HERE;
            }
            for (Py_ssize_t j = 0; j < k; j++)
                if (outs[j] != NULL &&
                    overlap(targets[k], size, targets[j], (size_t)(n * results_of[j].lanes) * itemsize))
                    return NOT_HERE;
        }
    }

    int status = FAILED;
    void *scratch = NULL, **table = few;
    for (Py_ssize_t k = 0; k < n_out; k++)
        results[k] = NULL;
    if (plan->lanes_in + plan->lanes_out > FEW_LANES) {
        table = PyMem_Malloc((size_t)(plan->lanes_in + plan->lanes_out) * sizeof *table);
        if (table == NULL) {
            PyErr_NoMemory();
            return FAILED;
        }
    }
    if (write_out) {
        size_t row = ((size_t)n * itemsize + LINE - 1) / LINE * LINE;
        scratch = block_new((size_t)__builtin_popcountll(spread) * row);
        if (scratch == NULL) {
            PyErr_NoMemory();
            goto release;
        }
        char *next = scratch;
        for (Py_ssize_t k = 0; k < n_in; k++)
            if ((spread >> k) & 1) {
                fill(plan, next, starts[k], n);
                starts[k] = next;
                next += row;
            }
    }
    for (Py_ssize_t k = 0; k < n_out; k++) {
        const part *own = &results_of[k];
        int own_dimensions = plan->flat ? dimensions : own->dimensions;
        if (outs != NULL && outs[k] != NULL) {
            results[k] = Py_NewRef(outs[k]);
        } else if (own_dimensions == 0) {
            targets[k] = &made[k];
        } else {
            size_t size = (size_t)(n * own->lanes) * itemsize;
            const npy_intp *own_shape = plan->flat ? shape : own->shape;
            results[k] = driven ? new_large_array(plan, own_dimensions, own_shape, size)
                                : new_array(plan->descr, own_dimensions, own_shape, size);
            if (results[k] == NULL)
                goto release;
            targets[k] = PyArray_DATA((PyArrayObject *)results[k]);
        }
    }
    if (driven) {
        status = drive(plan, n, spread, starts, targets);
        goto release;
    }
    void **in = table, **out = table + plan->lanes_in;
    if (plan->flat) {
        memcpy(in, starts, (size_t)n_in * sizeof *in);
        memcpy(out, targets, (size_t)n_out * sizeof *out);
    } else {
        void **next = table;
        for (Py_ssize_t k = 0; k < n_in; k++) {
            size_t step = (spread >> k) & 1 ? 0 : itemsize;
            for (Py_ssize_t lane = 0; lane < plan->parts[k].lanes; lane++)
                *next++ = (char *)(uintptr_t)starts[k] + (size_t)lane * step;
        }
        for (Py_ssize_t k = 0; k < n_out; k++)
            for (Py_ssize_t lane = 0; lane < results_of[k].lanes; lane++)
                *next++ = (char *)targets[k] + (size_t)lane * itemsize;
    }
    if (n < plan->release) {
        plan->kernel(n, (const void *const *)in, out);
    } else {
        Py_INCREF(plan);
        Py_BEGIN_ALLOW_THREADS
        plan->kernel(n, (const void *const *)in, out);
        Py_END_ALLOW_THREADS
        Py_DECREF(plan);
    }
    for (Py_ssize_t k = 0; k < n_out; k++)
        if (results[k] == NULL) {
            results[k] = new_scalar(plan, &made[k]);
            if (results[k] == NULL)
                goto release;
        }
    status = DONE;

release:
    if (status == FAILED)
        drop(results, n_out);
    block_free(scratch);
    if (table != few)
        PyMem_Free(table);
    return status;
}

/* Read `out=` of one level: an array where there is one result, or a tuple. NOT_HERE for anything else. */
static int read_outs(PyObject *out, Py_ssize_t count, PyObject **outs)
{
    if (out == Py_None) {
        for (Py_ssize_t k = 0; k < count; k++)
            outs[k] = NULL;
    } else if (PyTuple_CheckExact(out)) {
        if (PyTuple_GET_SIZE(out) != count)
            return NOT_HERE;
        for (Py_ssize_t k = 0; k < count; k++) {
            PyObject *one = PyTuple_GET_ITEM(out, k);
            outs[k] = one == Py_None ? NULL : one;
        }
    } else {
        if (count != 1)
            return NOT_HERE;
        outs[0] = out;
    }
    return DONE;
}

/* Make a tuple of new references, which are taken over; of one alone, that one. */
static PyObject *pack(PyObject **items, Py_ssize_t count, int alone)
{
    if (alone)
        return items[0];
    PyObject *packed = PyTuple_New(count);
    if (packed == NULL) {
        drop(items, count);
        return NULL;
    }
    for (Py_ssize_t k = 0; k < count; k++)
        PyTuple_SET_ITEM(packed, k, items[k]);
    return packed;
}

/* plan(operands, out): a tuple of results, or NotImplemented where the call is not for here. */
static PyObject *plan_call(PyObject *self, PyObject *args, PyObject *named)
{
    Plan *plan = (Plan *)self;
    PyObject *operands, *out, *outs[MOST_PARTS], *results[MOST_PARTS];
    if (named != NULL && PyDict_GET_SIZE(named) != 0) {
        PyErr_SetString(PyExc_TypeError, "a plan takes no keywords");
        return NULL;
    }
    if (!PyArg_UnpackTuple(args, "plan", 2, 2, &operands, &out))
        return NULL;
    /* Not a list: it could change while the GIL is released. */
    if (!PyTuple_CheckExact(operands) || PyTuple_GET_SIZE(operands) != plan->operands ||
        !read_outs(out, plan->results, outs))
        Py_RETURN_NOTIMPLEMENTED;
    switch (execute(plan, ((PyTupleObject *)operands)->ob_item, out == Py_None ? NULL : outs, results)) {
    case DONE:
        return pack(results, plan->results, 0);
    case NOT_HERE:
        Py_RETURN_NOTIMPLEMENTED;
    default:
        return NULL;
    }
}

/* Read core shapes into `parts`, appending to the plan's store of extents. */
static int read_parts(Plan *plan, PyObject *rows, part *parts, Py_ssize_t *used, Py_ssize_t *lanes, int results)
{
    *lanes = 0;
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(rows); k++) {
        PyObject *shape;
        int number; /* role of an operand; of a result the operand that it is the gradient of, or -1 */
        if (!PyTuple_Check(PyTuple_GET_ITEM(rows, k))) {
            PyErr_SetString(PyExc_TypeError, "an operand or a result is described by a tuple");
            return -1;
        }
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(rows, k), "O!i", &PyTuple_Type, &shape, &number))
            return -1;
        part *own = &parts[k];
        own->dimensions = (int)PyTuple_GET_SIZE(shape);
        own->shape = plan->shapes + *used;
        own->lanes = 1;
        own->cotangent = !results && number;
        for (int d = 0; d < own->dimensions; d++) {
            Py_ssize_t extent = PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, d));
            if (extent <= 0 || extent > PY_SSIZE_T_MAX / 64 / own->lanes) {
                if (!PyErr_Occurred())
                    PyErr_SetString(PyExc_ValueError, "a core shape has an extent that cannot be");
                return -1;
            }
            plan->shapes[(*used)++] = extent;
            own->lanes *= extent;
        }
        plan->flat &= own->dimensions == 0;
        *lanes += own->lanes;
        if (results && number >= 0 && number < MOST_PARTS)
            plan->liked |= (uint64_t)1 << number;
    }
    return 0;
}

static Py_ssize_t count_extents(PyObject *rows)
{
    Py_ssize_t total = 0;
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(rows); k++) {
        PyObject *row = PyTuple_GET_ITEM(rows, k);
        if (PyTuple_Check(row) && PyTuple_GET_SIZE(row) > 0 && PyTuple_Check(PyTuple_GET_ITEM(row, 0)))
            total += PyTuple_GET_SIZE(PyTuple_GET_ITEM(row, 0));
    }
    return total;
}

/* Plan(address, dtype, operands, results, limit, release): operands as (core shape, is cotangent), results as
 * (core shape, operand that it is the gradient of or -1). */
static PyObject *plan_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    PyObject *address, *dtype, *operands, *results;
    Py_ssize_t limit, release;
    (void)named;
    if (!PyArg_ParseTuple(args, "O!O!O!O!nn:Plan", &PyLong_Type, &address, &PyArrayDescr_Type, &dtype, &PyTuple_Type,
                          &operands, &PyTuple_Type, &results, &limit, &release))
        return NULL;
    int number = ((PyArray_Descr *)dtype)->type_num;
    Py_ssize_t n_in = PyTuple_GET_SIZE(operands), n_out = PyTuple_GET_SIZE(results);
    if ((number != NPY_DOUBLE && number != NPY_FLOAT) || n_in == 0 || n_in > MOST_PARTS || n_out == 0 ||
        n_out > MOST_PARTS) {
        PyErr_SetString(PyExc_ValueError, "no plan for such a kernel");
        return NULL;
    }
    void *kernel = PyLong_AsVoidPtr(address);
    if (kernel == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "a kernel has an address");
        return NULL;
    }
    Plan *plan = (Plan *)type->tp_alloc(type, 0);
    if (plan == NULL)
        return NULL;
    plan->kernel = (kernel_function *)kernel;
    plan->descr = PyArray_DescrFromType(number); /* the one that arrays of native byte order share */
    plan->is_double = number == NPY_DOUBLE;
    plan->itemsize = plan->is_double ? sizeof(double) : sizeof(float);
    plan->flat = 1;
    plan->limit = limit;
    plan->release = release;
    plan->operands = n_in;
    plan->results = n_out;
    plan->shapes = PyMem_Malloc((size_t)(count_extents(operands) + count_extents(results) + 1) * sizeof(npy_intp));
    Py_ssize_t used = 0;
    if (plan->shapes == NULL) {
        PyErr_NoMemory();
        Py_DECREF(plan);
        return NULL;
    }
    if (read_parts(plan, operands, plan->parts, &used, &plan->lanes_in, 0) < 0 ||
        read_parts(plan, results, plan->parts + n_in, &used, &plan->lanes_out, 1) < 0) {
        Py_DECREF(plan);
        return NULL;
    }
    return (PyObject *)plan;
}

static void plan_dealloc(PyObject *self)
{
    Plan *plan = (Plan *)self;
    Py_XDECREF(plan->descr);
    Py_XDECREF(plan->make);
    PyMem_Free(plan->shapes);
    Py_TYPE(self)->tp_free(self);
}

/* plan.lead(driver, most_threads, threads, cost, make, large): long calls may go to the driver. The address of the driver,
 * that of the number of threads that any call may have, the number for this kernel (0: as many), the nanoseconds of a
 * point, what makes large arrays, and how many bytes make an array large. */
static PyObject *plan_lead(PyObject *self, PyObject *args)
{
    Plan *plan = (Plan *)self;
    Py_ssize_t driver, most_threads, threads, large;
    double cost;
    PyObject *make;
    if (!PyArg_ParseTuple(args, "nnndOn:lead", &driver, &most_threads, &threads, &cost, &make, &large))
        return NULL;
    plan->cost = cost;
    Py_INCREF(make);
    Py_XSETREF(plan->make, make);
    plan->most_threads = (const ptrdiff_t *)most_threads;
    plan->threads = threads;
    plan->large = large;
    plan->drive = (drive_function *)driver;
    Py_RETURN_NONE;
}

static PyMethodDef plan_methods[] = {
    {"lead", plan_lead, METH_VARARGS, "Tell where the driver is, which takes long calls."}, {NULL, NULL, 0, NULL}};

static PyMemberDef plan_members[] = {
    {"limit", T_PYSSIZET, offsetof(Plan, limit), 0, "Points from which a call is left to the driver."},
    {"release", T_PYSSIZET, offsetof(Plan, release), 0, "Points from which the GIL is released."},
    {NULL, 0, 0, 0, NULL}};

static PyTypeObject PlanType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "tapeless_caller.Plan",
    .tp_doc = "A kernel, and what must be known to call it.",
    .tp_basicsize = sizeof(Plan),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = plan_new,
    .tp_dealloc = plan_dealloc,
    .tp_call = plan_call,
    .tp_members = plan_members,
    .tp_methods = plan_methods,
};

/* ---------------------------------------------------------------- Table */

/* The methods that have a fast way. Where the results are a pair, and whether a cotangent comes first, follows. */
enum { FORWARD, BACKWARD, FORWARD_BACKWARD, GRAD, VALUE_AND_GRAD, JVP, JACOBIAN, HESSIAN, HVP, METHODS };
static const char *const method_names[METHODS] = {"forward",        "backward", "forward_backward", "grad",
                                                  "value_and_grad", "jvp",      "jacobian",         "hessian",
                                                  "hvp"};

typedef struct {
    PyObject_HEAD
    PyObject *names; /* of the inputs: a tuple of interned strings */
    Py_ssize_t inputs, outputs;
    PyObject *plans[METHODS];  /* for wrt=None; NULL until there is one */
    PyObject *by_wrt[METHODS]; /* dict: wrt as given, a str or a tuple of them -> plan */
} Table;

static PyTypeObject TableType;

static PyObject *table_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    PyObject *names;
    Py_ssize_t outputs;
    (void)named;
    if (!PyArg_ParseTuple(args, "O!n:Table", &PyTuple_Type, &names, &outputs))
        return NULL;
    Table *table = (Table *)type->tp_alloc(type, 0);
    if (table == NULL)
        return NULL;
    table->inputs = PyTuple_GET_SIZE(names);
    table->outputs = outputs;
    table->names = PyTuple_New(table->inputs);
    if (table->names == NULL) {
        Py_DECREF(table);
        return NULL;
    }
    for (Py_ssize_t k = 0; k < table->inputs; k++) {
        PyObject *name = Py_NewRef(PyTuple_GET_ITEM(names, k));
        if (PyUnicode_CheckExact(name))
            PyUnicode_InternInPlace(&name);
        PyTuple_SET_ITEM(table->names, k, name);
    }
    return (PyObject *)table;
}

static void table_dealloc(PyObject *self)
{
    Table *table = (Table *)self;
    Py_XDECREF(table->names);
    for (int k = 0; k < METHODS; k++) {
        Py_XDECREF(table->plans[k]);
        Py_XDECREF(table->by_wrt[k]);
    }
    Py_TYPE(self)->tp_free(self);
}

/* Whether a plan has the numbers of operands and results that a method counts on. */
static int fits(const Table *table, int method, const Plan *plan)
{
    Py_ssize_t in = plan->operands, out = plan->results;
    switch (method) {
    case FORWARD:
        return in == table->inputs && out == table->outputs;
    case BACKWARD:
        return in == table->inputs + table->outputs;
    case FORWARD_BACKWARD:
        return in == table->inputs + table->outputs && out > table->outputs;
    case VALUE_AND_GRAD:
        return in == table->inputs && out > table->outputs;
    case JVP:
        return in > table->inputs && out == 2 * table->outputs;
    case HVP:
        return in > table->inputs;
    case GRAD:
        return in == table->inputs;
    default:
        return in == table->inputs && out == 1;
    }
}

/* table.add(method, wrt, plan): wrt is None, a name, or a tuple of names. Methods without a fast way are ignored. */
static PyObject *table_add(PyObject *self, PyObject *args)
{
    Table *table = (Table *)self;
    const char *name;
    PyObject *wrt, *plan;
    if (!PyArg_ParseTuple(args, "sOO!:add", &name, &wrt, &PlanType, &plan))
        return NULL;
    for (int k = 0; k < METHODS; k++) {
        if (strcmp(name, method_names[k]) != 0)
            continue;
        if (!fits(table, k, (Plan *)plan)) {
            PyErr_Format(PyExc_ValueError, "the plan does not fit %s", name);
            return NULL;
        }
        if (wrt == Py_None) {
            Py_INCREF(plan);
            Py_XSETREF(table->plans[k], plan);
        } else {
            if (table->by_wrt[k] == NULL && (table->by_wrt[k] = PyDict_New()) == NULL)
                return NULL;
            if (PyDict_SetItem(table->by_wrt[k], wrt, plan) < 0)
                return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyMethodDef table_methods[] = {{"add", table_add, METH_VARARGS, "Enter a plan under a method and its wrt."},
                                      {NULL, NULL, 0, NULL}};

static PyTypeObject TableType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "tapeless_caller.Table",
    .tp_doc = "The plans of one Function.",
    .tp_basicsize = sizeof(Table),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = table_new,
    .tp_dealloc = table_dealloc,
    .tp_methods = table_methods,
};

/* The plan for a method and a wrt that has been seen before; NULL, without an error, where there is none. */
static Plan *find_plan(const Table *table, int method, PyObject *wrt)
{
    if (wrt == NULL || wrt == Py_None)
        return (Plan *)table->plans[method];
    if (table->by_wrt[method] == NULL)
        return NULL;
    /* Only what has a hash and an equality that run no code of others. */
    if (PyTuple_CheckExact(wrt)) {
        for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(wrt); k++)
            if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(wrt, k)))
                return NULL;
    } else if (!PyUnicode_CheckExact(wrt)) {
        return NULL;
    }
    PyObject *found = PyDict_GetItemWithError(table->by_wrt[method], wrt);
    if (found == NULL)
        PyErr_Clear();
    return (Plan *)found;
}

/* ---------------------------------------------------------------- the fast Function */

static PyTypeObject *fast_type;   /* the subclass of Function, once it is made */
static PyTypeObject *base_type;   /* Function */
static unsigned base_version;     /* its version when its methods were looked at last */
static Py_ssize_t table_offset;   /* of its slot that holds the Table */
static PyObject *in_python[METHODS]; /* its methods as it was defined */
static PyObject *str_methods[METHODS];
static PyObject *str_call, *str_out, *str_wrt, *str_sparse, *zero;

static unsigned version_of(PyTypeObject *type)
{
#if PY_VERSION_HEX < 0x030B0000
    if (!PyType_HasFeature(type, Py_TPFLAGS_VALID_VERSION_TAG))
        return 0;
#endif
    return type->tp_version_tag; /* 0: none, since it was changed */
}

/* Whether Function has the methods that it was defined with: somebody may have put others in their place, to watch or
 * to test, and then it is those that must be called. */
static int look_again(void)
{
    PyObject *found = PyObject_GetAttr((PyObject *)base_type, str_call); /* by which it gets a version */
    if (found == NULL)
        PyErr_Clear();
    int same = found == in_python[FORWARD];
    Py_XDECREF(found);
    for (int k = 0; k < METHODS && same; k++) {
        found = PyObject_GetAttr((PyObject *)base_type, str_methods[k]);
        if (found == NULL)
            PyErr_Clear();
        same = found == in_python[k];
        Py_XDECREF(found);
    }
    base_version = same ? version_of(base_type) : 0;
    return same;
}

static inline int is_as_defined(void)
{
    return (base_version != 0 && version_of(base_type) == base_version) || look_again();
}

/* Call what stands in Function in place of a method; `args` are without self. */
static PyObject *call_replacement(PyObject *name, PyObject *self, PyObject *const *args, Py_ssize_t count,
                                  PyObject *names)
{
    PyObject *super = PyObject_CallFunctionObjArgs((PyObject *)&PySuper_Type, (PyObject *)fast_type, self, NULL);
    if (super == NULL)
        return NULL;
    PyObject *bound = PyObject_GetAttr(super, name);
    Py_DECREF(super);
    if (bound == NULL)
        return NULL;
    PyObject *found = PyObject_Vectorcall(bound, args, (size_t)count, names);
    Py_DECREF(bound);
    return found;
}

/* Try a call here. NotImplemented, borrowed, where it is for Python. `args` are without self. */
static PyObject *attempt(int method, PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Table *table = *(Table **)(void *)((char *)self + table_offset);
    if (table == NULL || !Py_IS_TYPE((PyObject *)table, &TableType))
        return Py_NotImplemented;

    const Py_ssize_t inputs = table->inputs, outputs = table->outputs;
    const Py_ssize_t lead = method == BACKWARD || method == FORWARD_BACKWARD; /* the cotangents before the inputs */
    PyObject *gathered[MOST_PARTS], *out = NULL, *wrt = NULL;
    Py_ssize_t given = count - lead; /* inputs */
    if (names != NULL) {
        const Py_ssize_t by_position = given;
        for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(names); k++) {
            PyObject *name = PyTuple_GET_ITEM(names, k), *value = args[count + k];
            if (!PyUnicode_CheckExact(name))
                return Py_NotImplemented;
            if (!PyUnicode_CHECK_INTERNED(name)) { /* the keys of a dict that was read from somewhere */
                Py_INCREF(name);
                PyUnicode_InternInPlace(&name);
                Py_DECREF(name); /* equal strings that count here live on: in the table, or below */
            }
            if (name == str_out && method != JVP) {
                out = value == Py_None ? NULL : value;
            } else if (name == str_wrt && method != FORWARD) {
                wrt = value;
            } else if (name == str_sparse && (method == JACOBIAN || method == HESSIAN)) {
                if (value != Py_False)
                    return Py_NotImplemented;
            } else {
                if (method == JVP || method == HVP || inputs > MOST_PARTS || by_position < 0)
                    return Py_NotImplemented;
                Py_ssize_t at = by_position;
                while (at < inputs && PyTuple_GET_ITEM(table->names, at) != name)
                    at++;
                if (at == inputs)
                    return Py_NotImplemented;
                gathered[at] = value;
                given++; /* a call never has a keyword twice */
            }
        }
    }
    Plan *plan = find_plan(table, method, wrt);
    if (plan == NULL)
        return Py_NotImplemented;

    PyObject *const *operands = args;
    switch (method) {
    case BACKWARD:
    case FORWARD_BACKWARD: {
        if (given != inputs)
            return Py_NotImplemented;
        PyObject *const *cotangents = args;
        if (PyTuple_CheckExact(args[0])) {
            if (PyTuple_GET_SIZE(args[0]) != outputs)
                return Py_NotImplemented;
            cotangents = ((PyTupleObject *)args[0])->ob_item;
        } else if (outputs != 1) {
            return Py_NotImplemented;
        }
        memcpy(gathered, args + 1, (size_t)(count - 1) * sizeof *gathered);
        for (Py_ssize_t k = 0; k < outputs; k++)
            gathered[inputs + k] = cotangents[k] == Py_None ? zero : cotangents[k];
        operands = gathered;
        break;
    }
    case JVP:
    case HVP: {
        if (count != 2 || !PyTuple_CheckExact(args[0]) || !PyTuple_CheckExact(args[1]) ||
            PyTuple_GET_SIZE(args[0]) != inputs || PyTuple_GET_SIZE(args[1]) != plan->operands - inputs)
            return Py_NotImplemented;
        memcpy(gathered, ((PyTupleObject *)args[0])->ob_item, (size_t)inputs * sizeof *gathered);
        memcpy(gathered + inputs, ((PyTupleObject *)args[1])->ob_item,
               (size_t)(plan->operands - inputs) * sizeof *gathered);
        operands = gathered;
        break;
    }
    default:
        if (given != inputs)
            return Py_NotImplemented;
        if (count < inputs) {
            memcpy(gathered, args, (size_t)count * sizeof *gathered);
            operands = gathered;
        }
    }

    const int pair = method == FORWARD_BACKWARD || method == VALUE_AND_GRAD || method == JVP;
    PyObject *outs[MOST_PARTS], *results[MOST_PARTS];
    if (out != NULL) {
        if (!pair) {
            if (!read_outs(out, plan->results, outs))
                return Py_NotImplemented;
        } else if (!PyTuple_CheckExact(out) || PyTuple_GET_SIZE(out) != 2 ||
                   !read_outs(PyTuple_GET_ITEM(out, 0), outputs, outs) ||
                   !read_outs(PyTuple_GET_ITEM(out, 1), plan->results - outputs, outs + outputs)) {
            return Py_NotImplemented;
        }
    }
    switch (execute(plan, operands, out == NULL ? NULL : outs, results)) {
    case FAILED:
        return NULL;
    case NOT_HERE:
        return Py_NotImplemented;
    default:
        break;
    }

    const int one = wrt != NULL && PyUnicode_CheckExact(wrt); /* a name alone: the gradient alone */
    if (!pair) {
        int alone = method == FORWARD ? outputs == 1 : method == JACOBIAN || method == HESSIAN ? 1 : one;
        return pack(results, plan->results, alone);
    }
    const Py_ssize_t rest = plan->results - outputs;
    PyObject *halves[2];
    halves[1] = NULL;
    halves[0] = pack(results, outputs, outputs == 1);
    if (halves[0] != NULL)
        halves[1] = pack(results + outputs, rest, method == JVP ? outputs == 1 : one);
    else
        drop(results + outputs, rest);
    if (halves[1] == NULL) {
        Py_XDECREF(halves[0]);
        return NULL;
    }
    return pack(halves, 2, 0);
}

static PyObject *function_vectorcall(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    if (!is_as_defined())
        return call_replacement(str_call, self, args, count, names);
    PyObject *found = attempt(FORWARD, self, args, count, names);
    if (found != Py_NotImplemented)
        return found;
    Py_ssize_t all = count + (names != NULL ? PyTuple_GET_SIZE(names) : 0);
    PyObject *few[8], **stack = few;
    if (all + 1 > (Py_ssize_t)(sizeof few / sizeof *few)) {
        stack = PyMem_Malloc((size_t)(all + 1) * sizeof *stack);
        if (stack == NULL)
            return PyErr_NoMemory();
    }
    stack[0] = self;
    if (all > 0)
        memcpy(stack + 1, args, (size_t)all * sizeof *stack);
    found = PyObject_Vectorcall(in_python[FORWARD], stack, (size_t)count + 1, names);
    if (stack != few)
        PyMem_Free(stack);
    return found;
}

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    int method;
    PyObject *wrapped; /* the method in Python */
} Method;

static PyTypeObject MethodType;

static PyObject *method_vectorcall(PyObject *callable, PyObject *const *args, size_t flags, PyObject *names)
{
    Method *own = (Method *)callable;
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    if (count > 0 && Py_IS_TYPE(args[0], fast_type)) {
        if (!is_as_defined())
            return call_replacement(str_methods[own->method], args[0], args + 1, count - 1, names);
        PyObject *found = attempt(own->method, args[0], args + 1, count - 1, names);
        if (found != Py_NotImplemented)
            return found;
    }
    return PyObject_Vectorcall(own->wrapped, args, flags, names);
}

static PyObject *method_bind(PyObject *self, PyObject *object, PyObject *type)
{
    (void)type;
    if (object == NULL || object == Py_None)
        return Py_NewRef(self);
    return PyMethod_New(self, object);
}

/* Name, documentation, signature and the rest are those of the method in Python. */
static PyObject *method_attribute(PyObject *self, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr(self, name);
    if (found != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return found;
    PyErr_Clear();
    return PyObject_GetAttr(((Method *)self)->wrapped, name);
}

static PyObject *method_own(PyObject *self, void *name)
{
    return PyObject_GetAttrString(((Method *)self)->wrapped, name);
}

static PyObject *method_repr(PyObject *self)
{
    return PyObject_Repr(((Method *)self)->wrapped);
}

static void method_dealloc(PyObject *self)
{
    Py_XDECREF(((Method *)self)->wrapped);
    Py_TYPE(self)->tp_free(self);
}

static PyMemberDef method_members[] = {
    {"__wrapped__", T_OBJECT_EX, offsetof(Method, wrapped), READONLY, "The method in Python."},
    {NULL, 0, 0, 0, NULL}};
static PyGetSetDef method_getset[] = {{"__doc__", method_own, NULL, NULL, "__doc__"},
                                      {"__module__", method_own, NULL, NULL, "__module__"},
                                      {NULL, NULL, NULL, NULL, NULL}};

static PyTypeObject MethodType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "tapeless_caller.Method",
    .tp_basicsize = sizeof(Method),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_vectorcall_offset = offsetof(Method, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_descr_get = method_bind,
    .tp_getattro = method_attribute,
    .tp_repr = method_repr,
    .tp_dealloc = method_dealloc,
    .tp_members = method_members,
    .tp_getset = method_getset,
};

static PyObject *fast_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    (void)args; /* for __init__ */
    (void)named;
    PyObject *nothing = PyTuple_New(0);
    if (nothing == NULL)
        return NULL;
    PyObject *self = PyBaseObject_Type.tp_new(type, nothing, NULL);
    Py_DECREF(nothing);
    if (self != NULL)
        *(vectorcallfunc *)(void *)((char *)self + type->tp_vectorcall_offset) = function_vectorcall;
    return self;
}

static int install(PyObject *type, const char *name, int method, PyObject *wrapped)
{
    Method *made = PyObject_New(Method, &MethodType);
    if (made == NULL)
        return -1;
    made->vectorcall = method_vectorcall;
    made->method = method;
    made->wrapped = Py_NewRef(wrapped);
    /* Into the dict of the new type itself: by setattr, `__call__` would replace the slot for calls. */
    int status = PyDict_SetItemString(((PyTypeObject *)type)->tp_dict, name, (PyObject *)made);
    Py_DECREF(made);
    return status;
}

/* specialise(Function): the subclass whose calls go through here. Its instances are Functions in all else. None for
 * the Function of another interpreter, or of a package that was imported a second time. */
static PyObject *specialise(PyObject *module, PyObject *base)
{
    (void)module;
    if (fast_type != NULL) {
        if (base != (PyObject *)base_type)
            Py_RETURN_NONE;
        return Py_NewRef((PyObject *)fast_type);
    }
    if (!PyType_Check(base) || ((PyTypeObject *)base)->tp_itemsize != 0) {
        PyErr_SetString(PyExc_TypeError, "specialise takes the class Function");
        return NULL;
    }
    PyObject *slot = PyDict_GetItemString(((PyTypeObject *)base)->tp_dict, "_fast");
    if (slot == NULL || !Py_IS_TYPE(slot, &PyMemberDescr_Type)) {
        PyErr_SetString(PyExc_TypeError, "the class has no slot _fast");
        return NULL;
    }
    Py_ssize_t size = ((PyTypeObject *)base)->tp_basicsize;
    PyMemberDef members[] = {{"__vectorcalloffset__", T_PYSSIZET, size, READONLY, NULL}, {NULL, 0, 0, 0, NULL}};
    PyType_Slot slots[] = {{Py_tp_new, fast_new}, {Py_tp_call, PyVectorcall_Call}, {Py_tp_members, members}, {0, NULL}};
    PyType_Spec spec = {"tapeless.function.Function", (int)(size + (Py_ssize_t)sizeof(vectorcallfunc)), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL, slots};
    PyObject *bases = PyTuple_Pack(1, base);
    if (bases == NULL)
        return NULL;
    PyObject *type = PyType_FromSpecWithBases(&spec, bases);
    Py_DECREF(bases);
    if (type == NULL)
        return NULL;
    PyObject *wrapped[METHODS] = {NULL};
    for (int k = 0; k < METHODS; k++) {
        wrapped[k] = PyObject_GetAttrString(base, method_names[k]);
        if (wrapped[k] == NULL || install(type, method_names[k], k, wrapped[k]) < 0)
            goto failed;
    }
    PyObject *doc = PyObject_GetAttrString(base, "__doc__");
    if (doc == NULL)
        goto failed;
    int status = PyDict_SetItemString(((PyTypeObject *)type)->tp_dict, "__doc__", doc);
    Py_DECREF(doc);
    if (status < 0 || install(type, "__call__", FORWARD, wrapped[FORWARD]) < 0)
        goto failed;
    PyType_Modified((PyTypeObject *)type);
    memcpy(in_python, wrapped, sizeof wrapped);
    table_offset = ((PyMemberDescrObject *)slot)->d_member->offset;
    base_type = (PyTypeObject *)Py_NewRef(base);
    fast_type = (PyTypeObject *)Py_NewRef(type);
    return type;

failed:
    for (int k = 0; k < METHODS; k++)
        Py_XDECREF(wrapped[k]);
    Py_DECREF(type);
    return NULL;
}

/* release(): free the blocks kept for further results; how many bytes that were. */
static PyObject *release(PyObject *module, PyObject *nothing)
{
    const size_t held = spare.held;
    (void)module;
    (void)nothing;
    for (int k = 0; k < CLASSES; k++) {
        while (spare.first[k] != NULL) {
            block *next = spare.first[k]->next;
            free(spare.first[k]);
            spare.first[k] = next;
        }
        spare.count[k] = 0;
    }
    spare.held = 0;
    return PyLong_FromSize_t(held);
}

/* limit(bytes): keep no more than so much for further results, nor more than is worth keeping. */
static PyObject *limit_held(PyObject *module, PyObject *bytes)
{
    size_t most = PyLong_AsSize_t(bytes);
    (void)module;
    if (most == (size_t)-1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return NULL;
        PyErr_Clear();
    }
    spare.limit = most < MOST_HELD ? most : MOST_HELD;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"specialise", specialise, METH_O, "Return the subclass of Function whose calls go through here."},
    {"release", release, METH_NOARGS, "Free the memory kept for further results; return how many bytes that were."},
    {"limit", limit_held, METH_O, "Keep at most so many bytes for further results."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "tapeless_caller", .m_doc = "Calls of compiled kernels.", .m_size = -1,
    .m_methods = functions};

PyMODINIT_FUNC PyInit_tapeless_caller(void)
{
    import_array();
    if (PyType_Ready(&PlanType) < 0 || PyType_Ready(&TableType) < 0 || PyType_Ready(&MethodType) < 0)
        return NULL;
    handler_capsule = PyCapsule_New(&handler, "mem_handler", NULL);
    for (int k = 0; k < METHODS; k++)
        if ((str_methods[k] = PyUnicode_InternFromString(method_names[k])) == NULL)
            return NULL;
    str_call = PyUnicode_InternFromString("__call__");
    str_out = PyUnicode_InternFromString("out");
    str_wrt = PyUnicode_InternFromString("wrt");
    str_sparse = PyUnicode_InternFromString("sparse");
    zero = PyFloat_FromDouble(0.0);
    if (handler_capsule == NULL || str_call == NULL || str_out == NULL || str_wrt == NULL || str_sparse == NULL || zero == NULL)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
    if (PyModule_AddObjectRef(module, "Plan", (PyObject *)&PlanType) < 0 ||
        PyModule_AddObjectRef(module, "Table", (PyObject *)&TableType) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
