import threading
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeless.errors import ArgumentError, ShapeError
from tapeless.runtime.signature import Operand, Result

DTYPES = ["float64", "float32"]


def values(shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape).astype(dtype)


def misaligned(array):
    raw = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    raw[...] = array
    assert not raw.flags.aligned
    return raw


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture
def line(make, dtype):
    caller = make("line", dtype)
    return lambda *operands, out=None: caller(operands, out)[0]


# Arrays as the kernel wants them


@pytest.mark.parametrize("shape", [(1,), (100,), (7, 11), (2, 3, 4), (1, 1)])
def test_arrays_of_one_shape(line, dtype, shape):
    w, x, b = (values(shape, k, dtype) for k in range(3))
    y = line(w, x, b)
    np.testing.assert_array_equal(y, w * x + b, strict=True)
    assert type(y) is np.ndarray
    assert y.flags.c_contiguous
    assert y.flags.owndata


def test_several_results(make, dtype):
    g, w, x, b = (values((2, 2), k, dtype) for k in range(4))
    w_bar, x_bar, b_bar = make("line_backward", dtype)((g, w, x, b))
    np.testing.assert_array_equal(w_bar, x * g, strict=True)
    np.testing.assert_array_equal(x_bar, w * g, strict=True)
    np.testing.assert_array_equal(b_bar, g, strict=True)


def test_one_array_in_several_places(line, dtype):
    x = values(9, 0, dtype)
    np.testing.assert_array_equal(line(x, x, x), x * x + x)


# Everything else that has a number in it

CONVERTED = {
    "list": lambda a: a.tolist(),
    "tuple of arrays": tuple,
    "nested list": lambda a: [a.tolist()],
    "every other": lambda a: np.repeat(a, 2)[::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "column": lambda a: np.stack([a, a], axis=1)[:, 0],
    "Fortran order": lambda a: np.asfortranarray(np.stack([a, a])),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype),
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "misaligned": misaligned,
    "misaligned and strided": lambda a: misaligned(np.repeat(a, 3))[::3],
    "float16": lambda a: a.astype("float16"),
    "float32": lambda a: a.astype("float32"),
    "float64": lambda a: a.astype("float64"),
    "long double": lambda a: a.astype("longdouble"),
    "int64": lambda a: (10 * a).astype("int64"),
    "int8": lambda a: (10 * a).astype("int8"),
    "uint64": lambda a: (10 * a).astype("uint64"),
    "bool": lambda a: a > 1,
    "list of bool": lambda a: (a > 1).tolist(),
    "np.matrix": lambda a: a.view(type("Subclass", (np.ndarray,), {})),
    "memoryview": memoryview,
    "0-d": lambda a: np.array(a[0]),
    "NumPy scalar": lambda a: a[0],
    "Python float": lambda a: float(a[0]),
    "Python int": lambda a: 3,
    "Python bool": lambda a: True,
}


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("convert", CONVERTED.values(), ids=CONVERTED)
def test_converted_as_numpy_would(line, dtype, convert, position):
    operands = [values(13, k, dtype) for k in range(3)]
    operands[position] = convert(operands[position])
    w, x, b = (np.asarray(operand).astype(dtype) for operand in operands)
    y = line(*operands)
    np.testing.assert_array_equal(y, w * x + b, strict=True)
    assert type(y) is np.ndarray
    assert y.flags.c_contiguous


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_matrix_is_a_plain_array(line):
    m = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    y = line(m, m, m)
    assert type(y) is np.ndarray
    np.testing.assert_array_equal(y, np.array([[2.0, 6.0], [12.0, 20.0]]))


def test_read_only_operands_stay_as_they_are(line, dtype):
    w, x, b = (values(10, k, dtype) for k in range(3))
    for array in (w, x, b):
        array.flags.writeable = False
    line(w, x, b)
    np.testing.assert_array_equal(w, values(10, 0, dtype))


def test_scalars_give_numpy_scalars(line, dtype):
    y = line(2, 3.0, np.float32(4))
    assert type(y) is np.dtype(dtype).type
    assert y == 10
    assert type(line(np.array(2.0), np.array(3.0), 1)) is np.dtype(dtype).type
    assert line(np.array([2.0]), 3.0, 4.0).shape == (1,)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
