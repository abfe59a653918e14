/* Makes NumPy ufuncs out of kernels.
 *
 * NumPy calls an inner loop with one pointer and one byte stride per operand, and for a generalised ufunc with the
 * strides of the core dimensions behind them. A kernel wants every lane contiguous, in its own type. Long calls go
 * through the driver, with its threads. In short ones, where types have to be converted, and where results overlap
 * inputs, operands that lie well are passed as they are, others packed into tiles and results scattered from tiles.
 *
 * Results may overlap inputs, as in f.ufunc(x, out=x) and in reductions. A result that lies on an input element for
 * element is written from a tile after the tile's inputs have been read; any other overlap is computed point by point,
 * in order, as in the loop that NumPy's documentation describes.
 *
 * Kernels compute both arms of a choice, so that the floating-point flags they leave tell nothing. They are put back
 * as they were: a ufunc made here never warns.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/arrayobject.h>
#include <numpy/ufuncobject.h>

#include <fenv.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef void kernel_function(ptrdiff_t n, const void *const *in, void *const *out);
typedef int drive_function(kernel_function *kernel, int itemsize, double cost, ptrdiff_t threads, ptrdiff_t dimensions,
                           const ptrdiff_t *extent, ptrdiff_t n_in, const void *const *in, const ptrdiff_t *in_rows,
                           ptrdiff_t n_out, void *const *out, const ptrdiff_t *out_rows);

enum { LARGEST_TILE = 512, ALIGNMENT = 64, ON_STACK = 1 << 15, MOST_OPERANDS = 64 };

/* An operand as a loop sees it. */
typedef struct {
    int type;      /* NPY_DOUBLE or NPY_FLOAT: what NumPy passes */
    int dimensions; /* of its core shape */
    npy_intp lanes;
    npy_intp *shape;
} part;

/* What a loop knows; NumPy hands it to the loop as its `data`. */
typedef struct {
    kernel_function *kernel;
    drive_function *drive;
    double cost;       /* nanoseconds a point, roughly */
    ptrdiff_t threads; /* the most of them */
    npy_intp most;     /* points up to which the driver has nothing to give */
    int type; /* what the kernel computes in */
    int inputs, operands;
    npy_intp lanes;
    npy_intp tile; /* points */
    part *parts;
} plan;

/* ---------------------------------------------------------------- moving numbers */

#define DEFINE_MOVE(NAME, TO, FROM)                                                                              \
    static void NAME(char *restrict to, npy_intp to_step, const char *restrict from, npy_intp from_step, npy_intp n) \
    {                                                                                                            \
        if (to_step == sizeof(TO) && from_step == sizeof(FROM)) {                                                \
            TO *restrict t = (TO *)(void *)to;                                                                   \
            const FROM *restrict f = (const FROM *)(const void *)from;                                           \
            for (npy_intp i = 0; i < n; i++)                                                                     \
                t[i] = (TO)f[i];                                                                                 \
        } else if (to_step == sizeof(TO) && from_step == 0) {                                                    \
            TO value = (TO)*(const FROM *)(const void *)from, *restrict t = (TO *)(void *)to;                    \
            for (npy_intp i = 0; i < n; i++)                                                                     \
                t[i] = value;                                                                                    \
        } else {                                                                                                 \
            for (npy_intp i = 0; i < n; i++)                                                                     \
                *(TO *)(void *)(to + i * to_step) = (TO)*(const FROM *)(const void *)(from + i * from_step);     \
        }                                                                                                        \
    }
DEFINE_MOVE(double_from_double, double, double)
DEFINE_MOVE(double_from_float, double, float)
DEFINE_MOVE(float_from_double, float, double)
DEFINE_MOVE(float_from_float, float, float)

static void move(int to_type, char *to, npy_intp to_step, int from_type, const char *from, npy_intp from_step,
                 npy_intp n)
{
    if (to_type == NPY_DOUBLE) {
        if (from_type == NPY_DOUBLE)
            double_from_double(to, to_step, from, from_step, n);
        else
            double_from_float(to, to_step, from, from_step, n);
    } else {
        if (from_type == NPY_DOUBLE)
            float_from_double(to, to_step, from, from_step, n);
        else
            float_from_float(to, to_step, from, from_step, n);
    }
}

