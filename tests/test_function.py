"""Function: what a user holds. Calls, gradients, broadcasting, copies, other processes, other languages."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
import sympy

import tapeless as tl

LINE = "line(w, x, b) = w*x + b"


pytestmark = pytest.mark.usefixtures("way")


@pytest.fixture(scope="module")
def line(way):
    return tl.compile(LINE)


@pytest.fixture(scope="module")
def polar(way):
    return tl.compile("polar(r, t):\n    x = r*cos(t)\n    y = r*sin(t)\n    return x, y")


def test_the_tutorial_exactly(line):
    rng = np.random.default_rng(7)
    w, x, b, g = rng.normal(size=(4, 2, 2))
    assert np.array_equal(line(w, x, b), w * x + b)
    grad_w, grad_x, grad_b = line.backward(g, w, x, b)
    assert np.array_equal(grad_x, w * g)
    assert np.array_equal(grad_w, x * g)
    assert np.array_equal(grad_b, g)


def test_names_and_looks(line, polar):
    assert repr(line) == "<tapeless line(w, x, b) -> out, float64>"
    assert line.input_names == ("w", "x", "b")
    assert polar.output_names == ("x", "y")
    assert polar.signature == "(),()->(),()"
    assert "w x" in line._repr_latex_()
    w, x, b, bar = sympy.symbols("w x b out_bar", real=True)
    assert line.formulas == {"out": w * x + b}
    assert line.backward_formulas == {"w": bar * x, "x": bar * w, "b": bar}


def test_scalars_in_scalars_out(line, polar):
    assert type(line(1, 2, 3)) is np.float64
    assert line(1, 2, 3) == 5.0
    assert [type(v) for v in polar(1.0, 0.0)] == [np.float64] * 2
    assert line.grad(1, 2, 3) == (2.0, 1.0, 1.0)


def test_keywords(line):
    assert line(b=3, x=2, w=1) == 5.0
    assert line(1, b=3, x=2) == 5.0
    assert line.backward(2.0, 1, b=3, x=2) == (4.0, 2.0, 2.0)
    assert line.grad(w=1, x=2, b=3, wrt="x") == 1.0


@pytest.mark.parametrize(
    ("args", "named", "message"),
    [
        ((1, 2), {}, "misses b"),
        ((1, 2, 3, 4), {}, "takes 3 inputs, not 4"),
        ((1, 2), {"y": 3}, "no input 'y'"),
        ((1, 2), {"w": 3}, "got 'w' twice"),
    ],
)
def test_wrong_arguments_are_named(line, args, named, message):
    with pytest.raises(tl.ArgumentError, match=message):
        line(*args, **named)
    with pytest.raises(TypeError, match=message):
        line.backward(1.0, *args, **named)


def test_broadcasting_sums_back(line):
    rng = np.random.default_rng(1)
    w, x, b = rng.normal(size=(5, 1, 3)), rng.normal(size=(4, 1)), rng.normal()
    g = rng.normal(size=(5, 4, 3))
    assert np.allclose(line(w, x, b), w * x + b, rtol=1e-15)
    gw, gx, gb = line.backward(g, w, x, b)
    assert gw.shape == w.shape
    assert gx.shape == x.shape
    assert np.shape(gb) == ()
    assert np.allclose(gw, (g * x).sum(axis=1, keepdims=True), rtol=1e-14)
    assert np.allclose(gx, (g * w).sum(axis=(0, 2))[:, None], rtol=1e-14)
    assert np.allclose(gb, g.sum(), rtol=1e-14)


def test_sums_over_a_batch_are_accurate():
    f = tl.compile("a*x")
    x = np.full(1_000_003, 0.1)
    [ga] = f.backward(1.0, 2.0, x, wrt=("a",))
    assert ga == pytest.approx(100000.3, rel=1e-15)


def test_a_scalar_cotangent_stands_for_an_array(line):
    w, x, b = np.random.default_rng(2).normal(size=(3, 7))
    for scalar, full in zip(
        line.backward(2.5, w, x, b), line.backward(np.full(7, 2.5), w, x, b), strict=True
    ):
        assert np.array_equal(scalar, full)


@pytest.mark.parametrize("shape", [(3,), (7, 1), (1,), (8,)])
def test_a_cotangent_of_a_wrong_shape_is_refused(line, shape):
    x = np.ones(7)
    with pytest.raises(tl.ShapeError, match=re.escape(str(shape))):
        line.backward(np.ones(shape), x, x, x)


def test_cotangents_of_several_outputs(polar):
    r, t = 2.0, 0.3
    gx = polar.backward((1.0, 0.0), r, t)
    gy = polar.backward((None, 1.0), r, t)
    assert np.allclose(gx, (np.cos(t), -r * np.sin(t)))
    assert np.allclose(gy, (np.sin(t), r * np.cos(t)))
    assert np.allclose(polar.backward([1.0, 1.0], r, t), np.add(gx, gy))
    with pytest.raises(tl.ShapeError, match="2 outputs"):
        polar.backward(1.0, r, t)
    with pytest.raises(tl.ShapeError, match="not 3"):
        polar.backward((1.0, 2.0, 3.0), r, t)


def test_forward_backward_is_both(line, polar):
    args = np.random.default_rng(3).normal(size=(3, 6))
    out, grads = line.forward_backward(1.5, *args)
    assert np.array_equal(out, line(*args))
    assert all(map(np.array_equal, grads, line.backward(1.5, *args)))
    (x, y), grads = polar.forward_backward((1.0, 2.0), 2.0, 0.5)
    assert (x, y) == polar(2.0, 0.5)
    assert len(grads) == 2


def test_wrt_chooses_and_orders(line):
    assert line.backward(2.0, 3, 5, 7, wrt="x") == 6.0
    assert line.backward(2.0, 3, 5, 7, wrt=("b", "w")) == (2.0, 10.0)
    assert line.grad(3, 5, 7, wrt=("w",)) == (5.0,)
    value, grad = line.value_and_grad(3, 5, 7, wrt="b")
    assert (value, grad) == (22.0, 1.0)
    for wrong, message in (("y", "names 'y'"), ((), "empty"), (("x", "x"), "twice"), (3, "names of inputs")):
        with pytest.raises(tl.ArgumentError, match=message):
            line.grad(3, 5, 7, wrt=wrong)


def test_wrt_at_compile_time_leaves_the_others_constant():
    f = tl.compile(LINE, wrt=["x", "b"])
    assert f.wrt == ("x", "b")
    assert f.backward(2.0, 3, 5, 7) == (6.0, 2.0)
    assert list(f.backward_formulas) == ["x", "b"]
    assert "w_bar" not in f.source
    with pytest.raises(tl.ArgumentError, match="names 'w'"):
        f.grad(3, 5, 7, wrt="w")
    with pytest.raises(tl.ArgumentError, match="'q'"):
        tl.compile(LINE, wrt="q")


def test_grad_needs_one_output(polar):
    with pytest.raises(tl.ArgumentError, match="one scalar output"):
        polar.grad(1.0, 2.0)


def test_out_is_written_and_returned(line):
    w, x, b = np.random.default_rng(4).normal(size=(3, 9))
    out = np.empty(9)
    assert line(w, x, b, out=out) is out
    assert np.array_equal(out, line(w, x, b))
    grads = tuple(np.empty(9) for _ in range(3))
    got = line.backward(1.0, w, x, b, out=grads)
    assert all(a is b for a, b in zip(got, grads, strict=True))
    value, (gw, gx, gb) = line.forward_backward(1.0, w, x, b, out=(out, (None, grads[1], None)))
    assert value is out
    assert gx is grads[1]
    assert np.array_equal(gw, x)
    assert np.array_equal(gb, np.ones(9))


def test_out_may_be_an_input(line):
    w, x, b = np.random.default_rng(5).normal(size=(3, 9))
    want = line(w, x, b)
    assert np.array_equal(line(w, x, b, out=w), want)
    y = np.arange(10.0)
    want = line(y[:-1], 2.0, 1.0)
    assert np.array_equal(line(y[:-1], 2.0, 1.0, out=y[1:]), want)


def test_nothing_is_written_where_it_may_not_be(line):
    x = np.ones(4)
    frozen = np.zeros(4)
    frozen.setflags(write=False)
    with pytest.raises(tl.ArgumentError, match="read-only"):
        line(x, x, x, out=frozen)
    assert np.array_equal(frozen, np.zeros(4))
    assert line(frozen, x, x)[0] == 1.0
    with pytest.raises(tl.ShapeError):
        line(x, x, x, out=np.empty(5))
    with pytest.raises(tl.ArgumentError):
        line.forward_backward(1.0, x, x, x, out=np.empty(4))


def test_foreign_arrays_name_their_bridge(line):
    class Tensor:
        pass

    Tensor.__module__ = "torch"
    with pytest.raises(tl.ArgumentError, match="to_torch"):
        line(Tensor(), 1.0, 2.0)


def test_float32(line):
    f = tl.compile(LINE, dtype="float32")
    x = np.arange(5, dtype=np.float32)
    assert f(x, x, x).dtype == np.float32
    assert all(g.dtype == np.float32 for g in f.backward(1.0, x, x, x))
    assert type(f(1.0, 2.0, 3.0)) is np.float32
    gradient = line.backward(1.0, x, np.arange(5.0), np.arange(5))
    assert [g.dtype for g in gradient] == [np.float32, np.float64, np.float64]


def test_jvp_is_the_transpose_of_backward(polar):
    rng = np.random.default_rng(6)
    r, t, dr, dt, gx, gy = rng.normal(size=(6, 20))
    (x, _y), (dx, dy) = polar.jvp((r, t), (dr, dt))
    gr, gt = polar.backward((gx, gy), r, t)
    assert np.array_equal(x, polar(r, t)[0])
    assert np.allclose(gx * dx + gy * dy, gr * dr + gt * dt, rtol=1e-13)


def test_a_derivative_is_a_function_again(line):
    vjp = line.derivative("vjp")
    assert vjp.input_names == ("w", "x", "b", "out_bar")
    assert vjp(2, 3, 5, 7) == (21.0, 14.0, 7.0)
    f = tl.compile("f(x) = sin(x)*exp(x)")
    third = f.derivative("grad").derivative("grad").derivative("grad")
    assert third(0.7) == pytest.approx(2 * np.exp(0.7) * (np.cos(0.7) - np.sin(0.7)), rel=1e-14)


def test_op_counts_are_those_of_the_kernels(line):
    assert line.op_counts() == {"mul": 1, "add": 1, "total": 2}
    assert line.op_counts("backward")["total"] == 2
    assert line.op_counts("forward_backward")["total"] == 4
    with pytest.raises(tl.ArgumentError, match="no kind"):
        line.op_counts("sideways")


def test_copies_are_the_same_function(line):
    assert copy.copy(line) is line
    assert copy.deepcopy([line])[0] is line


def test_pickles_travel_to_other_processes(line, polar, tmp_path):
    module = tl.compile_module({"line": "w*x + b", "square": "x**2"}, name="pair")
    path = tmp_path / "functions.pickle"
    path.write_bytes(pickle.dumps([line, polar, module]))
    code = (
        "import pickle, sys; line, polar, module = pickle.load(open(sys.argv[1], 'rb'));"
        "print(line(1, 2, 3), line.backward(1.0, 1, 2, 3)[0], polar(1.0, 0.0)[0], module.square(3.0), module.name)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5.0", "2.0", "1.0", "9.0", "pair"]


def test_threads_share_a_function(polar):
    r, t = np.random.default_rng(8).normal(size=(2, 50_000))
    want = polar.backward((1.0, 2.0), r, t)
    wrong = []

    def work():
        for _ in range(5):
            got = polar.backward((1.0, 2.0), r, t)
            if not all(map(np.array_equal, got, want)):
                wrong.append(got)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_functions_inside_traced_functions(line, polar):
    @tl.compile
    def outer(a, b):
        x, y = polar(a, b)
        return line(x, y, b=1.0) + np.sin(a)

    a, b = 0.7, 1.3
    assert outer(a, b) == pytest.approx(a * a * np.cos(b) * np.sin(b) + 1 + np.sin(a), rel=1e-14)


def test_a_module_holds_functions_of_one_library():
    module = tl.compile_module({"line": "w*x + b", "gelu": "x*(1 + erf(x/sqrt(2)))/2"}, name="layers")
    assert list(module) == ["line", "gelu"]
    assert module.line(1, 2, 3) == module["line"](1, 2, 3) == 5.0
    assert module.line.backward(1.0, 1, 2, 3) == (2.0, 1.0, 1.0)
    assert module.gelu.grad(0.0) == (0.5,)
    assert "void line_forward(" in module.source
    assert "void gelu_backward(" in module.header
    assert "gelu" in dir(module)
    assert repr(module) == "<tapeless module layers: line, gelu>"
    with pytest.raises(AttributeError, match="line, gelu"):
        module.relu  # noqa: B018
    with pytest.raises(tl.ArgumentError, match="no function"):
        module["relu"]


def test_a_derivative_c_cannot_express_is_refused_when_asked_for():
    f = tl.compile("f(x, y) = y*besselj(x, 0)")
    assert f(0.0, 2.0) == 2.0
    assert f.backward(1.0, 0.0, 2.0, wrt="y") == 1.0
    for ask in (f.grad, lambda *a: f.backward(1.0, *a), lambda *a: f.forward_backward(1.0, *a)):
        with pytest.raises(tl.DerivativeError, match="besselj by its argument v"):
            ask(0.0, 2.0)


def test_check_passes_and_reports(line):
    report = line.check()
    assert report.ok
    assert "d out/d w" in str(report)


def test_inputs_may_be_called_like_parameters():
    f = tl.compile("f(self, cotangents) = self*cotangents")
    assert f(self=2.0, cotangents=3.0) == 6.0
    assert f.backward(1.0, self=2.0, cotangents=3.0) == (3.0, 2.0)
    assert f.forward_backward(1.0, cotangents=3.0, self=2.0) == (6.0, (3.0, 2.0))
    assert f.grad(cotangents=3.0, self=2.0) == (3.0, 2.0)
    assert f.value_and_grad(self=2.0, cotangents=3.0)[0] == 6.0


def test_inputs_called_out_or_wrt_go_by_position():
    f, g = tl.compile("out*2"), tl.compile("g(x, wrt) = x*wrt")
    assert f(3.0) == 6.0
    with pytest.raises(tl.ArgumentError, match=r"out= is the array for the result.*by its position"):
        f(out=3.0)
    with pytest.raises(tl.ArgumentError, match=r"wrt= is the choice of gradients.*by its position"):
        g.grad(2.0, wrt=3.0)
    assert g.grad(2.0, 3.0) == (3.0, 2.0)


def test_wrt_is_read_once(line):
    def names():
        yield from ("b", "w")

    assert line.backward(2.0, 3, 5, 7, wrt=names()) == (2.0, 10.0)
    assert line.forward_backward(2.0, 3, 5, 7, wrt=names()) == (22.0, (2.0, 10.0))
    out = (None, (np.empty(()), None))
    assert line.value_and_grad(3, 5, 7, wrt=names(), out=out) == (22.0, (1.0, 5.0))
    assert line.jvp((3, 5, 7), (1.0, 0.0), wrt=names()) == (22.0, 1.0)
    assert (
        line.derivative("grad", wrt=names()).output_names == line.derivative("grad", ("b", "w")).output_names
    )
    with pytest.raises(tl.ArgumentError, match="no order"):
        line.grad(3, 5, 7, wrt={"x", "b"})


def test_what_is_no_kind_is_refused(line):
    for wrong in (["vjp"], None, {}, 3):
        with pytest.raises(tl.ArgumentError, match="no kind"):
            line.derivative(wrong)


def test_large_formulas_are_not_shown_in_latex():
    deep = tl.compile("x + " + "sin(" * 900 + "x" + ")" * 900)
    assert deep._repr_latex_() is None

    @tl.compile
    def doubled(x):
        for _ in range(60):
            x = x * (1 - x)
        return x

    assert doubled._repr_latex_() is None


def test_only_function_is_exported():
    from tapeless import function

    assert function.__all__ == ["Function"]


def test_the_functions_of_a_module_keep_their_own_assumptions():
    module = tl.compile_module({"a": "x*y", "b": "y*z"}, assume={"x": "positive", "z": (1, 2)})
    assert [name for name, _ in module.a.options.assume] == ["x"]
    for again in (pickle.loads(pickle.dumps(module)), module):
        assert [name for name, _ in again.b.options.assume] == ["z"]
    assert pickle.loads(pickle.dumps(module.b))(2.0, 3.0) == 6.0


def test_a_function_that_a_module_would_hide_is_refused():
    for name in ("source", "export", "name"):
        with pytest.raises(tl.ArgumentError, match=name):
            tl.compile_module({name: "x*2"})