def test_empty_arrays(line, make, dtype, shape):
    empty = np.empty(shape, dtype)
    assert line(empty, empty, empty).shape == shape
    assert line(empty, 1.0, 1.0).dtype == dtype
    w_bar, x_bar, b_bar = make("line_backward", dtype)((1.0, empty, 2.0, np.ones(shape[-1:], dtype)))
    assert w_bar.shape == shape
    assert x_bar == 0.0
    np.testing.assert_array_equal(b_bar, np.zeros(shape[-1:]))


class Torch:
    """Stands for a tensor: recognised by the module of its type."""

    __module__ = "torch.nn.parameter"


class Jax:
    """Stands for a jax array or tracer."""

    __module__ = "jaxlib._jax"


class Dask:
    """Stands for a lazy array."""

    __module__ = "dask.array.core"


class Tensor(Torch):
    """A subclass defined elsewhere."""


class Unwilling:
    """Refuses conversion."""

    def __init__(self, error=ValueError):
        self.error = error

    def __array__(self, *args, **kwargs):
        raise self.error("no")


def endless(copies):
    row = []
    row.extend([row] * copies)
    return row


REFUSED = {
    "masked": (lambda: np.ma.array([1.0, 2.0], mask=[0, 1]), r"masked.*filled"),
    "masked in a list": (lambda: [1.0, np.ma.masked], r"masked.*filled"),
    "object": (lambda: np.array([1.0, None]), r"Python objects"),
    "None": (lambda: None, r"Python objects"),
    "Decimal": (lambda: [Decimal(1)], r"Python objects"),
    "huge integers": (lambda: [10**400], r"too large"),
    "huge integer": (lambda: 10**400, r"too large"),
    "complex": (lambda: np.array([1j]), r"complex.*\.real"),
    "complex number": (lambda: 1j, r"complex"),
    "text": (lambda: "1.0", r"text"),
    "bytes": (lambda: [b"1"], r"text"),
    "structured": (lambda: np.zeros(2, [("a", float)]), r"structured"),
    "dates": (lambda: np.array(["2020-01-01"], "datetime64[D]"), r"dates"),
    "durations": (lambda: np.array([1], "timedelta64[s]"), r"timedelta64"),
    "ragged": (lambda: [[1.0], [1.0, 2.0]], r"cannot be converted"),
    "unwilling": (Unwilling, r"cannot be converted"),
    "broken": (lambda: Unwilling(RuntimeError), r"cannot be converted.*no"),
    "holds itself": (lambda: endless(1), r"more than 64 deep"),
    "holds itself twice": (lambda: [1.0, endless(2)], r"more than 64 deep"),
    "torch": (Torch, r"torch tensor.*detach.*Gradients flow through f\.to_torch\(\)$"),
    "torch subclass": (Tensor, r"torch tensor.*f\.to_torch\(\)"),
    "torch in a list": (lambda: [[1.0], [Torch()]], r"torch tensor.*f\.to_torch\(\)"),
    "jax": (Jax, r"jax array.*Gradients flow through f\.to_jax\(\)$"),
    "dask": (Dask, r"dask array.*f\.ufunc.*f\.to_dask\(\).*compute\(\)"),
}


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize(("value", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_by_name(line, value, message, position):
    operands = [np.ones(2), np.ones(2), np.ones(2)]
    operands[position] = value()
    with pytest.raises(ArgumentError, match=rf"^{'wxb'[position]} .*{message}"):
        line(*operands)


def test_integers_without_a_numpy_type_are_promoted(line, dtype):
    for large in (2**64, -(2**63) - 1, 2**100):
        expected = np.dtype(dtype).type(large)
        assert line(large, 1.0, 0.0) == expected
        np.testing.assert_array_equal(line([large, 1.5, True], 1.0, 0.0), [expected, 1.5, 1.0])


def test_lists_may_be_as_deep_as_arrays(line):
    deep = 3.0
    for _ in range(32):
        deep = [deep]
    assert line(deep, 2.0, 1.0).shape == (1,) * 32


def test_number_of_arguments(line):
    with pytest.raises(ArgumentError, match=r"2 arguments given, 3 needed: w, x, b"):
        line(1.0, 2.0)


# Broadcasting


def test_mismatch_names_inputs_and_shapes(line):
    with pytest.raises(ShapeError, match=r"w \(3,\), x \(4,\), b \(\)"):
        line(np.ones(3), np.ones(4), 1.0)


def test_cotangent_of_a_wrong_shape_states_both(make):
    backward = make("line_backward")
    for wrong in [(3,), (1,), (4, 1), (1, 4), (2, 4)]:
        with pytest.raises(ShapeError) as raised:
            backward((np.ones(wrong), np.ones(4), 1.0, 1.0))
        assert f"cotangent y has shape {wrong}, the output has shape (4,)" in str(raised.value)


def test_scalar_cotangent_is_broadcast(make, dtype):
    w, x, b = values((3, 4), 1, dtype), values(4, 2, dtype), 2.0
    for one in (1.0, 1, np.float64(1), np.array(1.0)):
        w_bar, x_bar, b_bar = make("line_backward", dtype)((one, w, x, b))
        np.testing.assert_array_equal(w_bar, np.broadcast_to(x, (3, 4)), strict=True)
        np.testing.assert_allclose(x_bar, w.sum(0), rtol=1e-6)
        assert b_bar == 12.0


@pytest.mark.parametrize("n", [1, 3, 4096, 4097])
@pytest.mark.parametrize("one", [2.0, 2, np.float64(2), np.float32(2)], ids=repr)
def test_scalars_among_arrays(line, make, dtype, n, one):
    w, x = values(n, 1, dtype), values(n, 2, dtype)
    np.testing.assert_array_equal(line(w, one, x), line(w, np.full(n, 2, dtype), x), strict=True)
    w_bar, x_bar, b_bar = make("line_backward", dtype)((one, w, x, x))
    np.testing.assert_array_equal(w_bar, 2 * x, strict=True)
    np.testing.assert_array_equal(x_bar, 2 * w, strict=True)
    w_bar, x_bar, b_bar = make("line_backward", dtype)((w, one, x, 0.0))
    np.testing.assert_allclose(w_bar, (x.astype(float) * w).sum(), rtol=1e-5)
    assert w_bar.shape == b_bar.shape == ()
    np.testing.assert_array_equal(x_bar, 2 * w, strict=True)


def test_scalars_among_small_arrays_need_no_driver(make, dtype, monkeypatch):
    line, backward = make("line", dtype), make("line_backward", dtype)
    for caller in (line, backward):
        monkeypatch.setattr(caller, "_driver", None)
    a = values(100, 1, dtype)
    np.testing.assert_array_equal(line((a, 2.0, 1))[0], 2 * a + 1)
    np.testing.assert_array_equal(backward((1.0, a, a, a))[0], a)


def test_gradients_have_shape_and_dtype_of_their_primals(make, dtype):
    kernel = np.dtype(dtype)
    cases = [
        (values((3, 1), 0, "float32"), (3, 1), np.float32),
        (values(4, 0, "float64"), (4,), np.float64),
        (values(4, 0, "float16"), (4,), np.float16),
        (values(4).astype(">f8"), (4,), np.float64),
        (np.arange(4), (4,), kernel),
        (np.ones(4, bool), (4,), kernel),
        ([1.0, 2.0, 3.0, 4.0], (4,), kernel),
        (2.0, (), kernel),
        (2, (), kernel),
        (np.float32(2), (), np.float32),
    ]
    x = values((3, 4), 1, dtype)
    for w, shape, expected in cases:
        w_bar = make("line_backward", dtype)((1.0, w, x, 0.0))[0]
        assert (w_bar.shape, w_bar.dtype) == (shape, np.dtype(expected))
        assert isinstance(w_bar, np.ndarray) == bool(shape)


@st.composite
def broadcast_operands(draw):
    """Arrays that broadcast together, each with a layout of its own."""
    shape = tuple(draw(st.lists(st.integers(1, 9), max_size=4)))
    operands = []
    for seed in range(3):
        own = [1 if draw(st.booleans()) and draw(st.booleans()) else extent for extent in shape]
        own = own[draw(st.integers(0, len(own))) :] if draw(st.booleans()) else own
        order = draw(st.permutations(range(len(own))))
        steps = [draw(st.sampled_from([1, 1, 2, -1, -3])) for _ in own]
        base = np.zeros([own[d] * abs(steps[d]) for d in order])
        view = base.transpose(np.argsort(order))
        view = view[(..., *(slice(None, None, step) for step in steps))]
        view[...] = values(own, seed)
        operands.append(misaligned(view) if draw(st.integers(0, 9)) == 0 else view)
    return operands


@given(broadcast_operands(), st.sampled_from(DTYPES))
def test_any_broadcast_and_any_layout(make, operands, dtype):
    w, x, b = (operand.astype(dtype, order="K") for operand in operands)
    full = np.broadcast_shapes(w.shape, x.shape, b.shape)
    np.testing.assert_array_equal(make("line", dtype)((w, x, b))[0], w * x + b)
    g = values(full, 9, dtype)
    gradients = make("line_backward", dtype)((g, w, x, b))
    for gradient, primal, whole in zip(gradients, (w, x, b), (x * g, w * g, g), strict=True):
        expected = reduce_to(whole.astype("float64"), primal.shape)
        assert gradient.shape == primal.shape
        np.testing.assert_allclose(gradient, expected, rtol=1e-14 if dtype == "float64" else 1e-6)


def reduce_to(array, shape):
    array = array.sum(axis=tuple(range(array.ndim - len(shape))))
    return array.sum(axis=tuple(d for d, n in enumerate(shape) if n == 1), keepdims=True).reshape(shape)


@pytest.mark.parametrize("shape", [(1000, 3), (3, 1000), (2, 700, 5), (5000,)])
def test_batches_of_many_tiles(make, shape, dtype):
    w, x = values(shape, 0, dtype), values(shape[-1:], 1, dtype)
    b = values((*shape[:-1], 1), 2, dtype)
    np.testing.assert_array_equal(make("line", dtype)((w, x, b))[0], w * x + b)
    flipped = tuple(a[..., ::-1] for a in (w, x, b))
    np.testing.assert_array_equal(make("line", dtype)(flipped)[0], (w * x + b)[..., ::-1])


# Core dimensions


@pytest.mark.parametrize("batch", [(), (1,), (5,), (4, 6), (700,)])
def test_shaped_operands(make, batch, dtype):
    x, s = values((*batch, 3), 0, dtype), values(batch, 1, dtype)
    r, d = make("norm", dtype)((x, s))
    np.testing.assert_array_equal(d, x * s[..., None])
    np.testing.assert_allclose(r, (d.astype("float64") ** 2).sum(-1), rtol=1e-6)
    assert (r.shape, d.shape) == (batch, (*batch, 3))
    assert isinstance(r, np.ndarray) == bool(batch)
    transposed = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -1, 0)), 0, -1)
    np.testing.assert_array_equal(make("norm", dtype)((transposed, s))[1], d)
    np.testing.assert_array_equal(make("norm", dtype)((x[..., ::-1], s))[1], d[..., ::-1])


