"""The graph that is drawn: its boxes, and the numbers in them."""

from __future__ import annotations

import numpy as np
import pytest

import tapeless as tl
from gallery import GALLERY
from tapeless.api import read
from tapeless.report.drawing import draw
from tapeless.report.flow import MOST, flow
from tapeless.report.mathml import greek


def labels(text):
    return [box.label for box in flow(read(text), None).boxes]


@pytest.mark.parametrize("entry", GALLERY, ids=lambda entry: entry.name)
def test_values_and_adjoints_of_inputs_and_outputs(entry):
    f = tl.compile(entry.text)
    point = [low + 0.6 * (high - low) for low, high in entry.ranges.values()]
    drawn = flow(f.program, point)
    first, *_ = f(*point) if len(f.output_names) > 1 else (f(*point),)
    inputs = {box.label: box for box in drawn.boxes if box.kind == "input"}
    cotangents = (1.0,) + (0.0,) * (len(f.output_names) - 1)
    for name, value, gradient in zip(f.input_names, point, f.backward(cotangents, *point), strict=True):
        box = inputs.pop(greek(name))
        assert box.value == pytest.approx(value)
        assert box.adjoint == pytest.approx(gradient, rel=1e-6, abs=1e-9)
    assert not inputs
    outputs = [box for box in drawn.boxes if box.kind == "output"]
    source = drawn.boxes[outputs[0].edges[0].source]
    assert source.value == pytest.approx(first)


def test_every_arrow_comes_from_a_box_before():
    for entry in GALLERY:
        for place, box in enumerate(flow(read(entry.text), None).boxes):
            assert all(edge.source < place for edge in box.edges)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("w*x + b", ["w", "x", "×", "b", "+", "out"]),
        ("x - y", ["x", "y", "−", "out"]),
        ("x/y", ["x", "y", "÷", "out"]),
        ("1 - x", ["x", "1 − ·", "out"]),
        ("x + 1", ["x", "· + 1", "out"]),
        ("x - 1", ["x", "· − 1", "out"]),
        ("2*x", ["x", "2 ·", "out"]),
        ("-x", ["x", "−·", "out"]),
        ("1/x", ["x", "1 / ·", "out"]),
        ("x/sqrt(2)", ["x", "· / √2", "out"]),
        ("x**3", ["x", "·³", "out"]),
        ("x**y", ["x", "y", "xʸ", "out"]),
        ("2**x", ["x", "2^·", "out"]),
        ("max(x, 0)", ["x", "max(·, 0)", "out"]),
        ("x*y*z/2", ["x", "y", "z", "0.5 ×", "out"]),
        ("x + y - z + 3", ["x", "y", "z", "+ … + 3", "out"]),
        ("log(sigma)", ["σ", "ln", "out"]),
        ("where(x < 1/3, x, 2)", ["x", "· < 1/3", "else 2", "out"]),
    ],
)
def test_labels(text, expected):
    assert labels(text) == expected


def test_marks_tell_arguments_apart():
    def marks(text):
        return {edge.mark for box in flow(read(text), None).boxes for edge in box.edges}

    assert marks("x - y") == {"", "−"}
    assert marks("x/y") == {"", "÷"}
    assert marks("x + y") == {""}
    assert marks("atan2(x, y)") == {"", "1", "2"}
    assert {"if", "then", "else"} <= marks("where(x < y, x*y, x - y)")


def test_a_branch_not_taken_has_no_adjoint():
    boxes = flow(read("where(x > 0, sqrt(x), x**2)"), [-2.0]).boxes
    root = next(box for box in boxes if box.label == "√")
    assert root.value is None
    assert root.adjoint == 0
    assert next(box for box in boxes if box.kind == "input").adjoint == -4.0


def test_a_large_graph_is_not_drawn():
    large = flow(read(" + ".join(f"sin({k}*x)" for k in range(1, MOST))), [1.0])
    assert large.boxes == ()
    assert large.operations > MOST


def test_outputs_that_are_inputs_or_constants():
    drawn = flow(read("f(x, y):\n    return x, 3, x*y"), [1.0, 2.0])
    assert [box.label for box in drawn.boxes if box.kind == "output"] == ["out0", "out1", "out2"]
    assert "3" in [box.label for box in drawn.boxes]


def test_inputs_with_a_shape():
    drawn = flow(read("f(x[3]) = x[0]*x[2]"), [2.0, 3.0, 5.0])
    assert [(box.label, box.value, box.adjoint) for box in drawn.boxes if box.kind == "input"] == [
        ("x[0]", 2.0, 5.0),
        ("x[2]", 5.0, 2.0),
    ]


def test_the_drawing_holds_every_box_and_arrow():
    drawn = flow(read("f(x, y) = (x*y + sin(x))/(1 + y**2)"), np.array([0.5, 2.0]))
    svg = draw(drawn, 'a "graph" of <f>')
    assert svg.count("<rect") == len(drawn.boxes)
    assert svg.count('class="arrow"') == sum(len(box.edges) for box in drawn.boxes)
    assert "a &quot;graph&quot; of &lt;f&gt;" in svg
    assert svg.count('class="adjoint"') == sum(box.adjoint is not None for box in drawn.boxes)
