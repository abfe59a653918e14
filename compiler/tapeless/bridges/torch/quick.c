/* Calls kernels with the tensors of torch, without Python code in between.
 *
 * Tensors are looked at through the table of functions that DLPack specifies for exchange in C
 * (`__dlpack_c_exchange_api__`), so that no header of torch is needed and one build serves every version that has it.
 * What is not simple is left to the Python code that this stands for: see `tensors.py`, whose functions these are.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef void kernel_function(ptrdiff_t n, const void *const *in, void *const *out);

/* ---- DLPack 1.3, as far as it is used here; layouts are fixed within a major version */

enum { DLPACK_MAJOR = 1, DEVICE_CPU = 1, CODE_FLOAT = 2 };

typedef struct {
    void *data;
    int32_t device_type, device_id;
    int32_t dimensions;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape, *strides; /* strides in elements */
    uint64_t byte_offset;
} view;

typedef struct {
    uint32_t major, minor;
    const void *previous;
    void (*allocate)(void);
    void (*managed_from_object)(void);
    void (*managed_to_object)(void);
    int (*view_from_object)(void *object, view *out);
    void (*current_stream)(void);
} exchange_table;

/* ---- what `connect` was given */

static const exchange_table *exchange;
static PyObject *plain_types[2], *dtypes[2], *empty_like, *contiguous_format;
static PyObject *name_is_neg, *names_memory_format;
static const int bits_of_dtype[2] = {64, 32};

enum { MOST_PARTS = 64 };

static int64_t count_points(const view *tensor)
{
    int64_t points = 1;
    for (int d = 0; d < tensor->dimensions; d++)
        points *= tensor->shape[d];
    return points;
}

static int is_contiguous(const view *tensor)
{
    int64_t step = 1;
    for (int d = tensor->dimensions; d-- > 0;) {
        if (tensor->shape[d] != 1 && tensor->strides[d] != step)
            return 0;
        step *= tensor->shape[d];
    }
    return 1;
}

/* Look at a tensor: 1 where it is a dense one on the CPU of so many bits, 0 for anything else. */
static int look(PyObject *object, int bits, view *out)
{
    PyObject *type = (PyObject *)Py_TYPE(object);
    if (type != plain_types[0] && type != plain_types[1])
        return 0;
    if (exchange->view_from_object(object, out) != 0) {
        PyErr_Clear(); /* sparse, nested, a wrapper: torch says it in its own words where it is used */
        return 0;
    }
    return out->device_type == DEVICE_CPU && out->code == CODE_FLOAT && out->bits == bits && out->lanes == 1;
}

static int bits_of(PyObject *dtype)
{
    for (int k = 0; k < 2; k++)
        if (dtype == dtypes[k])
            return bits_of_dtype[k];
    return 0;
}

/* are_plain(tensors, dtype), with a tuple or list of tensors. -1 with an error set. */
static PyObject *are_plain(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 2 || exchange == NULL || !(PyTuple_Check(args[0]) || PyList_Check(args[0]))) {
        PyErr_SetString(PyExc_TypeError, "are_plain(tensors, dtype)");
        return NULL;
    }
    const int bits = bits_of(args[1]);
    for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(args[0]); k++) {
        PyObject *tensor = PySequence_Fast_GET_ITEM(args[0], k);
        view seen;
        if (!look(tensor, bits, &seen) || (seen.data == NULL && count_points(&seen) != 0))
            Py_RETURN_FALSE; /* no data: the tensor is all zeros, or holds no numbers */
        PyObject *negative = PyObject_CallMethodNoArgs(tensor, name_is_neg);
        if (negative == NULL)
            return NULL;
        Py_DECREF(negative);
        if (negative != Py_False)
            Py_RETURN_FALSE;
    }
    Py_RETURN_TRUE;
}