def test_shaped_operand_broadcasts_over_the_batch(make):
    x, s = values(3), values((4, 5), 1)
    _, d = make("norm")((x, s))
    np.testing.assert_array_equal(d, x * s[..., None])
    x_bar, s_bar = make("norm_backward")((1.0, x, s))
    np.testing.assert_allclose(x_bar, np.full(3, s.sum()), rtol=1e-15)
    np.testing.assert_allclose(s_bar, np.full((4, 5), x.sum()), rtol=1e-15)
    g = values((4, 5, 3), 7)
    x_bar, s_bar = make("norm_backward")((g, x, s))
    np.testing.assert_allclose(x_bar, (g * s[..., None]).sum((0, 1)), rtol=1e-15)
    np.testing.assert_allclose(s_bar, (g * x).sum(-1), rtol=1e-15)


def test_core_dimensions_that_cannot_be_walked_with_one_stride(make):
    # The same kernel, its four lanes on each side taken as one operand and one result of shape (2, 2).
    caller = make("norm", operands=(Operand("xs", (2, 2)),), results=(Result("rd", (2, 2)),))
    for batch in [(5,), (), (1, 1)]:
        xs = values((*batch, 2, 2))
        x, s = xs.reshape(*batch, 4)[..., :3], xs[..., 1, 1]
        expected = np.concatenate([((s[..., None] * x) ** 2).sum(-1)[..., None], s[..., None] * x], axis=-1)
        expected = expected.reshape(*batch, 2, 2)
        scattered = np.swapaxes(np.swapaxes(xs, -1, -2).copy(), -1, -2)
        np.testing.assert_allclose(caller((scattered,))[0], expected, rtol=1e-15)
        out = np.swapaxes(np.zeros((*batch, 2, 2)), -1, -2)
        assert caller((xs,), out)[0] is out
        np.testing.assert_allclose(out, expected, rtol=1e-15)


