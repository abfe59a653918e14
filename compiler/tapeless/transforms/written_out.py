"""Functions that no target has, written out in those that all have: the last step before a kernel is made.

Derivatives are taken before that, by the rules of the table, so that what is written here for a value need not be
fit for being differentiated.

===============================  ==================================================================================
function                         as written out
===============================  ==================================================================================
``1/cosh(x)``                    2*e/(1 + e**2) with e = exp(-abs(x))
``log(cosh(x))``                 with t = expm1(-abs(x)): log1p(t**2/(2*(1 + t))) near 0, abs(x) + log1p(t + t**2/2)
``1 - cos(x)``                   2*sin(x/2)**2
``1/(exp(x) - 1)``               1/expm1(x)
``exp(x)/(exp(x) - 1)``          1 + 1/expm1(x) on the right, exp(x)/expm1(x) on the left
``x*log(x)``                     0 at 0
``a**b - 1``                     expm1(b*log(a)) near 0; beyond as it stands, for the product is rounded
``a**2 - b**2``                  (a - b)*(a + b)
``a/(a + b)``                    as it stands
``a**2/(a**2 - b**2)``           a**2/((a - b)*(a + b))
``(a*b + c*d)/(a + c)``          as it stands
``a/(exp(a/b) - 1)``             with t = -abs(a/b): -a*exp(t)/expm1(t) on the right, a/expm1(t) on the left
``(x/(2*sinh(x/2)))**2``         with t = -abs(x): exp(t)*(t/expm1(t))**2, 1 at 0
``sqrt(b**2 - 4*a*c)``           the root of a difference of products that are not rounded
``(sqrt(...) - b)/(2*a)``        for negative b, with r = sqrt(...); else -2*c/(b + r)
``log(exp(a) + exp(b) + ...)``   with m the largest: m + log(exp(a - m) + exp(b - m) + ...)
``exp(a - log(exp(a) + ...))``   exp(a - m)/(exp(a - m) + ...): the logarithm is rounded, and exp magnifies that
``f(x)/x`` and its derivatives   the power series near 0; beyond, y_n = (f_n - n*y_(n-1))/x (Leibniz' rule)
===============================  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final

from tapeless.ir.graph import HALF, ONE, Builder, Graph
from tapeless.ir.primitives import OVER
from tapeless.ir.program import Program, compacted
from tapeless.ir.series import derivative_at_zero

_ENOUGH: Final = Fraction(1, 2**56)
"""Terms of a series below this part of its first are left out."""


def written_out(program: Program) -> Program:
    """Return a program for the same function without the operations in the table above.

    Parameters
    ----------
    program
        Any program. One that has none of them comes back as it is.

    Returns
    -------
    Program
        With the same name, inputs, names and shapes of outputs.
    """
    graph = program.graph
    if not WRITTEN_OUT.keys() & set(graph.ops):
        return program
    builder = Builder()
    new: list[int] = []
    for op, args, payload in zip(graph.ops, graph.args, graph.payloads, strict=True):
        moved = tuple([new[arg] for arg in args])
        recipe = WRITTEN_OUT.get(op)
        if recipe is not None:
            made = recipe(builder, *moved)
        elif (whole := _whole(graph, op, args)) is not None:
            part, terms = whole
            made = _part_of_whole(builder, new[part], [new[term] for term in terms])
        else:
            made = builder.node(op, moved, payload)
        new.append(made)
    outputs = tuple(replace(o, nodes=tuple([new[node] for node in o.nodes])) for o in program.outputs)
    return compacted(replace(program, outputs=outputs, graph=builder.freeze()))


def _sech(b: Builder, x: int) -> int:
    e = b.call("exp", b.neg(b.call("abs", x)))
    return b.div(b.mul(b.rational(2), e), b.add(b.rational(1), b.pow(e, b.rational(2))))


def _log_cosh(b: Builder, x: int) -> int:
    size = b.call("abs", x)
    t = b.call("expm1", b.neg(size))
    square = b.mul(b.rational(HALF), b.pow(t, b.rational(2)))
    near = b.compare("lt", size, b.rational(1))
    inner = b.select(near, b.div(square, b.add(b.rational(1), t)), b.add(t, square))
    return b.add(b.select(near, b.rational(0), size), b.call("log1p", inner))


def _versin(b: Builder, x: int) -> int:
    return b.mul(b.rational(2), b.pow(b.call("sin", b.mul(b.rational(HALF), x)), b.rational(2)))


def _bose(b: Builder, x: int) -> int:
    return b.div(b.rational(1), b.call("expm1", x))


def _bose1(b: Builder, x: int) -> int:
    """Return 1 + bose(x); where that cancels, on the left, exp(x) cannot overflow."""
    one = b.rational(1)
    other = _bose(b, x)
    return b.select(b.compare("lt", x, b.rational(0)), b.mul(b.call("exp", x), other), b.add(one, other))


def _xlogx(b: Builder, x: int) -> int:
    zero = b.rational(0)
    return b.select(b.compare("eq", x, zero), zero, b.mul(x, b.call("log", x)))


def _xlog1px(b: Builder, x: int) -> int:
    product = b.mul(b.add(b.rational(1), x), b.call("log1p", x))
    return b.select(b.compare("eq", x, b.rational(-1)), b.rational(0), product)


def _powm1(b: Builder, base: int, exponent: int) -> int:
    product = b.mul(b.call("log", base), exponent)
    power = b.call("exp2", exponent) if b.rational_value(base) == 2 else b.pow(base, exponent)
    near = b.compare("lt", b.call("abs", product), b.rational(HALF))
    return b.select(near, b.call("expm1", product), b.sub(power, b.rational(1)))


def _squares(b: Builder, x: int, y: int) -> int:
    return b.mul(b.sub(x, y), b.add(x, y))


def _share(b: Builder, x: int, y: int) -> int:
    return b.div(x, b.add(x, y))


def _square_share(b: Builder, x: int, y: int) -> int:
    return b.div(
        b.pow(x, b.rational(2)), _squares(b, b.call("abs", x), b.call("abs", y))
    )  # for a pole's sign


def _mean2(b: Builder, v: int, x: int, w: int, y: int) -> int:
    return b.div(b.add(b.mul(v, x), b.mul(w, y)), b.add(v, w))


def _quantum(b: Builder, x: int, y: int) -> int:
    """Return x/(exp(x/y) - 1): on the right through exp(-x/y), for there exp(x/y) overflows."""
    ratio = b.div(x, y)
    falling = b.neg(b.call("abs", ratio))
    one = b.rational(1)
    power = b.select(b.compare("lt", ratio, b.rational(0)), one, b.neg(b.call("exp", falling)))
    away = b.div(b.mul(x, power), b.call("expm1", falling))
    return b.select(b.compare("eq", ratio, b.rational(0)), y, away)


def _einstein(b: Builder, x: int) -> int:
    falling = b.neg(b.call("abs", x))
    ratio = b.div(falling, b.call("expm1", falling))
    away = b.mul(b.mul(b.call("exp", falling), ratio), ratio)  # in this order: the square may overflow
    return b.select(b.compare("eq", x, b.rational(0)), b.rational(1), away)


def _discriminant(b: Builder, x: int, y: int, z: int) -> int:
    return b.call("sqrt", b.call("products", y, y, b.mul(b.rational(4), x), z))


def _quadratic(b: Builder, x: int, y: int, z: int) -> int:
    """Return the root by what adds up: (r - y)/(2*x) for negative y, else -2*z/(y + r)."""
    zero, two = b.rational(0), b.rational(2)
    root = _discriminant(b, x, y, z)
    plain = b.compare("lt", y, zero)
    together = b.select(plain, b.sub(y, root), b.add(y, root))
    above = b.select(b.or_(plain, b.compare("eq", together, zero)), b.neg(together), b.mul(b.rational(-2), z))
    return b.div(above, b.select(plain, b.mul(two, x), together))


def _logsumexp(b: Builder, *args: int) -> int:
    """An infinity is its own result: subtracted from itself, it would be NaN."""
    top = b.maximum(*args)
    if len(args) == 2:
        rest = b.call("log1p", b.call("exp", b.neg(b.call("abs", b.sub(*args)))))
    else:
        rest = b.call("log", _sum_below(b, args, top))
    return b.select(_is_finite(b, top), b.add(top, rest), top)


def _is_finite(b: Builder, x: int) -> int:
    return b.compare("lt", b.call("abs", x), b.named("inf"))


def _whole(graph: Graph, op: str, args: tuple[int, ...]) -> tuple[int, tuple[int, ...]] | None:
    """Return a and (a, b, ...) of exp(a - log(exp(a) + exp(b) + ...)), written either way; None for others."""
    if op == "exp" and graph.ops[args[0]] == "sub":
        args = graph.args[args[0]]
    elif op != "exp_gap":
        return None
    part, whole = args
    terms = graph.args[whole]
    return (part, terms) if graph.ops[whole] == "logsumexp" and part in terms and len(terms) > 2 else None


def _part_of_whole(b: Builder, part: int, terms: Sequence[int]) -> int:
    """Return exp(a)/(exp(a) + exp(b) + ...); beside an infinite b it is 0 for a finite a."""
    top = b.maximum(*terms)
    above = b.call("exp", b.sub(part, top))
    return b.select(_is_finite(b, top), b.div(above, _sum_below(b, terms, top)), above)


def _sum_below(b: Builder, terms: Sequence[int], top: int) -> int:
    return b.sum([b.call("exp", b.sub(x, top)) for x in terms])


# ---- the derivatives of f(x)/x


def _over(name: str) -> Callable[[Builder, int, int], int]:
    def recipe(b: Builder, x: int, order: int) -> int:
        value = b.rational_value(order)
        assert value is not None
        n = int(value)
        one = b.rational(1)
        slopes = _slopes(b, name, x, n)
        far = b.div(slopes[0], x)
        if not n:
            return b.select(b.compare("eq", x, b.rational(0)), one, far)
        for k in range(1, n + 1):
            far = b.div(b.sub(slopes[k], b.mul(b.rational(k), far)), x)
        reach = _reach(name, n)
        near = b.compare("lt", b.call("abs", x), b.rational(reach))
        return b.select(near, _series(b, name, x, n, reach), far)

    return recipe


def _reach(name: str, n: int) -> Fraction:
    """Return how far the series is used: where it still converges fast, and the quotient already has its digits."""
    if name in ("sin", "expm1"):
        return Fraction(n + 1, 2)
    return Fraction(1, 4) if name == "log1p" else HALF


def _series(b: Builder, name: str, x: int, n: int, reach: Fraction) -> int:
    """Return the power series by Horner's rule, in x**2 where every other coefficient is zero."""
    step = 1 if name in ("expm1", "log1p") else 2
    k = 0 if step == 1 or n % 2 == 0 else 1
    first = k
    terms: list[Fraction] = []
    while True:
        term = derivative_at_zero(name, n, k)
        if terms and abs(term) * reach ** (k - first) < _ENOUGH * abs(terms[0]):
            break
        terms.append(term)
        k += step
    variable = x if step == 1 else b.pow(x, b.rational(2))
    total = b.rational(terms[-1])
    for term in reversed(terms[:-1]):
        total = b.add(b.mul(total, variable), b.rational(term))
    return b.mul(total, x) if first else total