/* ---- Kernel */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    kernel_function *function;
    int bits;
    Py_ssize_t operands, given, results;
    Py_ssize_t limit;   /* points from which Python and the driver do better */
    Py_ssize_t release; /* points from which other threads may run meanwhile */
    uint8_t slots[MOST_PARTS]; /* the operand that each tensor given is; the kernel does not read the others */
} Kernel;

/* Write the elements of a tensor one after another. */
static void gather(char *to, const view *tensor, size_t size)
{
    int64_t index[64] = {0};
    const char *from = (const char *)tensor->data + tensor->byte_offset;
    for (int64_t left = count_points(tensor); left > 0; left--) {
        memcpy(to, from, size);
        to += size;
        for (int d = tensor->dimensions; d-- > 0;) {
            const int64_t stride = tensor->strides[d] * (int64_t)size;
            from += stride;
            if (++index[d] < tensor->shape[d])
                break;
            from -= stride * tensor->shape[d];
            index[d] = 0;
        }
    }
}

static PyObject *new_like(PyObject *like, int contiguous)
{
    PyObject *args[3] = {NULL, like, contiguous_format};
    return PyObject_Vectorcall(
        empty_like, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, contiguous ? NULL : names_memory_format);
}

/* kernel(tensors, like): a list of results, or None where it takes more than this. */
static PyObject *kernel_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Kernel *kernel = (Kernel *)self;
    if (PyVectorcall_NARGS(flags) != 2 || names != NULL || exchange == NULL ||
        !(PyTuple_Check(args[0]) || PyList_Check(args[0])) ||
        PySequence_Fast_GET_SIZE(args[0]) != kernel->given) {
        PyErr_SetString(PyExc_TypeError, "kernel(tensors, like), with all tensors that the kernel reads");
        return NULL;
    }
    view first;
    if (!look(args[1], kernel->bits, &first) || first.data == NULL || first.dimensions > 64)
        Py_RETURN_NONE;
    const int64_t points = count_points(&first);
    if (points < 1 || points >= kernel->limit)
        Py_RETURN_NONE;
    const size_t size = (size_t)kernel->bits / 8, shape_size = (size_t)first.dimensions * sizeof first.shape[0];
    const int contiguous = is_contiguous(&first);

    const void *in[MOST_PARTS];
    void *out[MOST_PARTS], *copies[MOST_PARTS];
    int n_copies = 0;
    PyObject *made = NULL;
    for (Py_ssize_t k = 0; k < kernel->operands; k++)
        in[k] = NULL;
    for (Py_ssize_t k = 0; k < kernel->given; k++) {
        view seen;
        if (!look(PySequence_Fast_GET_ITEM(args[0], k), kernel->bits, &seen) || seen.data == NULL ||
            seen.dimensions != first.dimensions ||
            (shape_size != 0 && memcmp(seen.shape, first.shape, shape_size) != 0)) {
            made = Py_NewRef(Py_None);
            goto release;
        }
        const char *start = (const char *)seen.data + seen.byte_offset;
        if (is_contiguous(&seen) && (uintptr_t)start % size == 0) {
            in[kernel->slots[k]] = start;
            continue;
        }
        void *copy = copies[n_copies] = malloc((size_t)points * size);
        if (copy == NULL) {
            PyErr_NoMemory();
            goto release;
        }
        n_copies++;
        gather(copy, &seen, size);
        in[kernel->slots[k]] = copy;
    }

    made = PyList_New(kernel->results);
    for (Py_ssize_t k = 0; made != NULL && k < kernel->results; k++) {
        PyObject *result = new_like(args[1], contiguous);
        view seen;
        if (result != NULL && (!look(result, kernel->bits, &seen) || seen.data == NULL)) {
            PyErr_SetString(PyExc_RuntimeError, "torch.empty_like made something else than a plain tensor");
            Py_CLEAR(result);
        }
        if (result == NULL) {
            Py_CLEAR(made);
            goto release;
        }
        PyList_SET_ITEM(made, k, result);
        out[k] = (char *)seen.data + seen.byte_offset;
    }
    if (made != NULL) {
        if (points < kernel->release) {
            kernel->function((ptrdiff_t)points, in, out);
        } else {
            Py_BEGIN_ALLOW_THREADS
            kernel->function((ptrdiff_t)points, in, out);
            Py_END_ALLOW_THREADS
        }
    }