def test_kernels_see_aligned_lanes_only(make, dtype):
    # The kernel writes how far its lanes are from alignment.
    aligned = make("alignment", dtype)
    x = values(700, 0, dtype)
    for operand in (x, misaligned(x), misaligned(x)[::2], misaligned(x[:1])):
        np.testing.assert_array_equal(aligned((operand,))[0], 0)
        out = misaligned(np.ones(len(operand), dtype))
        np.testing.assert_array_equal(aligned((operand,), out)[0], 0)


@pytest.mark.parametrize("shape", [(), (4,), (3, 1), (5, 2)])
def test_wrong_core_shape(make, shape):
    with pytest.raises(ShapeError, match=r"x has shape .* must be \(3,\)"):
        make("norm")((np.ones(shape), 1.0))


def test_cotangent_with_core_shape_must_fit(make):
    with pytest.raises(ShapeError, match=r"cotangent d has shape \(3,\), the output has shape \(4, 3\)"):
        make("norm_backward")((np.ones(3), np.ones(3), np.ones(4)))


# out=


def test_out_is_written_and_returned(line, dtype):
    w, x, b = (values((4, 5), k, dtype) for k in range(3))
    expected = w * x + b
    wide = np.zeros((4, 10), dtype)
    for out in (np.empty((4, 5), dtype), np.empty((5, 4), dtype).T, wide[:, ::2], wide[::-1, 9::-2]):
        assert line(w, x, b, out=out) is out
        np.testing.assert_array_equal(out, expected)
    assert line(w, x, b, out=(out,)) is out
    misplaced = misaligned(np.zeros((4, 5), dtype))
    np.testing.assert_array_equal(line(w, x, b, out=misplaced), expected)
    assert line(w, 2.0, 1.0, out=out) is out
    np.testing.assert_array_equal(out, w * 2 + 1)


