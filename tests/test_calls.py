"""A call through the fast caller and the same one without it: same results to the bit, same errors, same warnings."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import sys
import threading
import warnings
import weakref

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tapeless as tl
from tapeless.runtime import caller, warm

FORMULAS = {
    "line": "line(w, x, b) = w*x + b",
    "polar": "polar(r, t):\n    x = r*cos(t)\n    y = r*sin(t)\n    return x, y",
    "bowl": "bowl(x[3], s) = s*(x[0]**2 + x[1]*x[2])",
    "turn": "turn(x[2], a):\n    y = [x[0]*cos(a) - x[1]*sin(a), x[0]*sin(a) + x[1]*cos(a)]\n    return y, a*2",
    "odd": "odd(out, wrt) = out*wrt",
}


@pytest.fixture(scope="module")
def pairs():
    """Each formula compiled for both ways, by name and dtype."""
    found = caller.find(warm.compiler(), warm.cache())
    if found.extension is None:
        pytest.skip(found.reason)
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, text in FORMULAS.items():
            for dtype in ("float64", "float32"):
                patch.setenv(caller.VARIABLE, "1")
                fast = tl.compile(text, dtype=dtype)
                patch.setenv(caller.VARIABLE, "0")
                made[name, dtype] = fast, tl.compile(text, dtype=dtype)
                assert [type(f) is tl.Function for f in made[name, dtype]] == [False, True]
    return made


# Arguments are drawn as recipes, so that each way gets objects of its own.

NUMBERS = [0.0, -0.0, 1.5, -2.0, 5e-324, 1e-300, 1e300, float("inf"), float("nan"), 0.1]
ARRAYS = {
    "plain": lambda a: a,
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "Fortran": np.asfortranarray,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "float32": lambda a: a.astype("float32"),
    "float64": lambda a: a.astype("float64"),
    "integers": lambda a: np.nan_to_num(a * 3).astype("int64"),
    "subclass": lambda a: a.view(type("Sub", (np.ndarray,), {})),
    "list": lambda a: a.tolist(),
    "one more dimension": lambda a: a[None],
    "first": lambda a: a[:1],
    "empty": lambda a: a[:0],
    "misaligned": lambda a: np.frombuffer(b"\0" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
}
SCALARS = {
    "float": float,
    "np.float64": np.float64,
    "np.float32": lambda v: np.float32(v) if abs(v) < 1e30 else np.float32(1),
    "0-d": np.array,
    "0-d float32": lambda v: np.array(1.25, "float32"),
    "int": lambda v: 3,
    "bool": lambda v: True,
    "np.int64": lambda v: np.int64(-4),
    "np.bool": lambda v: np.bool_(True),
    "large int": lambda v: 2**70,
    "huge int": lambda v: 10**400,
    "None": lambda v: None,
    "text": lambda v: "1.0",
    "complex": lambda v: 1j,
}


@st.composite
def operand(draw):
    """(way of making it, of what, seed)."""
    if draw(st.integers(0, 2)):
        kind = draw(st.one_of(st.just("plain"), st.sampled_from(sorted(ARRAYS))))
        return kind, None, draw(st.integers(0, 3))
    kinds = (
        sorted(SCALARS)
        if draw(st.integers(0, 3)) == 0
        else ["float", "int", "np.float64", "np.float32", "0-d"]
    )
    return draw(st.sampled_from(kinds)), draw(st.sampled_from(NUMBERS)), 0


def made(recipe, shape, dtype):
    kind, value, seed = recipe
    if kind in SCALARS:
        return SCALARS[kind](value)
    array = np.random.default_rng(seed).uniform(0.5, 2.0, shape).astype(dtype)
    if seed == 3:
        array.flat[0] = np.nan
    needs_a_dimension = kind in ("strided", "reversed", "first", "empty")
    return array if needs_a_dimension and not array.ndim else ARRAYS[kind](array)


@st.composite
def call(draw):
    name = draw(st.sampled_from(sorted(FORMULAS)))
    inputs = {"line": 3, "polar": 2, "bowl": 2, "turn": 2, "odd": 2}[name]
    methods = ("forward", "__call__", "backward", "forward_backward", "jvp", "jacobian")
    single = ("grad", "value_and_grad", "hessian", "hvp")
    method = draw(st.sampled_from(methods + single))
    return {
        "name": name,
        "dtype": draw(st.sampled_from(["float64", "float64", "float32"])),
        "method": method,
        "shape": draw(st.sampled_from([(), (1,), (2,), (9,), (3, 4), (5000,)])),
        "primals": draw(st.lists(operand(), min_size=inputs - 1, max_size=inputs + 1).filter(bool))
        if draw(st.integers(0, 9)) == 0
        else [draw(operand()) for _ in range(inputs)],
        "more": [draw(operand()) for _ in range(2)],
        "tuple": draw(st.sampled_from([True, True, False])),
        "none": draw(st.sampled_from([False, False, False, True])),
        "by_name": draw(st.sampled_from([False, False, True])),
        "wrt": draw(
            st.sampled_from(
                ["-", "-", "-", None, 0, (0,), (1, 0), [0], "nope", (), 3, {0}, (0, 0)],
            )
        ),
        "out": draw(
            st.sampled_from(
                ["-", "-", "-", None, "fits", "fits", "part", "wrong", "input", "same", "list", "read-only"]
            )
        ),
        "sparse": draw(st.sampled_from(["-", "-", "-", False, 0, True])),
    }


def arguments(recipe, function):
    """Return the positional and named arguments of a recipe, made anew."""
    method, dtype = recipe["method"], recipe["dtype"]
    cores = [shape for _, shape in function._face.inputs]
    names = list(function.input_names)
    shape = recipe["shape"]
    primals = [
        made(one, (*shape, *(cores[k] if k < len(cores) else ())), dtype)
        for k, one in enumerate(recipe["primals"])
    ]
    named = {}
    if recipe["by_name"] and len(primals) == len(names) and method not in ("jvp", "hvp"):
        named = {names[-1]: primals.pop()}
    outputs = [shape for _, shape in function._face.outputs]
    wrt = recipe["wrt"]
    chosen = list(wrt) if isinstance(wrt, tuple | list | set) else [wrt] if wrt == 0 else None
    if wrt != "-" and method not in ("forward", "__call__"):
        if chosen is not None:
            wrt = names[0] if wrt == 0 else type(wrt)(names[k] for k in wrt)
        named["wrt"] = wrt
    if recipe["sparse"] != "-" and method in ("jacobian", "hessian"):
        named["sparse"] = recipe["sparse"]
    positional = list(primals)
    if method in ("backward", "forward_backward"):
        cotangents = [
            made(one, (*shape, *core), dtype) for one, core in zip(recipe["more"], outputs, strict=False)
        ]
        if recipe["none"]:
            cotangents[-1] = None
        if recipe["tuple"] or len(outputs) > 1:
            cotangents = tuple(cotangents) if recipe["tuple"] else list(cotangents)
        else:
            cotangents = cotangents[0]
        positional.insert(0, cotangents)
    if method in ("jvp", "hvp"):
        directions = [
            made(one, (*shape, *core), dtype)
            for one, core in zip(
                recipe["primals"], [cores[k] for k in chosen] if chosen else cores, strict=False
            )
        ]
        kind = tuple if recipe["tuple"] else list
        positional = [kind(primals), kind(directions)]
    if recipe["out"] != "-" and method != "jvp":
        named["out"] = out(
            recipe, shape, dtype, primals, outputs, [cores[k] for k in chosen] if chosen else cores
        )
    return positional, named


def out(recipe, shape, dtype, primals, outputs, gradients):
    way, method = recipe["out"], recipe["method"]
    if way is None:
        return None
    if way == "input":
        return primals[0] if primals else None
    kind = list if way == "list" else tuple
    size = (7, 7) if way == "wrong" else shape

    def row(cores):
        arrays = [np.zeros((*size, *core), dtype) for core in cores]
        if way == "part":
            arrays[0] = None
        if way == "same":
            arrays = [arrays[0]] * len(arrays)
        if way == "read-only":
            arrays[-1].flags.writeable = False
        return kind(arrays)

    if method in ("jacobian", "hessian"):
        count = sum(int(np.prod(core)) for core in gradients)
        rows = sum(int(np.prod(core)) for core in outputs)
        return row([(rows if method == "jacobian" else count, count)])
    first, second = row(outputs), row(gradients)
    if method in ("forward", "__call__"):
        return first[0] if len(first) == 1 and recipe["tuple"] else first
    if method in ("forward_backward", "value_and_grad"):
        return (first[0] if len(first) == 1 and recipe["tuple"] else first, second)
    return second


def shown(value, given):
    """What can be seen of a result."""
    if isinstance(value, tuple | list):
        return type(value), [shown(item, given) for item in value]
    if isinstance(value, np.ndarray):
        place = [k for k, array in enumerate(given) if array is value]
        flags = value.flags.c_contiguous, value.flags.writeable, value.flags.aligned
        return type(value), value.dtype.str, value.shape, value.tobytes(), flags, place
    if hasattr(value, "toarray"):
        return type(value), value.toarray().tobytes()
    if isinstance(value, np.generic):
        return type(value), value.tobytes()
    return type(value), repr(value)


def flattened(value):
    if isinstance(value, tuple | list):
        return [one for item in value for one in flattened(item)]
    return [value] if isinstance(value, np.ndarray) else []


def outcome(function, recipe):
    positional, named = arguments(recipe, function)
    given = flattened(positional) + flattened(list(named.values()))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            result = shown(getattr(function, recipe["method"])(*positional, **named), given)
        except Exception as error:
            result = type(error), str(error)
    said = [(w.category, str(w.message)) for w in heard]
    return result, said, [array.tobytes() for array in given]


PLAIN = {
    "name": "line",
    "dtype": "float64",
    "method": "forward",
    "shape": (9,),
    "primals": [("plain", None, 0)] * 3,
    "more": [("plain", None, 1)] * 2,
    "tuple": True,
    "none": False,
    "by_name": False,
    "wrt": "-",
    "out": "-",
    "sparse": "-",
}


@settings(max_examples=1500)
@given(call())
@example(PLAIN)
@example({**PLAIN, "out": "input"})
@example({**PLAIN, "name": "bowl", "shape": (), "primals": [("float", 2.0, 0), ("float", 3.0, 0)]})
@example({**PLAIN, "method": "jacobian", "shape": (), "sparse": True})
@example({**PLAIN, "method": "backward", "primals": [("float", 1.0, 0)] * 3})
@example({**PLAIN, "dtype": "float32", "primals": [("plain", None, 0)] * 2 + [("float", 1e300, 0)]})
@example({**PLAIN, "dtype": "float32", "primals": [("plain", None, 0)] * 2 + [("float", 1e-300, 0)]})
@example(
    {**PLAIN, "method": "backward", "dtype": "float64", "primals": [("np.float32", 1.5, 0)] * 3, "shape": ()}
)
def test_both_ways_agree(pairs, recipe):
    fast, plain = pairs[recipe["name"], recipe["dtype"]]
    for _ in range(2):  # the first call with a wrt is never the fast one
        assert outcome(fast, recipe) == outcome(plain, recipe)


METHODS = [
    ("line", "forward", ()),
    ("line", "__call__", ()),
    ("line", "backward", (1.0,)),
    ("line", "backward", ("array",)),
    ("line", "forward_backward", (1.0,)),
    ("line", "grad", ()),
    ("line", "value_and_grad", ()),
    ("line", "jacobian", ()),
    ("line", "hessian", ()),
    ("polar", "forward", ()),
    ("polar", "backward", ((1.0, None),)),
    ("polar", "forward_backward", ((None, "array"),)),
]


@pytest.mark.parametrize("size", [None, 1, 20])
@pytest.mark.parametrize(("name", "method", "lead"), METHODS)
def test_plain_calls_do_without_python(pairs, monkeypatch, name, method, lead, size):
    """What the fast caller is for, it takes: nothing of it reaches the methods in Python."""
    if method in ("jacobian", "hessian") and size is not None:
        pytest.skip("a batch of matrices goes through the driver")
    fast, _ = pairs[name, "float64"]
    rng = np.random.default_rng(0)

    def value():
        return float(rng.normal()) if size is None else rng.normal(size=size)

    lead = tuple(
        tuple(value() if one == "array" else one for one in part)
        if isinstance(part, tuple)
        else value()
        if part == "array"
        else part
        for part in lead
    )
    arguments = [value() for _ in fast.input_names]
    want = getattr(fast, method)(*lead, *arguments)

    def refuse(self, operands, out=None):
        raise AssertionError("Python was asked")

    monkeypatch.setattr("tapeless.runtime.arrays.Caller.__call__", refuse)
    got = getattr(fast, method)(*lead, *arguments)
    assert shown(got, []) == shown(want, [])
    named = dict(zip(fast.input_names, arguments, strict=True))
    assert shown(getattr(fast, method)(*lead, **named), []) == shown(want, [])


def test_what_is_chosen_by_wrt_is_fast_from_the_second_call_on(pairs, monkeypatch):
    fast, _ = pairs["line", "float64"]
    x = np.arange(4.0)
    for method, lead in (("grad", ()), ("backward", (1.0,)), ("value_and_grad", ())):
        for wrt in ("x", ("x",), ("b", "w")):
            want = getattr(fast, method)(*lead, x, x, x, wrt=wrt)
            with monkeypatch.context() as patch:
                patch.setattr("tapeless.runtime.arrays.Caller.__call__", None)
                got = getattr(fast, method)(*lead, x, x, x, wrt=wrt)
            assert shown(got, []) == shown(want, [])


def test_points_of_shaped_functions_do_without_python(pairs, monkeypatch):
    fast, plain = pairs["turn", "float64"]
    q = np.array([0.3, 0.4])
    calls = [
        lambda f: f(q, 1.0),
        lambda f: f.jacobian(q, 1.0),
        lambda f: f.backward((1.0, None), q, 1.0),
        lambda f: f.backward((q, 2), q, np.float64(1.0)),
        lambda f: f.jvp((q, 1.0), (q, 0.0)),
        lambda f: f.jacobian(q, 1.0, out=np.empty((3, 3))),
    ]
    want = [shown(one(plain), []) for one in calls]
    for one in calls:
        one(fast)
    monkeypatch.setattr("tapeless.runtime.arrays.Caller.__call__", None)
    assert [shown(one(fast), []) for one in calls] == want


# A Function all the same


def test_it_looks_like_any_function(pairs):
    fast, plain = pairs["line", "float64"]
    assert isinstance(fast, tl.Function)
    assert repr(fast) == repr(plain)
    assert type(fast).__name__ == "Function"
    assert type(fast).__module__ == "tapeless.function"
    assert type(fast).__doc__ == fast.__doc__ == tl.Function.__doc__
    assert inspect.signature(fast) == inspect.signature(plain)
    for name in ("forward", "backward", "grad", "value_and_grad", "jacobian", "hessian", "hvp", "jvp"):
        mine, its = getattr(fast, name), getattr(plain, name)
        assert inspect.signature(mine) == inspect.signature(its)
        assert mine.__doc__ == its.__doc__
        assert mine.__name__ == its.__name__
        assert mine.__module__ == its.__module__
        assert mine.__self__ is fast
        assert inspect.ismethod(mine)
        assert getattr(type(fast), name).__wrapped__ is getattr(tl.Function, name)
        assert repr(mine) == repr(its)
    with pytest.raises(AttributeError):
        fast.grad.nothing  # noqa: B018


def test_methods_put_in_place_of_others_are_called(pairs, monkeypatch):
    fast, _ = pairs["line", "float64"]
    assert fast(1.0, 2.0, 3.0) == 5.0
    assert fast.grad(1.0, 2.0, 3.0) == (2.0, 1.0, 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(tl.Function, "grad", lambda self, *primals, wrt=None: (self, primals, wrt))
        assert fast.grad(1, 2, 3, wrt="x") == (fast, (1, 2, 3), "x")
        assert fast(1.0, 2.0, 3.0) == 5.0
        assert fast.backward(1.0, 1.0, 2.0, 3.0) == (2.0, 1.0, 1.0)
        patch.setattr(tl.Function, "__call__", lambda self, *primals, **named: "called")
        assert fast(1.0, 2.0, 3.0) == "called"
        assert fast.forward(1.0, 2.0, 3.0) == 5.0
        patch.setattr(tl.Function, "forward", staticmethod(lambda *primals: primals))
        assert fast.forward(1, 2) == (1, 2)
        patch.setattr(tl.Function, "hvp", property(lambda self: 1 / 0))
        with pytest.raises(ZeroDivisionError):
            fast.hvp((), ())
    monkeypatch.setattr("tapeless.runtime.arrays.Caller.__call__", None)
    assert fast(1.0, 2.0, 3.0) == 5.0
    assert fast.grad(1.0, 2.0, 3.0) == (2.0, 1.0, 1.0)


def test_copies_pickles_and_weak_references():
    fast = tl.compile("w*x + b*3")
    assert copy.copy(fast) is copy.deepcopy(fast) is fast
    assert pickle.loads(pickle.dumps(fast))(1.0, 2.0, 3.0) == 11.0
    assert pickle.loads(pickle.dumps(fast.grad))(1.0, 2.0, 3.0) == (2.0, 1.0, 3.0)
    reference = weakref.ref(fast)
    assert {fast: 1}[reference()] == 1
    del fast
    gc.collect()
    assert reference() is None


def test_a_cycle_through_a_function_is_collected():
    fast = tl.compile("w*x + b*5")

    class Program:
        pass

    holder = Program()
    reference = weakref.ref(holder)
    holder.function = fast
    fast._program = holder
    del fast, holder
    gc.collect()
    assert reference() is None


def test_methods_called_on_the_class(pairs):
    fast, plain = pairs["line", "float64"]
    for function in (fast, plain):
        assert tl.Function.grad(function, 1.0, 2.0, 3.0) == (2.0, 1.0, 1.0)
        assert type(fast).grad(function, 1.0, 2.0, 3.0) == (2.0, 1.0, 1.0)
    for wrong in ((), (3,), (None, 1.0, 2.0, 3.0)):
        with pytest.raises((TypeError, AttributeError)):
            type(fast).grad(*wrong)
    with pytest.raises(AttributeError):
        fast.nothing = 1


def test_calls_leak_no_references(pairs):
    fast, _ = pairs["line", "float64"]
    x, out, grads = np.ones(30), np.empty(30), tuple(np.empty(30) for _ in range(3))
    names = ("x", "b")

    def everything():
        fast(x, x, x)
        fast(x, x, b=x)
        fast(x, x, x, out=out)
        fast(1.0, 2.0, 3.0)
        fast.forward(x, x, 1.0)
        fast.forward_backward(1.0, x, x, x, out=(out, grads))
        fast.value_and_grad(x, x, x, wrt="x")
        fast.backward((None,), x, x, x, wrt=names)
        fast.jvp((x, x, x), (x, x, x))
        fast.jacobian(1.0, 2.0, 3.0)
        for wrong in (lambda: fast(x, x), lambda: fast(x, x, None), lambda: fast.grad(x, x, x, wrt="q")):
            with pytest.raises(tl.TapelessError):
                wrong()

    everything()
    watched = [x, out, *grads, names, fast, type(fast)]
    gc.collect()
    before = [sys.getrefcount(item) for item in watched]
    for _ in range(100):
        everything()
    gc.collect()
    assert [sys.getrefcount(item) for item in watched] == before


def test_threads_share_a_function(pairs):
    fast, _ = pairs["polar", "float64"]
    errors = []

    def work(seed):
        try:
            rng = np.random.default_rng(seed)
            for n in (1, 50, 3000, 50_000):
                r, t = rng.normal(size=(2, n))
                want = fast.forward_backward((1.0, 2.0), r, t)
                for _ in range(30):
                    got = fast.forward_backward((1.0, 2.0), r, t)
                    assert shown(got, []) == shown(want, [])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
