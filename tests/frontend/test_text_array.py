"""Arrays in formula text: whole-array arithmetic means what NumPy means, element by element."""

import numpy as np
import pytest

import tapeless as tl
from tapeless.errors import LimitError
from tapeless.frontend import text_operands
from tapeless.frontend.text import parse

HEADER = "f(A[3,3], B[3,3], x[3], y[3], s) ="
A, B = np.random.default_rng(0).normal(size=(2, 3, 3))
x, y = np.random.default_rng(1).normal(size=(2, 3))
s = 0.7

MEANINGS = {
    # arithmetic, with scalars before, between and after the arrays
    "x + y": x + y,
    "x*y - s/x**2 + 1": x * y - s / x**2 + 1,
    "2 - x - y - 3": 2 - x - y - 3,
    "s + 1 + x": s + 1 + x,
    "x - (y - s)": x - (y - s),
    "1/x/y": 1 / x / y,
    "s/2/x*3": s / 2 / x * 3,
    "-x**2": -(x**2),
    "2**x": 2**x,
    "abs(x)**y": abs(x) ** y,
    "A + x": A + x,
    "x[0] + y": x[0] + y,
    "A[:, 0:1] + x": A[:, 0:1] + x,
    # functions and choices
    "sin(x)*exp(A)": np.sin(x) * np.exp(A),
    "hypot(x, s)": np.hypot(x, s),
    "max(x, y)": np.maximum(x, y),
    "max(x)": x.max(),
    "min(A)": A.min(),
    "max([s])": s,
    "where(x > y, x, s)": np.where(x > y, x, s),
    "x if x > y else y": np.where(x > y, x, y),
    "9 if s > 9 else x if x > 0 else y": np.where(x > 0, x, y),
    "where(x > 0 and y > 0 or s > 1, 1, 0)": ((x > 0) & (y > 0) | (s > 1)) * 1.0,
    "where(s > 0 and s < 2 and x > 0, x, 0)": np.where(x > 0, x, 0),
    "where(not x > 0, x, y)": np.where(x > 0, y, x),
    "where(0 < s < x < 2, 1, 0)": ((s < x) & (x < 2)) * 1.0,
    # linear algebra
    "A @ x": A @ x,
    "x @ A": x @ A,
    "x @ y": x @ y,
    "A @ B @ x - y": A @ B @ x - y,
    "s * A @ x * s / 2": s * A @ x * s / 2,
    "dot(x, y)": x @ y,
    "norm(x - y)": np.linalg.norm(x - y),
    "sum(A)": A.sum(),
    "transpose(A) @ x": A.T @ x,
    "trace(A @ B)": np.trace(A @ B),
    "det(A)": np.linalg.det(A),
    "det(A + B @ transpose(B))": np.linalg.det(A + B @ B.T),
    "det([[s]])": s,
    # literals and parts
    "[s, x[0]] + 1": np.array([s, x[0]]) + 1,
    "[x, y]": np.array([x, y]),
    "[[s, 1], [2, x[1]]] @ [1, s]": np.array([[s, 1], [2, x[1]]]) @ [1, s],
    "[x[0]]": x[:1],
    "x[1:]": x[1:],
    "x[::-1]": x[::-1],
    "A[:, 0]": A[:, 0],
    "A[1]": A[1],
    "A[-1, ::2]": A[-1, ::2],
    "A[0:2, -2:3]": A[0:2, -2:3],
}


@pytest.mark.parametrize("source", MEANINGS)
def test_the_meaning_is_that_of_numpy(source):
    f, wanted = tl.compile(f"{HEADER} {source}"), MEANINGS[source]
    found = f(A, B, x, y, s)
    assert np.shape(found) == np.shape(wanted)
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def test_lets_are_arrays_too():
    f = tl.compile("""unit(x[3], y[3]):
        d = x - y
        above = d > 0
        n = norm(d)
        return d/n, n, d[0], where(above, 1, 0), d[1:]
    """)
    assert f.signature == "(3),(3)->(3),(),(),(3),(2)"
    assert f.output_names == ("out0", "n", "out2", "out3", "out4")
    d = x - y
    for found, wanted in zip(
        f(x, y), (d / np.linalg.norm(d), np.linalg.norm(d), d[0], d > 0, d[1:]), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_derivatives_of_shaped_text():
    f = tl.compile("f(A[3,3], x[3]) = A @ sin(x)")
    wanted = np.hstack([np.kron(np.eye(3), np.sin(x)), A * np.cos(x)])
    np.testing.assert_allclose(f.jacobian(A, x), wanted, rtol=1e-14, atol=1e-15)


def test_elements_are_the_formulas_written_out():
    whole = parse("f(x[2], y[2], s) = s*x/y + 1 - 2**x, x @ y")
    apart = parse(
        "f(x[2], y[2], s) = s*x[0]/y[0] + 1 - 2**x[0], s*x[1]/y[1] + 1 - 2**x[1], x[0]*y[0] + x[1]*y[1]"
    )
    assert whole.output_shapes == ((2,), ())
    (first, second), product = whole.outputs
    assert (first, second, product) == apart.outputs


def test_results_have_a_name_elements_and_a_shape():
    rows = list(parse("[a, b], a*b").results)
    assert [(name, len(elements), shape) for name, elements, shape in rows] == [
        ("out0", 2, (2,)),
        ("out1", 1, ()),
    ]


def test_one_element_of_a_large_array_is_cheap(monkeypatch):
    monkeypatch.setattr(text_operands, "MAX_ELEMENTS", 10)
    assert parse("f(x[1000]) = x[1]*x[-1]").output_shapes == ((),)
    with pytest.raises(LimitError, match="more than 10 elements"):
        parse("f(x[1000]) = x")


@pytest.mark.parametrize(
    "source", ["f(x[4]) = x + x", "f(x[3]) = sum(x*x)", "f(A[2,2]) = A @ A", "[[1, 2], [3, 4]]"]
)
def test_work_on_arrays_is_limited(source, monkeypatch):
    monkeypatch.setattr(text_operands, "MAX_ELEMENTS", 5)
    with pytest.raises(LimitError, match="more than 5 elements"):
        parse(source)


def test_shapes_do_not_make_texts_slow_to_refuse():
    with pytest.raises(LimitError, match="elements together"):
        parse("f(A[1000,1000]) = " + " + ".join(["A"] * 10_000))
    with pytest.raises(tl.FormulaError, match="at most 32 axes"):
        parse("f(x[2]) = " + "[" * 40 + "x" + "]" * 40)
    with pytest.raises(tl.FormulaError, match="at most 32 axes"):
        parse(f"f(x[{', '.join(['1'] * 70)}]) = x")