release:
    while (n_copies > 0)
        free(copies[--n_copies]);
    return made;
}

static PyObject *kernel_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    unsigned long long address;
    PyObject *dtype, *slots;
    Py_ssize_t operands, results, limit, release;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "KOnO!nnn", &address, &dtype, &operands, &PyTuple_Type, &slots, &results, &limit,
                          &release))
        return NULL;
    if (bits_of(dtype) == 0 || operands < 1 || operands > MOST_PARTS || results < 1 || results > MOST_PARTS) {
        PyErr_SetString(PyExc_ValueError, "a kernel of another dtype, or with too many parts");
        return NULL;
    }
    Kernel *made = (Kernel *)type->tp_alloc(type, 0);
    const Py_ssize_t given = PyTuple_GET_SIZE(slots);
    for (Py_ssize_t k = 0; made != NULL && k < given; k++) {
        const long slot = PyLong_AsLong(PyTuple_GET_ITEM(slots, k));
        if (slot < 0 || slot >= operands || given > operands) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_ValueError, "a slot that is no operand");
            Py_CLEAR(made);
        } else {
            made->slots[k] = (uint8_t)slot;
        }
    }
    if (made != NULL) {
        made->call = kernel_call;
        made->given = given;
        made->function = (kernel_function *)(uintptr_t)address;
        made->bits = bits_of(dtype);
        made->operands = operands;
        made->results = results;
        made->limit = limit;
        made->release = release;
    }
    return (PyObject *)made;
}

static PyTypeObject KernelType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tapeless_quick.Kernel",
    .tp_doc = "Kernel(address, dtype, operands, slots, results, limit, release), called with tensors and one of them.",
    .tp_basicsize = sizeof(Kernel),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Kernel, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = kernel_new,
};

/* connect(capsule, (type, type), (float64, float32), empty_like, contiguous_format): whether torch has what is needed. */
static PyObject *connect(PyObject *module, PyObject *args)
{
    PyObject *capsule, *types[2], *given[2], *function, *format;
    (void)module;
    if (!PyArg_ParseTuple(args, "O(OO)(OO)OO", &capsule, &types[0], &types[1], &given[0], &given[1], &function, &format))
        return NULL;
    const exchange_table *table = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    if (table == NULL)
        return NULL;
    if (table->major != DLPACK_MAJOR || table->view_from_object == NULL)
        Py_RETURN_FALSE;
    for (int k = 0; k < 2; k++) {
        Py_XSETREF(plain_types[k], Py_NewRef(types[k]));
        Py_XSETREF(dtypes[k], Py_NewRef(given[k]));
    }
    Py_XSETREF(empty_like, Py_NewRef(function));
    Py_XSETREF(contiguous_format, Py_NewRef(format));
    exchange = table;
    Py_RETURN_TRUE;
}

static PyMethodDef functions[] = {
    {"are_plain", (PyCFunction)(void (*)(void))are_plain, METH_FASTCALL, "Whether all are plain tensors of a dtype."},
    {"connect", connect, METH_VARARGS, "Tell of torch; whether it has what is needed here."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "tapeless_quick",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit_tapeless_quick(void)
{
    name_is_neg = PyUnicode_InternFromString("is_neg");
    names_memory_format = Py_BuildValue("(s)", "memory_format");
    if (name_is_neg == NULL || names_memory_format == NULL || PyType_Ready(&KernelType) < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && (PyModule_AddObjectRef(module, "Kernel", (PyObject *)&KernelType) < 0 ||
                           PyModule_AddIntConstant(module, "MOST_PARTS", MOST_PARTS) < 0))
        Py_CLEAR(module);
    return module;
}