static npy_intp size_of(int type)
{
    return type == NPY_DOUBLE ? (npy_intp)sizeof(double) : (npy_intp)sizeof(float);
}

/* Where the elements of a lane start, relative to the operand's first. */
static npy_intp lane_offset(const part *p, const npy_intp *core_steps, npy_intp lane)
{
    npy_intp offset = 0;
    for (int d = p->dimensions; d-- > 0;) {
        offset += lane % p->shape[d] * core_steps[d];
        lane /= p->shape[d];
    }
    return offset;
}

/* ---------------------------------------------------------------- overlap */

typedef struct {
    uintptr_t first, end;
} range;

/* The bytes that n points of an operand span. */
static range span(const part *p, const char *data, npy_intp step, const npy_intp *core_steps, npy_intp n)
{
    npy_intp low = 0, high = size_of(p->type), reach = (n - 1) * step;
    *(reach < 0 ? &low : &high) += reach;
    for (int d = 0; d < p->dimensions; d++) {
        reach = (p->shape[d] - 1) * core_steps[d];
        *(reach < 0 ? &low : &high) += reach;
    }
    return (range){(uintptr_t)data + (uintptr_t)low, (uintptr_t)data + (uintptr_t)high};
}

enum { APART, ON_EACH_OTHER, IN_EACH_OTHER };

/* How the results lie to the inputs. */
static int overlap(const plan *p, char *const *args, const npy_intp *steps, const npy_intp *const *core_steps,
                   npy_intp n)
{
    int found = APART;
    for (int o = p->inputs; o < p->operands; o++) {
        range out = span(&p->parts[o], args[o], steps[o], core_steps[o], n);
        for (int i = 0; i < p->inputs; i++) {
            range in = span(&p->parts[i], args[i], steps[i], core_steps[i], n);
            if (out.end <= in.first || in.end <= out.first)
                continue;
            int same = args[i] == args[o] && steps[i] == steps[o] && p->parts[i].type == p->parts[o].type &&
                       p->parts[i].dimensions == 0 && p->parts[o].dimensions == 0 && (steps[o] != 0 || n == 1);
            if (!same)
                return IN_EACH_OTHER;
            found = ON_EACH_OTHER;
        }
    }
    return found;
}

/* ---------------------------------------------------------------- the loop */

static npy_intp tile_points(npy_intp lanes)
{
    npy_intp points = LARGEST_TILE;
    while (points > 16 && points * lanes > 4096)
        points /= 2;
    return points;
}

/* Whether n points of an operand can be used where they lie. */
static int lies_well(const plan *p, int k, const npy_intp *steps, npy_intp n)
{
    const part *o = &p->parts[k];
    return o->dimensions == 0 && o->type == p->type && (n == 1 || steps[k] == size_of(o->type));
}

static void tile_by_tile(const plan *p, char *const *args, const npy_intp *steps, const npy_intp *const *core_steps,
                         npy_intp n, int overlapping, char *buffer, void **pointers)
{
    npy_intp size = size_of(p->type);
    npy_intp tile = overlapping == IN_EACH_OTHER ? 1 : p->tile;
    npy_intp pitch = p->tile * size + ALIGNMENT; /* lanes at equal offsets in a page would alias in the store buffer */
    for (npy_intp start = 0; start < n; start += tile) {
        npy_intp count = n - start < tile ? n - start : tile;
        void **lane = pointers;
        char *next = buffer;
        for (int k = 0; k < p->operands; k++) {
            const part *o = &p->parts[k];
            char *data = args[k] + start * steps[k];
            int direct = lies_well(p, k, steps, n) && (k < p->inputs ? overlapping != IN_EACH_OTHER : overlapping == APART);
            int kept = start > 0 && steps[k] == 0 && overlapping == APART; /* the same at every point */
            for (npy_intp l = 0; l < o->lanes; l++, next += pitch, lane++) {
                *lane = direct ? data : next;
                if (!direct && k < p->inputs && !kept)
                    move(p->type, next, size, o->type, data + lane_offset(o, core_steps[k], l), steps[k], count);
            }
        }
        npy_intp in_lanes = 0;
        for (int k = 0; k < p->inputs; k++)
            in_lanes += p->parts[k].lanes;
        p->kernel(count, (const void *const *)pointers, pointers + in_lanes);
        lane = pointers + in_lanes;
        for (int k = p->inputs; k < p->operands; k++) {
            const part *o = &p->parts[k];
            char *data = args[k] + start * steps[k];
            for (npy_intp l = 0; l < o->lanes; l++, lane++) {
                char *to = data + lane_offset(o, core_steps[k], l);
                if ((char *)*lane != to)
                    move(o->type, to, steps[k], p->type, *lane, size, count);
            }
        }
    }
}