@pytest.mark.parametrize("given", ["float16", "float32", "float64", ">f8", "longdouble"])
def test_out_of_another_floating_dtype(line, dtype, given):
    w, x, b = (values(20, k, dtype) for k in range(3))
    out = np.empty(20, given)
    assert line(w, x, b, out=out) is out
    np.testing.assert_array_equal(out, (w * x + b).astype(given))


def test_strided_out_leaves_its_neighbours_alone(line, dtype):
    wide = np.full((6, 8), -1.0, dtype)
    line(*(values((3, 4), k, dtype) for k in range(3)), out=wide[::2, ::2])
    wide[::2, ::2] = -1.0
    assert (wide == -1.0).all()


def test_several_outs(make):
    g, w, x, b = (values(6, k) for k in range(4))
    backward = make("line_backward")
    columns = np.empty((6, 2))
    found = backward((g, w, x, b), (columns[:, 0], None, columns[:, 1]))
    np.testing.assert_array_equal(columns, np.stack([x * g, g], axis=1))
    np.testing.assert_array_equal(found[1], w * g)
    total = np.empty(())
    found = backward((1.0, w, 2.0, 1.0), [None, total, None])
    assert found[1] is total
    np.testing.assert_allclose(total, w.sum())


@pytest.mark.parametrize("shift", range(-3, 4))
def test_out_that_overlaps_an_operand(line, dtype, shift):
    raw = values(20, 0, dtype)
    w = raw[5:15]
    x, b = values(10, 1, dtype), values(10, 2, dtype)
    expected = w * x + b
    np.testing.assert_array_equal(line(w, x, b, out=raw[5 + shift : 15 + shift]), expected)


def test_out_that_is_the_operand_reversed(line, dtype):
    w, x, b = (values(1000, k, dtype) for k in range(3))
    expected = w * x + b
    line(w, x, b, out=w[::-1])
    np.testing.assert_array_equal(w[::-1], expected)


