"""compile: the three doors give one function, and every wrong call says what to write."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import tapeless as tl

w, x, b = sp.symbols("w x b")


def test_three_doors_one_function():
    text = tl.compile("line(w, x, b) = w*x + b")
    symbolic = tl.compile(w * x + b, inputs=[w, x, b], name="line")

    @tl.compile
    def line(w, x, b):
        return w * x + b

    again = tl.compile("line(w, x, b) = w*x + b")
    assert text.program.digest() == again.program.digest()
    assert text.formulas == symbolic.formulas == line.formulas
    assert text(1, 2, 3) == symbolic(1, 2, 3) == line(1, 2, 3) == 5.0


def test_a_decorator_with_options():
    @tl.compile(dtype="float32", wrt="x")
    def square(x, y):
        return x**2 + y

    assert square.dtype == "float32"
    assert square.name == "square"
    assert square.backward(1.0, 3.0, 1.0) == (6.0,)


def test_inputs_of_a_text():
    assert tl.compile("w*x + b").input_names == ("w", "x", "b")
    assert tl.compile("w*x + b", inputs=["b", "w", "x", "spare"]).input_names == ("b", "w", "x", "spare")
    assert tl.compile("w*x + b", inputs=["b", "w", "x", "spare"]).grad(1, 2, 3, 4) == (1.0, 3.0, 2.0, 0.0)
    with pytest.raises(tl.ArgumentError, match="misses b"):
        tl.compile("w*x + b", inputs=["w", "x"])
    with pytest.raises(tl.ArgumentError, match="header"):
        tl.compile("line(w, x, b) = w*x + b", inputs=["x", "w", "b"])
    assert tl.compile("line(w, x, b) = w*x + b", inputs=["w", "x", "b"]).input_names == ("w", "x", "b")


def test_inputs_of_sympy():
    with pytest.raises(TypeError, match=r"tapeless.compile\(expr, inputs=\[b, w, x\]\)"):
        tl.compile(w * x + b)
    assert tl.compile(sp.sin(x)).input_names == ("x",)
    assert tl.compile(w * x + b, inputs=["w", "x", "b"])(1, 2, 3) == 5.0
    with pytest.raises(tl.ArgumentError, match="b"):
        tl.compile(w * x + b, inputs=[w, x])


def test_several_sympy_outputs():
    f = tl.compile([w * x, sp.Integer(2) * w, 3], inputs=[w, x])
    assert f.output_names == ("out0", "out1", "out2")
    assert f(2.0, 5.0) == (10.0, 4.0, 3.0)


def test_names():
    assert tl.compile("w*x + b").name == "f"
    assert tl.compile("w*x + b", name="line").name == "line"
    assert tl.compile("line(w, x, b) = w*x + b", name="ramp").source.count("void ramp_forward(") == 1
    for wrong in ("3x", "a b", "", "x; y", "../x", "class"):
        with pytest.raises(tl.ArgumentError, match="identifier"):
            tl.compile("w*x + b", name=wrong)
        with pytest.raises(tl.ArgumentError, match="identifier"):
            tl.compile_module({"f": "x*y"}, name=wrong)


@pytest.mark.parametrize("source", [3, 3.5, None.__class__, b"w*x", {"a": 1}, [], object()])
def test_what_cannot_be_compiled_is_said(source):
    with pytest.raises(tl.TapelessError):
        tl.compile(source)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float16"}, "float64"),
        ({"dtype": int}, "float64"),
        ({"threads": 0}, "threads"),
        ({"threads": True}, "threads"),
        ({"accuracy": "best"}, "accuracy"),
        ({"assume": {"x": "odd"}}, "assume"),
        ({"assume": {"x": (3, 1)}}, "assume"),
        ({"wrt": []}, "empty"),
        ({"cc": 3}, "cc"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(tl.TapelessError, match=message):
        tl.compile("x**2", **options)


@pytest.mark.parametrize("dtype", ["float64", np.float64, np.dtype("float64"), "float32", np.float32])
def test_dtypes(dtype):
    assert tl.compile("x**2", dtype=dtype).dtype == np.dtype(dtype).name


def test_a_formula_without_inputs_is_refused():
    for source in ("1 + pi", sp.pi, lambda: 3.0):
        with pytest.raises(tl.TapelessError, match="input"):
            tl.compile(source)


def test_an_unused_input_is_kept_with_gradient_zero():
    f = tl.compile("f(x, y) = x**2")
    assert f.backward(1.0, 3.0, np.ones(4))[1].tolist() == [0.0] * 4


def test_boolean_results_are_refused_with_the_remedy():
    with pytest.raises(tl.TapelessError, match=r"where\(.*1, 0\)"):
        tl.compile("x < 1")


def test_without_a_cache_nothing_is_written(empty_cache):
    f = tl.compile("x*3 + 1", cache=False)
    assert f(2.0) == 7.0
    assert f.grad(2.0) == (3.0,)
    assert f.backward(1.0, np.ones((2, 2))[:, :1]).__len__() == 1
    assert list(empty_cache.iterdir()) == []


def test_everything_public_has_a_docstring():
    for name in tl.__all__:
        assert getattr(tl, name).__doc__, name
    assert tl.sin(0.0) == 0.0
    with pytest.raises(AttributeError, match="nothing_like_this"):
        tl.nothing_like_this  # noqa: B018
    assert "sin" in dir(tl)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tl.compile(sp.Function("f")(x)), "f"),
        (lambda: tl.compile([[x]]), "list of formulas holds"),
        (lambda: tl.compile([x, (x, b)], inputs=[x, b]), "list of formulas holds"),
        (lambda: tl.compile([x, sp.Tuple(x)], inputs=[x]), "list its elements"),
        (lambda: tl.compile([x, None], inputs=[x]), "list of formulas holds"),
        (lambda: tl.compile(sp.Tuple(), inputs=[x]), "empty Tuple"),
        (lambda: tl.compile(sp.sin), "sin is a function.*apply it to a symbol"),
        (lambda: tl.compile(sp.Function("g")), "g is a function.*apply it to a symbol"),
        (lambda: tl.compile(sp.Lambda(x, x**2)), "apply it to a symbol"),
        (lambda: tl.compile("x*2", inputs=5), "names of inputs"),
        (lambda: tl.compile(x * 2, inputs=5), "names of inputs"),
        (lambda: tl.compile("x*2", inputs=[5]), "names or sympy symbols"),
        (lambda: tl.compile("x*b", inputs={x, b}), "no order"),
        (lambda: tl.compile(x * b, inputs={x, b}), "no order"),
        (lambda: tl.compile(lambda x, b: x * b, inputs={"x", "b"}), "no order"),
        (lambda: tl.compile("x*b", wrt={"x", "b"}), "no order"),
        (lambda: tl.compile("x*2", inputs={"x": 3}), "is a tuple such as"),
        (lambda: tl.compile("x*2", assume={"x": ("a", "b")}), "pair"),
        (lambda: tl.compile("x*2", assume=["x"]), "assume is a mapping"),
        (lambda: tl.compile("x*2", assume={"y": "positive"}), "assume names 'y'; the inputs are x"),
        (lambda: tl.compile_module(["x"]), "mapping of names"),
        (lambda: tl.compile_module({3: "x"}), "identifier"),
        (lambda: tl.compile_module({None: "x"}), "identifier"),
        (lambda: tl.compile_module({"a": "x", "b": "y"}, assume={"z": "real"}), "assume names 'z'"),
        (lambda: tl.compile_module({"a": "x", "b": "y"}, wrt="x"), "wrt names 'x'"),
        (lambda: tl.compile_module({"a": "x"}, accuracy="best"), "accuracy"),
    ],
)
def test_wrong_calls_say_what_to_write(make, message):
    with pytest.raises(tl.TapelessError, match=message):
        make()


def test_assume_is_checked_on_a_warm_start_too():
    tl.compile("x*41")
    with pytest.raises(tl.ArgumentError, match="assume names 'y'"):
        tl.compile("x*41", assume={"y": "positive"})


def test_a_symbol_names_the_input_of_a_text():
    assert tl.compile("x*2", inputs=x).input_names == ("x",)
    assert tl.compile("w*x", inputs=[x, w]).input_names == ("x", "w")


def test_shapes_that_a_formula_does_not_have():
    tl.compile("x+1", inputs=["x"])
    for source in ("x+1", x + 1, tl.compile("f(x) = x+1")):
        with pytest.raises(tl.UnsupportedError, match="scalar"):
            tl.compile(source, inputs={"x": (3,)})
        assert tl.compile(source, inputs={"x": ()})(2.0) == 3.0
    assert tl.compile("f(x[3]) = x[0]*x[2]", inputs={"x": (3,)}).signature == "(3)->()"
    assert tl.compile(lambda x: x + 1, inputs={"x": (3,)}).signature == "(3)->(3)"


def test_a_function_is_renamed():
    line = tl.compile("line(w, x, b) = w*x + b")
    ramp = tl.compile(line, name="ramp", dtype="float32")
    assert (line.name, ramp.name, ramp.dtype) == ("line", "ramp", "float32")
    assert ramp(1, 2, 3) == 5.0
    module = tl.compile_module({"a": line, "b": ramp})
    assert (module.a.name, module.b(1, 2, 3)) == ("a", 5.0)
    assert tl.compile(line, inputs=["w", "x", "b"]).name == "line"
    with pytest.raises(tl.ArgumentError, match="inputs w, x, b, but inputs= says b, x, w"):
        tl.compile(line, inputs=["b", "x", "w"])


def test_options_of_a_module():
    module = tl.compile_module({"a": "x*y", "b": "x**2*z"}, wrt="x", assume={"z": "positive"}, threads=1)
    assert module.a.wrt == module.b.wrt == ("x",)
    assert module.b.backward(1.0, 3.0, 2.0) == (12.0,)
    assert module.b.options.assume == (("z", (5e-324, float("inf"))),)
    assert module.a.options.assume == ()


def test_wrt_from_a_generator():
    assert tl.compile("w*x + b", wrt=(name for name in "bw")).wrt == ("b", "w")


@pytest.mark.parametrize("shape", [(10**9,), (1000, 1001), (1,) * 33])
def test_inputs_of_hostile_sizes_are_refused_before_anything_is_made(shape):
    with pytest.raises(tl.errors.LimitError, match="broadcast"):
        tl.compile(lambda x: x, inputs={"x": shape})


def test_a_mapping_gives_names_and_shapes_of_what_a_star_takes():
    def joined(*parts):
        return parts[0] * parts[1]

    f = tl.compile(joined, inputs={"a": (2,), "b": ()})
    assert f.signature == "(2),()->(2)"
    assert f([1.0, 2.0], b=3.0).tolist() == [3.0, 6.0]


def test_a_kind_for_one_scalar_output_says_what_there_is_instead():
    f = tl.compile("f(x[2]) = x*x")
    with pytest.raises(tl.errors.ArgumentError, match=r"f has out of shape \(2,\). Use jacobian"):
        f.grad([1.0, 2.0])


def test_a_matrix_is_one_output_with_a_shape():
    for kind in (sp.Matrix, sp.ImmutableMatrix, sp.SparseMatrix):
        f = tl.compile(kind([[w, 2 * x], [w * x, 0]]), inputs=[w, x])
        assert f.signature == "(),()->(2,2)"
        np.testing.assert_array_equal(f(2.0, 3.0), [[2.0, 6.0], [6.0, 0.0]])
    assert tl.compile(sp.Matrix([w, x]), inputs=[w, x]).signature == "(),()->(2)"
    cube = tl.compile(sp.Array([[[w, x]], [[w * x, 1]]]), inputs=[w, x])
    np.testing.assert_array_equal(cube(2.0, 3.0), [[[2.0, 3.0]], [[6.0, 1.0]]])
    several = tl.compile([sp.Matrix([w, x]), w * x], inputs=[w, x])
    assert several.signature == "(),()->(2),()"
    np.testing.assert_array_equal(several.jacobian(2.0, 3.0), [[1, 0], [0, 1], [3, 2]])


def test_matrix_symbols_are_inputs_with_a_shape():
    A, v = sp.MatrixSymbol("A", 2, 3), sp.MatrixSymbol("v", 3, 1)
    f = tl.compile(A * v, inputs=[A, v])
    assert f.signature == "(2,3),(3)->(2)"
    at, by = np.arange(6.0).reshape(2, 3), np.array([1.0, -1.0, 2.0])
    np.testing.assert_array_equal(f(at, by), at @ by)
    g = tl.compile(A[0, 1] * v[2, 0] + w, inputs=["A", "v", "w"])
    assert g(at, by, 5.0) == 7.0
    square = sp.MatrixSymbol("S", 2, 2)
    h = tl.compile([sp.trace(square), sp.det(square.as_explicit()), square.T + square], inputs=[square])
    assert h.signature == "(2,2)->(),(),(2,2)"
    with pytest.raises(tl.ArgumentError, match="must be numbers"):
        tl.compile(
            sp.MatrixSymbol("M", sp.Symbol("n"), 2)[0, 0], inputs=[sp.MatrixSymbol("M", sp.Symbol("n"), 2)]
        )


def test_elements_of_indexed_bases_and_deferred_vectors():
    i, d = sp.IndexedBase("i"), sp.DeferredVector("d")
    f = tl.compile(i[0] * i[2] + d[1], inputs={"i": (3,), "d": (2,)})
    assert f.signature == "(3),(2)->()"
    assert f([2.0, 0.0, 4.0], [0.0, 1.0]) == 9.0
    assert tl.compile(sp.IndexedBase("B")[1, 0], inputs={"B": (2, 2)})([[1.0, 2.0], [3.0, 4.0]]) == 3.0


def test_an_empty_matrix_has_no_formula():
    with pytest.raises(tl.ArgumentError, match="empty"):
        tl.compile(sp.Matrix(0, 0, []), inputs=[x])


def test_two_symbols_of_one_name_are_told_apart():
    other = sp.Symbol("x", positive=True)
    for inputs in (None, ["x"], [x, other]):
        with pytest.raises(tl.ArgumentError, match="'x'") as caught:
            tl.compile(x + other, inputs=inputs)
        assert "inputs=[x, x]" not in str(caught.value)


def test_a_deep_expression_finds_its_inputs():
    deep = x
    for _ in range(3000):
        deep = sp.sin(deep, evaluate=False)
    assert tl.api.read(deep).input_names() == ("x",)


def test_a_shared_expression_is_looked_at_once():
    """Written out it would have a million million million parts."""
    shared = x
    for _ in range(60):
        shared = sp.sin(shared) * sp.Symbol("y", real=True) + shared
    assert tl.api.read(shared, inputs=["x", "y"]).input_names() == ("x", "y")
    summed = sp.Sum(sp.Symbol("k", integer=True) * x, (sp.Symbol("k", integer=True), 1, 3))
    assert tl.api._free_symbols([summed]) == {x}


def test_numbers_beside_formulas():
    assert tl.compile([x, 2, 0.5, sp.pi], inputs=x)(1.0) == (1.0, 2.0, 0.5, np.pi)
    with pytest.raises(tl.TapelessError):
        tl.compile([x, True], inputs=[x])