/* The distance between lanes, if they lie at equal distances; else -1. */
static npy_intp lane_step(const part *p, const npy_intp *core_steps)
{
    npy_intp step = 0, expected = 0;
    for (int d = p->dimensions; d-- > 0;) {
        if (p->shape[d] == 1)
            continue;
        if (expected == 0)
            step = expected = core_steps[d];
        else if (core_steps[d] != expected)
            return -1;
        expected *= p->shape[d];
    }
    return step;
}

/* Hand the call to the driver, if it can take it: 1 if it did, 0 if not, -1 without memory. */
static int driven(const plan *p, char *const *args, const npy_intp *steps, const npy_intp *const *core_steps, npy_intp n)
{
    ptrdiff_t rows[3 * MOST_OPERANDS], extent = n;
    for (int k = 0; k < p->operands; k++) {
        const part *o = &p->parts[k];
        npy_intp step = lane_step(o, core_steps[k]);
        /* Of a result without a stride the driver would make a sum. */
        if (o->type != p->type || step < 0 || (k >= p->inputs && steps[k] == 0 && n > 1))
            return 0;
        rows[3 * k] = o->lanes;
        rows[3 * k + 1] = step;
        rows[3 * k + 2] = steps[k];
    }
    return p->drive(p->kernel, (int)size_of(p->type), p->cost, p->threads, 1, &extent, p->inputs,
                    (const void *const *)args, rows, p->operands - p->inputs, (void *const *)(args + p->inputs),
                    rows + 3 * p->inputs) == 0
               ? 1
               : -1;
}

static void no_memory(void)
{
    NPY_ALLOW_C_API_DEF
    NPY_ALLOW_C_API;
    PyErr_NoMemory();
    NPY_DISABLE_C_API;
}