def _slopes(b: Builder, name: str, x: int, n: int) -> list[int]:
    """Return f(x) and its derivatives up to order n."""
    value = b.call(name, x)
    if name == "sin":
        cosine = b.call("cos", x) if n else value
        return [(value, cosine, b.neg(value), b.neg(cosine))[k % 4] for k in range(n + 1)]
    if name == "expm1":
        return [value] + [b.call("exp", x)] * n if n else [value]
    found = [value]
    if name == "log1p":
        slope = below = b.div(b.rational(1), b.add(b.rational(1), x))
        for k in range(1, n + 1):
            found.append(slope)
            slope = b.mul(b.rational(-k), b.mul(slope, below))
        return found
    flat = b.call("sech2", x) if n else value
    row = [ONE]  # the derivative is sech2(x) times a polynomial in tanh(x)
    for _ in range(n):
        total = b.rational(row[-1])
        for c in reversed(row[:-1]):
            total = b.add(b.mul(total, value), b.rational(c))
        found.append(b.mul(flat, total))
        longer = [Fraction(0)] * (len(row) + 1)
        for k, c in enumerate(row):
            longer[k + 1] -= (2 + k) * c
            if k:
                longer[k - 1] += k * c
        row = longer
    return found


WRITTEN_OUT: Final[dict[str, Callable[..., int]]] = {
    "inv_cosh": _sech,
    "log_cosh": _log_cosh,
    "versin": _versin,
    "bose": _bose,
    "bose1": _bose1,
    "xlogx": _xlogx,
    "xlog1px": _xlog1px,
    "powm1": _powm1,
    "squares": _squares,
    "share": _share,
    "square_share": _square_share,
    "mean2": _mean2,
    "quantum": _quantum,
    "einstein": _einstein,
    "discriminant": _discriminant,
    "quadratic": _quadratic,
    "quadratic1": lambda b, *args: b.neg(b.div(_quadratic(b, *args), _discriminant(b, *args))),
    "logsumexp": _logsumexp,
    "softmax": lambda b, *args: _part_of_whole(b, args[0], sorted(args)),
    **{name: _over(name.removesuffix("_over")) for name in OVER},
}
"""Operation -> its recipe."""