def test_gradient_into_its_own_primal(make):
    w, x = values((3, 4)), values(4, 1)
    expected = w.sum(0)
    make("line_backward")((1.0, w, x, 0.0), (None, x, None))
    np.testing.assert_allclose(x, expected)


def read_only():
    array = np.empty(4)
    array.flags.writeable = False
    return array


BAD_OUTS = {
    "shape": (lambda: np.empty(5), ShapeError, r"out for y has shape \(5,\), the result has \(4,\)"),
    "would broadcast": (lambda: np.empty((1, 4)), ShapeError, r"has shape \(1, 4\)"),
    "read-only": (read_only, ArgumentError, r"out for y is read-only"),
    "integers": (lambda: np.empty(4, int), ArgumentError, r"out for y has dtype int64"),
    "objects": (lambda: np.empty(4, object), ArgumentError, r"out for y has dtype object"),
    "complex": (lambda: np.empty(4, complex), ArgumentError, r"out for y has dtype complex128"),
    "list": (lambda: ([0.0] * 4,), ArgumentError, r"must be a NumPy array, not list"),
    "masked": (lambda: np.ma.zeros(4), ArgumentError, r"masked"),
    "too many": (lambda: (np.empty(4), np.empty(4)), ArgumentError, r"2 entries, 1 are needed: y"),
    "windows": (
        lambda: np.lib.stride_tricks.as_strided(np.zeros(4), (4,), (4,)),
        ArgumentError,
        r"share memory",
    ),
    "one element": (
        lambda: np.lib.stride_tricks.as_strided(np.zeros(1), (4,), (0,)),
        ArgumentError,
        r"share memory",
    ),
}


@pytest.mark.parametrize(("make_out", "error", "message"), BAD_OUTS.values(), ids=BAD_OUTS)
def test_out_that_cannot_be_used(make, make_out, error, message):
    out = make_out()
    before = [np.array(o, copy=True) for o in (out if isinstance(out, tuple) else (out,))]
    with pytest.raises(error, match=message):
        make("line")((np.ones(4), 2.0, 3.0), out)
    for old, new in zip(before, out if isinstance(out, tuple) else (out,), strict=True):
        np.testing.assert_array_equal(old, new)


def test_outs_that_overlap_each_other(make):
    raw = np.zeros(8)
    with pytest.raises(ArgumentError, match=r"out for w_bar and out for b_bar share memory"):
        make("line_backward")((np.ones(4),) * 4, (raw[:4], None, raw[3:7]))
    assert (raw == 0).all()


def test_several_results_need_a_tuple(make):
    with pytest.raises(ArgumentError, match=r"tuple of 3 arrays or None.*w_bar, x_bar, b_bar"):
        make("line_backward")((np.ones(4),) * 4, np.empty(4))


# Compiled conditions, threads


def test_comparisons_keep_their_meaning_for_nan_and_infinity(make, dtype):
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, np.finfo(dtype).tiny / 4], dtype)
    x, y = (a.ravel() for a in np.meshgrid(np.tile(special, 5), special))
    compared, kind = make("conditions", dtype)((x, y))
    expected = (x < y) + 2.0 * (x == y) + 4.0 * (x >= y) + 8.0 * (x != y) + 16.0 * ~(x < y)
    np.testing.assert_array_equal(compared, expected)
    np.testing.assert_array_equal(kind, np.where(np.isnan(x), 1, np.where(np.isinf(x), 2, 0)))


def test_threads_share_a_caller(make):
    backward, forward = make("line_backward"), make("line")
    errors = []

    def work(seed):
        try:
            for n in (50, 3000):
                w, x, b = values((n, 3), seed), values(3, seed + 1), values((n, 1), seed + 2)
                expected_line, expected_sum = w * x + b, None
                for _ in range(50):
                    np.testing.assert_array_equal(forward((w, x, b))[0], expected_line)
                    np.testing.assert_array_equal(forward((w, w, w))[0], w * w + w)
                    found = backward((1.0, w, x, b))[1]
                    expected_sum = found if expected_sum is None else expected_sum
                    np.testing.assert_array_equal(found, expected_sum)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