static void loop(char **args, const npy_intp *dimensions, const npy_intp *steps, void *data)
{
    const plan *p = data;
    npy_intp n = dimensions[0];
    if (n <= 0)
        return;
    fexcept_t flags;
    fegetexceptflag(&flags, FE_ALL_EXCEPT);

    const npy_intp *core_steps[MOST_OPERANDS];
    const npy_intp *next = steps + p->operands;
    int direct = 1;
    for (int k = 0; k < p->operands; k++) {
        core_steps[k] = next;
        next += p->parts[k].dimensions;
        direct &= lies_well(p, k, steps, n);
    }
    int overlapping = overlap(p, args, steps, core_steps, n);
    int done = 0;
    if (overlapping == APART) {
        if (n > p->most) {
            done = driven(p, args, steps, core_steps, n);
        } else if (direct) {
            p->kernel(n, (const void *const *)args, (void *const *)(args + p->inputs));
            done = 1;
        }
    }
    if (done < 0) {
        no_memory();
    } else if (!done) {
        size_t tables = (size_t)p->lanes * sizeof(void *);
        size_t tiles = (size_t)(p->lanes * (p->tile * size_of(p->type) + ALIGNMENT));
        char stack[ON_STACK], *heap = NULL, *memory = stack;
        if (tables + tiles + 2 * ALIGNMENT > sizeof stack)
            memory = heap = malloc(tables + tiles + 2 * ALIGNMENT);
        if (memory == NULL) {
            no_memory();
        } else {
            uintptr_t buffer = ((uintptr_t)memory + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
            tile_by_tile(p, args, steps, core_steps, n, overlapping, (char *)buffer, (void **)(buffer + tiles));
        }
        free(heap);
    }
    fesetexceptflag(&flags, FE_ALL_EXCEPT);
}

/* ---------------------------------------------------------------- what a ufunc holds
 *
 * NumPy copies nothing that a ufunc is made from; all of it belongs to one object, which the ufunc keeps, and which
 * tells what it was made for.
 */

typedef struct {
    PyObject_HEAD
    PyObject *origin;
    PyObject *texts; /* name, documentation and signature, whose bytes the ufunc points to */
    Py_ssize_t count;
    PyUFuncGenericFunction *functions;
    void **data;
    char *types;
    plan *plans;
} Loops;

static int Loops_traverse(Loops *self, visitproc visit, void *arg)
{
    Py_VISIT(self->origin);
    return 0;
}

static int Loops_clear(Loops *self)
{
    Py_CLEAR(self->origin);
    return 0;
}

static void Loops_dealloc(Loops *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->origin);
    Py_CLEAR(self->texts);
    for (Py_ssize_t i = 0; self->plans != NULL && i < self->count; i++) {
        plan *p = &self->plans[i];
        for (int k = 0; p->parts != NULL && k < p->operands; k++)
            PyMem_Free(p->parts[k].shape);
        PyMem_Free(p->parts);
    }
    PyMem_Free(self->plans);
    PyMem_Free(self->functions);
    PyMem_Free(self->data);
    PyMem_Free(self->types);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyTypeObject Loops_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tapeless_ufunc.Loops",
    .tp_basicsize = sizeof(Loops),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = (traverseproc)Loops_traverse,
    .tp_clear = (inquiry)Loops_clear,
    .tp_dealloc = (destructor)Loops_dealloc,
    .tp_doc = "What a ufunc made here is made from.",
};

static int read_part(PyObject *given, part *made)
{
    PyObject *shape = PySequence_Tuple(given);
    if (shape == NULL)
        return -1;
    made->dimensions = (int)PyTuple_GET_SIZE(shape);
    made->shape = PyMem_Calloc((size_t)made->dimensions + 1, sizeof *made->shape);
    made->lanes = 1;
    if (made->shape == NULL) {
        Py_DECREF(shape);
        PyErr_NoMemory();
        return -1;
    }
    for (int d = 0; d < made->dimensions; d++) {
        made->shape[d] = PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, d));
        made->lanes *= made->shape[d];
    }
    Py_DECREF(shape);
    return PyErr_Occurred() ? -1 : 0;
}

