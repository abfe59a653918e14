"""The page: complete in itself, true, and safe whatever the names are."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import sympy

import tapeless as tl
from gallery import BY_NAME
from tapeless.report import Report, report

VOID = {"meta", "br", "hr", "img", "link", "input"}
HOSTILE = [
    '<script>alert("x")</script>',
    '"><svg onload=alert(1)>',
    "a</title><b>",
    "{{ 7*7 }}",
    "javascript:alert(1)",
    "x' onmouseover='y",
    "</style><p>",
]


class Reader(HTMLParser):
    """Notes tags, attributes and text, and that every tag is closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.said, self.styles = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.styles if self.open and self.open[-1] == "style" else self.said).append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def assert_alone(page):
    """It loads nothing, runs nothing, and leads nowhere else."""
    found = read(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "form", "base"} & set(found.tags)
    for tag, name, value in found.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("src", "srcset", "action", "data", "xlink:href", "formaction"), (tag, name)
        if name == "href":
            assert value.startswith("#")
    assert not re.search(r"url\(|@import|https?:", "".join(found.styles))
    assert ("meta", "http-equiv", "Content-Security-Policy") in found.attributes
    return found


@pytest.fixture(scope="module")
def morse():
    entry = BY_NAME["morse"]
    return report(tl.compile(entry.text), ranges=entry.ranges)


def test_it_is_one_page_and_asks_for_nothing(morse):
    found = assert_alone(morse)
    assert morse.startswith("<!doctype html>")
    assert found.tags.count("html") == found.tags.count("h1") == 1


def test_what_is_on_it(morse):
    found = read(morse)
    said = "".join(found.said)
    assert [a for t, n, a in found.attributes if t == "section" and n == "id"] == [
        "derivatives", "graph", "check", "curves", "cost", "edges", "source",
    ] or "edges" not in morse  # fmt: skip
    assert "all 5 ok" in said
    assert found.tags.count("figure") == 4
    assert found.tags.count("math") >= 5
    assert "morse_forward_backward" in said
    assert "depth*(1 - exp(-a*(r - r0)))**2" in said
    assert r"\frac{\partial" in said
    assert "Throughput" not in said


def test_every_link_has_its_place(morse):
    found = read(morse)
    places = {value for _, name, value in found.attributes if name == "id"}
    links = {value[1:] for _, name, value in found.attributes if name == "href"}
    assert links <= places


def test_it_says_where_the_formula_has_a_kink():
    html = Report(tl.compile("abs(x - 1)*y")).html
    assert "Where the formula is not differentiable" in html
    assert "<li>out has a kink where x = 1 (by x): the derivative there is 0, by convention.</li>" in html


def test_a_failed_check_is_said():
    class Wrong:
        """A function whose gradient is off by a thousandth."""

        def __init__(self, function):
            self.function = function

        def __getattr__(self, name):
            return getattr(self.function, name)

        def __call__(self, *primals):
            return self.function(*primals)

        def backward(self, cotangents, *primals):
            return tuple(1.001 * part for part in self.function.backward(cotangents, *primals))

    found = Report(Wrong(tl.compile("x*sin(x)")))
    assert not found.check.ok
    assert "1 of 2 FAILED" in found.html
    assert 'class="verdict bad"' in found.html


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(name):
    """As names of inputs, beside a harmless function of the same form: not one tag or attribute more."""
    x, y, other = sympy.Symbol(name, real=True), sympy.Symbol("y", real=True), sympy.Symbol("x", real=True)

    def page(symbol):
        return report(tl.compile(symbol**2 + sympy.sin(y), inputs=[symbol, y]), points=4)

    hostile, harmless = assert_alone(page(x)), assert_alone(page(other))
    # Names that take an index are written in more elements, and long ones change no shape of the page.
    shape = [tag for tag in hostile.tags if tag not in ("msub", "mrow", "mn", "mo", "mi", "mtext", "mover")]
    want = [tag for tag in harmless.tags if tag not in ("msub", "mrow", "mn", "mo", "mi", "mtext", "mover")]
    assert shape == want
    assert "49" not in "".join(hostile.said) or "7*7" not in name


def test_a_hostile_text_is_shown_as_it_is():
    page = report(tl.compile("f(x) = where(x < 3, x, 3) + 0*x  # <script>"), points=4)
    assert "<script>" not in page
    assert "&lt; 3" in page


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("besselj(x, 2)", {}, "is not known"),
        ("f(x[2], m[2, 2]) = m @ x", {}, "x[2], m[2, 2]"),
        ("f(x, y):\n    u = x*y\n    v = x - y\n    return u, v", {"wrt": "x"}, "differentiated by x"),
        ("sin(x)*y", {"dtype": "float32"}, "float32"),
        ("f(x, y) = x**2", {}, "x"),
        ("f(x) = 3 + 0*x", {}, "3"),
        ("where(x > 0, sqrt(x), -x)", {}, "the branch not taken"),
    ],
)
def test_functions_of_all_sorts(source, options, says):
    page = report(tl.compile(source, **options), points=4)
    found = assert_alone(page)
    assert says.replace(" ", "") in "".join("".join(found.said).split())


def test_a_large_function_says_what_it_leaves_out():
    def energy(x):
        return np.sum(np.sin(x[1:] * x[:-1])) + np.sum(np.exp(-(x**2)))

    page = report(tl.compile(energy, inputs={"x": (40,)}), points=2)
    said = " ".join("".join(assert_alone(page).said).split())
    assert "too many to draw" in said
    assert "34 more are not drawn" in said
    found = Report(tl.compile(lambda x: x @ x, inputs={"x": (60,)}, name="square"), points=2)
    assert "1 by 60 derivatives, too many" in found.html


def test_ranges_decide_where():
    f = tl.compile("log(x - 10)")
    with pytest.raises(tl.ArgumentError, match="no point"):
        report(f, points=2)
    assert Report(f, ranges={"x": (11, 20)}, points=4).check.ok
    with pytest.raises(tl.ArgumentError, match="ranges names 'y'"):
        report(f, ranges={"y": (0, 1)})
    with pytest.raises(tl.ArgumentError, match="pair"):
        report(f, ranges={"x": 3})


def test_throughput_when_asked(monkeypatch):
    from tapeless.report import throughput

    monkeypatch.setattr(throughput, "_SAMPLE", 1e-6)
    monkeypatch.setattr(throughput, "_ROUNDS", 1)
    page = report(tl.compile("f(x, m[2]) = x*m[0] + m[1]"), points=2, bench=True)
    said = "".join(assert_alone(page).said)
    assert "Throughput" in said
    assert "1\u202f000\u202f000" in said
    assert "both in one pass" in said


def test_the_same_page_each_time():
    f = tl.compile("f(x, y) = exp(-x)*cos(y)")
    assert report(f, points=4) == report(f, points=4)