/* Read one loop: (types, type of the kernel), where `types` has a letter per operand. */
static int read_loop(Loops *made, Py_ssize_t at, PyObject *loop_given, PyObject *native, PyObject *shapes, int inputs,
                     int operands)
{
    const char *types, *type;
    Py_ssize_t length;
    PyObject *kernel, *drive;
    plan *p = &made->plans[at];
    if (!PyArg_ParseTuple(loop_given, "s#s", &types, &length, &type) ||
        !PyArg_ParseTuple(native, "OOdnn", &kernel, &drive, &p->cost, &p->threads, &p->most))
        return -1;
    if (length != operands) {
        PyErr_SetString(PyExc_ValueError, "a loop has one type per operand");
        return -1;
    }
    p->inputs = inputs;
    p->operands = operands;
    p->parts = PyMem_Calloc((size_t)operands + 1, sizeof *p->parts);
    p->kernel = (kernel_function *)PyLong_AsVoidPtr(kernel);
    p->drive = (drive_function *)PyLong_AsVoidPtr(drive);
    if (p->parts == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (PyErr_Occurred())
        return -1;
    p->type = *type == 'd' ? NPY_DOUBLE : NPY_FLOAT;
    for (int k = 0; k < operands; k++) {
        if (read_part(PyTuple_GET_ITEM(shapes, k), &p->parts[k]) < 0)
            return -1;
        p->parts[k].type = types[k] == 'd' ? NPY_DOUBLE : NPY_FLOAT;
        p->lanes += p->parts[k].lanes;
        made->types[at * operands + k] = (char)p->parts[k].type;
    }
    p->tile = tile_points(p->lanes);
    made->functions[at] = loop;
    made->data[at] = p;
    return 0;
}

PyDoc_STRVAR(make_doc,
             "make(origin, texts, shapes, inputs, loops, native)\n--\n\n"
             "Return a ufunc.\n\n"
             "`origin` is what `origin_of` is to give; `texts` the name, the documentation and the signature as bytes,\n"
             "the signature empty for a plain ufunc; `shapes` the core shapes, inputs first; `loops` a tuple of (types,\n"
             "type of the kernel), types as NumPy's letters d and f; `native` addresses of kernel and driver, nanoseconds\n"
             "a point, most threads, points up to which the driver is not needed.");

static PyObject *make(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *origin, *texts, *shapes, *loops, *native;
    const char *name, *doc, *signature;
    int inputs;
    if (!PyArg_ParseTuple(args, "OO!O!iO!O!", &origin, &PyTuple_Type, &texts, &PyTuple_Type, &shapes, &inputs, &PyTuple_Type,
                          &loops, &PyTuple_Type, &native) ||
        !PyArg_ParseTuple(texts, "yyy", &name, &doc, &signature))
        return NULL;
    int operands = (int)PyTuple_GET_SIZE(shapes);
    Py_ssize_t count = PyTuple_GET_SIZE(loops);
    if (operands > MOST_OPERANDS) {
        PyErr_Format(PyExc_ValueError, "a ufunc has at most %d operands", MOST_OPERANDS);
        return NULL;
    }
    Loops *made = PyObject_GC_New(Loops, &Loops_type);
    if (made == NULL)
        return NULL;
    Py_INCREF(origin);
    Py_INCREF(texts);
    made->origin = origin;
    made->texts = texts;
    made->count = count;
    made->plans = PyMem_Calloc((size_t)count + 1, sizeof *made->plans);
    made->functions = PyMem_Calloc((size_t)count + 1, sizeof *made->functions);
    made->data = PyMem_Calloc((size_t)count + 1, sizeof *made->data);
    made->types = PyMem_Calloc((size_t)(count * operands) + 1, 1);
    PyObject_GC_Track(made);
    if (made->plans == NULL || made->functions == NULL || made->data == NULL || made->types == NULL) {
        Py_DECREF(made);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (read_loop(made, i, PyTuple_GET_ITEM(loops, i), native, shapes, inputs, operands) < 0) {
            Py_DECREF(made);
            return NULL;
        }
    PyObject *ufunc = PyUFunc_FromFuncAndDataAndSignature(
        made->functions, made->data, made->types, (int)count, inputs, operands - inputs, PyUFunc_None, name, doc, 0,
        *signature ? signature : NULL);
    if (ufunc == NULL) {
        Py_DECREF(made);
        return NULL;
    }
    ((PyUFuncObject *)ufunc)->obj = (PyObject *)made;
    if (!PyObject_GC_IsTracked(ufunc))
        PyObject_GC_Track(ufunc); /* NumPy tracks only those that it gave an object itself */
    return ufunc;
}

PyDoc_STRVAR(origin_of_doc, "origin_of(ufunc)\n--\n\nReturn the origin of a ufunc made here, None for any other.");

static PyObject *origin_of(PyObject *module, PyObject *ufunc)
{
    (void)module;
    PyObject *held = PyObject_TypeCheck(ufunc, &PyUFunc_Type) ? ((PyUFuncObject *)ufunc)->obj : NULL;
    PyObject *origin = held != NULL && Py_TYPE(held) == &Loops_type ? ((Loops *)held)->origin : NULL;
    if (origin == NULL)
        origin = Py_None;
    Py_INCREF(origin);
    return origin;
}

static PyMethodDef methods[] = {
    {"make", make, METH_VARARGS, make_doc},
    {"origin_of", origin_of, METH_O, origin_of_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "tapeless_ufunc", "NumPy ufuncs out of kernels.", -1, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_tapeless_ufunc(void)
{
    import_array();
    import_umath();
    if (PyType_Ready(&Loops_type) < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
#ifdef Py_GIL_DISABLED
    /* Nothing here changes after a ufunc is made. */
    if (module != NULL)
        PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#endif
    return module;
}
