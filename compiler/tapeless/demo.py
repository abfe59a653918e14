"""`tapeless demo`: the main job on real input."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import tapeless

if TYPE_CHECKING:
    from tapeless.function import Function

Array = np.ndarray[Any, Any]

_POINTS: Final = 1_000_000
_RUNS: Final = 7

LINE: Final = "line(w, x, b) = w*x + b"
GELU: Final = "gelu(x) = x*(1 + erf(x/sqrt(2)))/2"
GELU_TANH: Final = "gelu_tanh(x) = x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))/2"
CALL: Final = """\
call(S, K, r, sigma, T):
    d1 = (log(S/K) + (r + sigma**2/2)*T)/(sigma*sqrt(T))
    d2 = d1 - sigma*sqrt(T)
    return S*erfc(-d1/sqrt(2))/2 - K*exp(-r*T)*erfc(-d2/sqrt(2))/2"""
MISRA1A_MODEL: Final = "misra1a(b1, b2, x) = b1*(1 - exp(-b2*x))"

# NIST/ITL Statistical Reference Datasets, Nonlinear Regression, Misra1a (lower level of difficulty, observed data):
# D. Misra, NIST (1978), Dental Research Monomolecular Adsorption Study. y is volume, x is pressure.
MISRA1A_Y: Final = (
    10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78,
)  # fmt: skip
MISRA1A_X: Final = (
    77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0,
)  # fmt: skip
MISRA1A_STARTS: Final = ((500.0, 0.0001), (250.0, 0.0005))
# As NIST prints them: b1, b2, their standard deviations, the residual sum of squares.
MISRA1A_CERTIFIED: Final = (
    ("b1", "2.3894212918E+02"),
    ("b2", "5.5015643181E-04"),
    ("sd of b1", "2.7070075241E+00"),
    ("sd of b2", "7.2668688436E-06"),
    ("residual sum of squares", "1.2455138894E-01"),
)
_CERTIFIED_DIGITS: Final = 11
_MAX_STEPS: Final = 200


def run() -> None:
    """Print the demo on standard output."""
    started = time.perf_counter()
    page = Page()
    page.text(f"tapeless {tapeless.__version__}: write the forward formula, get the backward in C.")
    _show_line(page)
    _show_gelu(page)
    _show_black_scholes(page)
    _show_fit(page)
    page.text("")
    page.text(f"All of that, compiling included, took {time.perf_counter() - started:.1f} seconds.")


# ---------------------------------------------------------------- a line


def _show_line(page: Page) -> None:
    page.heading("1. A line: formula in, backward out")
    line = tapeless.compile(LINE)
    page.code(f'line = tapeless.compile("{LINE}")', "python")
    page.text("Its backward, derived from the formula (out_bar is the cotangent of the output):")
    page.text("")
    for name, formula in line.backward_formulas.items():
        page.text(f"  {name}_bar = {formula}")
    page.text("")
    page.text("The C function that runs it:")
    page.text("")
    page.code(c_function(line.source, "line_backward"), "c")
    w, x, b, g = _two_by_two()
    out = line.forward(w, x, b)
    w_bar, x_bar, b_bar = line.backward(g, w, x, b)
    page.text("On 2x2 arrays, with a cotangent g:")
    page.text("")
    for named in (
        {"w": w, "x": x, "b": b, "g": g},
        {"out": out, "w_bar": w_bar, "x_bar": x_bar, "b_bar": b_bar},
    ):
        page.indented("\n".join(_side_by_side(named)))
        page.text("")
    page.verdict("w_bar equals x*g, exactly", np.array_equal(w_bar, x * g))
    page.verdict("x_bar equals w*g, exactly", np.array_equal(x_bar, w * g))
    page.verdict("b_bar equals g, exactly", np.array_equal(b_bar, g))
    page.text("")
    page.text("line.check(w, x, b) compares it with mpmath and with numerical gradients:")
    page.text("")
    page.indented(str(line.check(w, x, b)))


def _two_by_two() -> tuple[Array, Array, Array, Array]:
    """Return w, x, b and a cotangent."""
    return (
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        np.array([[0.5, -1.0], [1.5, 2.0]]),
        np.array([[0.1, 0.2], [0.3, 0.4]]),
        np.array([[1.0, 0.5], [-2.0, 0.25]]),
    )


def c_function(source: str, name: str) -> str:
    """Return one function of a C text, from its comment to its closing brace."""
    start = source.index(f"void {name}(")
    return source[source.rindex("/*", 0, start) : source.index("\n}\n", start) + 2]


def _side_by_side(arrays: Mapping[str, Array]) -> list[str]:
    """Return 2x2 arrays beside each other, the name before the first row."""
    heads = {name: (f"{name} =", " " * len(f"{name} =")) for name in arrays}
    return [
        "   ".join(
            f"{heads[name][row]} [{array[row, 0]:5.3g} {array[row, 1]:5.3g} ]"
            for name, array in arrays.items()
        )
        for row in range(2)
    ]


# ---------------------------------------------------------------- gelu


def _show_gelu(page: Page) -> None:
    page.heading("2. gelu: a million points, value and derivative in one pass")
    gelu, gelu_tanh = tapeless.compile(GELU), tapeless.compile(GELU_TANH)
    page.formulas(GELU, GELU_TANH)
    x = np.random.default_rng(0).uniform(-6, 6, _POINTS)
    value, slope = np.empty_like(x), np.empty_like(x)
    ours, tanh_ours, theirs = timed(
        lambda: gelu.value_and_grad(x, out=(value, (slope,))),
        lambda: gelu_tanh.value_and_grad(x, out=(value, (slope,))),
        lambda: gelu_tanh_by_hand(x),
    )
    page.table(
        [
            ("", "ns per point", "million points/s"),
            ("gelu, compiled", *_rate(ours)),
            ("gelu_tanh, compiled", *_rate(tanh_ours)),
            ("gelu_tanh, NumPy with the derivative by hand", *_rate(theirs)),
        ],
        right=(1, 2),
    )
    by_hand = gelu_tanh_by_hand(x)
    computed = gelu_tanh.value_and_grad(x)
    worst = max(
        float(np.max(np.abs(computed[0] - by_hand[0]))), float(np.max(np.abs(computed[1][0] - by_hand[1])))
    )
    page.text("")
    page.text(
        f"Medians of {_RUNS} runs, taken in turns, float64, one thread. What is compiled writes into arrays"
    )
    page.text("given by out=, NumPy makes new ones. NumPy has no erf, so it runs the approximation by tanh.")
    page.verdict(
        "gelu_tanh and its derivative agree with NumPy", worst < 1e-13, f"largest difference {worst:.1e}"
    )


def gelu_tanh_by_hand(x: Array) -> tuple[Array, Array]:
    """Return gelu_tanh and its derivative as one would write them in NumPy."""
    c = math.sqrt(2 / math.pi)
    square = x * x
    t = np.tanh(c * x * (1 + 0.044715 * square))
    half = (1 + t) / 2
    return x * half, half + x / 2 * (1 - t * t) * (c * (1 + 3 * 0.044715 * square))


def timed(*calls: Callable[[], object]) -> list[float]:
    """Return the median of the seconds that each call takes, measured in turns after one call to warm up."""
    for call in calls:
        call()
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(_RUNS):
        for call, row in zip(calls, seconds, strict=True):
            start = time.perf_counter()
            call()
            row.append(time.perf_counter() - start)
    return [median(row) for row in seconds]


def _rate(seconds: float) -> tuple[str, str]:
    return f"{seconds / _POINTS * 1e9:.1f}", f"{_POINTS / seconds / 1e6:.0f}"


# ---------------------------------------------------------------- Black-Scholes


def _show_black_scholes(page: Page) -> None:
    page.heading("3. A European call by Black and Scholes, with all its Greeks")
    call = tapeless.compile(CALL)
    page.formulas(CALL)
    _show_one_option(page, call)
    market = market_of(_POINTS)
    out = np.empty(_POINTS), tuple(np.empty(_POINTS) for _ in market)
    price_alone, with_greeks = timed(
        lambda: call.forward(*market, out=out[0]), lambda: call.value_and_grad(*market, out=out)
    )
    page.text("")
    page.table(
        [
            ("a million options", "ns per point", "million points/s", "operations per point"),
            ("price", *_rate(price_alone), str(call.op_counts("forward")["total"])),
            (
                "price and five derivatives",
                *_rate(with_greeks),
                str(call.op_counts("value_and_grad")["total"]),
            ),
        ],
        right=(1, 2, 3),
    )
    page.text("")
    page.text("What theory says of them, on all of the million:")
    for what, error in identities(call, market).items():
        page.verdict(what, error < 1e-9, f"worst error {error:.1e}")


def _show_one_option(page: Page, call: Function) -> None:
    S, K, r, sigma, T = 100.0, 100.0, 0.05, 0.2, 1.0
    price, (delta, by_strike, rho, vega, by_time) = call.value_and_grad(S, K, r, sigma, T)
    exact = closed_form(S, K, r, sigma, T)
    computed = (price, delta, by_strike, rho, vega, -by_time)
    page.text(
        f"At S={S:g}, K={K:g}, r={r:g}, sigma={sigma:g}, T={T:g}, beside the closed forms from the textbook:"
    )
    page.text("")
    page.table(
        [
            ("", "compiled", "closed form", "difference"),
            *(
                (name, f"{value:.12f}", f"{truth:.12f}", f"{abs(value - truth):.0e}")
                for (name, truth), value in zip(exact.items(), computed, strict=True)
            ),
        ],
        right=(1, 2, 3),
    )


def closed_form(S: float, K: float, r: float, sigma: float, T: float) -> dict[str, float]:
    """Return price and Greeks of a call as textbooks give them, with the distribution function from `math`."""
    d1 = (math.log(S / K) + (r + sigma**2 / 2) * T) / (sigma * math.sqrt(T))
    d2 = d1 - sigma * math.sqrt(T)
    discounted = K * math.exp(-r * T)
    density = math.exp(-(d1**2) / 2) / math.sqrt(2 * math.pi)
    return {
        "price": S * _normal(d1) - discounted * _normal(d2),
        "delta = dC/dS": _normal(d1),
        "dC/dK": -discounted / K * _normal(d2),
        "rho = dC/dr": T * discounted * _normal(d2),
        "vega = dC/dsigma": S * density * math.sqrt(T),
        "theta = -dC/dT": -S * density * sigma / (2 * math.sqrt(T)) - r * discounted * _normal(d2),
    }


def _normal(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def market_of(count: int) -> tuple[Array, ...]:
    """Return S, K, r, sigma and T of options near the money."""
    source = np.random.default_rng(1)
    ranges = ((80, 120), (80, 120), (0.01, 0.08), (0.1, 0.5), (0.25, 2))
    return tuple(source.uniform(low, high, count) for low, high in ranges)


def identities(call: Function, market: Sequence[Array]) -> dict[str, float]:
    """Return what must hold of the Greeks, each with its largest error relative to its terms."""
    S, K, r, sigma, T = market
    price, (delta, by_strike, rho, vega, by_time) = call.value_and_grad(*market)
    # The second derivative: delta is a function like any other, and so is differentiated again.
    gamma = call.derivative("grad", wrt="S").grad(*market, wrt="S")
    half = sigma**2 * S**2 / 2
    return {
        "price is homogeneous:  S*dC/dS + K*dC/dK = C": _gap(S * delta + K * by_strike, price, S * delta),
        "discounting:  dC/dr = -K*T*dC/dK": _gap(rho, -K * T * by_strike, rho),
        "vega and gamma:  dC/dsigma = sigma*T*S^2*d2C/dS2": _gap(vega, 2 * half / sigma * T * gamma, vega),
        "Black-Scholes:  dC/dT = sigma^2*S^2/2*d2C/dS2 + r*S*dC/dS - r*C": _gap(
            by_time, half * gamma + r * S * delta - r * price, by_time
        ),
    }


def _gap(left: Array, right: Array, scale: Array) -> float:
    return float(np.max(np.abs(left - right) / np.abs(scale)))


# ---------------------------------------------------------------- a fit


@dataclass(frozen=True)
class Fit:
    """A least-squares fit: parameters, their standard deviations, residual sum of squares, steps."""

    parameters: Array
    deviations: Array
    squares: float
    steps: int


def fit(model: Function, x: Array, y: Array, start: Sequence[float]) -> Fit:
    """Fit a model by Levenberg and Marquardt's method.

    Parameters
    ----------
    model
        Function of the parameters and x; compiled gradients by the parameters make up the Jacobian.
    x, y
        The observations.
    start
        Where to begin.

    Returns
    -------
    Fit
    """
    parameters, damping, steps = np.array(start), 1e-3, 0

    def residuals(p: Array) -> tuple[Array, Array]:
        value, gradient = model.value_and_grad(*p, x)
        return y - value, np.stack(gradient, axis=1)

    r, J = residuals(parameters)
    while steps < _MAX_STEPS:
        steps += 1
        scale = np.linalg.norm(J, axis=0)
        # Solve (J'J + damping*D^2) step = J'r by least squares: J'J itself would square the condition number.
        padded = np.vstack([J, np.diag(math.sqrt(damping) * scale)])
        step = np.linalg.lstsq(padded, np.concatenate([r, np.zeros(len(start))]), rcond=None)[0]
        r_next, J_next = residuals(parameters + step)
        small = bool(np.all(np.abs(step) <= 1e-12 * np.abs(parameters)))
        # Near the minimum the sum of squares changes by less than its own rounding, the step is still good.
        if r_next @ r_next <= (1 + 1e-13) * (r @ r):
            parameters, r, J, damping = parameters + step, r_next, J_next, damping / 3
        else:
            damping *= 2
        if small:
            break
    squares = float(r @ r)
    R = np.linalg.qr(J, mode="r")
    inverse = np.linalg.inv(R)
    variance = squares / (len(y) - len(start))
    return Fit(parameters, np.sqrt(variance * np.sum(inverse**2, axis=1)), squares, steps)


def agreement(value: float, certified: str) -> float:
    """Return how many digits agree: -log10 of the relative error, at most the 11 certified."""
    rounded = float(f"{value:.{_CERTIFIED_DIGITS - 1}E}")  # to as many digits as are certified
    error = abs(rounded / float(certified) - 1)
    if not error < 1:  # NaN as well
        return 0.0
    return min(-math.log10(error), float(_CERTIFIED_DIGITS)) if error else float(_CERTIFIED_DIGITS)


def _show_fit(page: Page) -> None:
    page.heading("4. A fit to certified data: NIST StRD Misra1a, 14 observations")
    model = tapeless.compile(MISRA1A_MODEL, wrt=("b1", "b2"))
    page.formulas(MISRA1A_MODEL)
    page.text("Levenberg-Marquardt, thirty lines of NumPy (tapeless.demo.fit); the Jacobian is the compiled")
    page.text("gradient by b1 and b2. Certified values: NIST StRD, Misra1a (D. Misra, NIST, 1978).")
    x, y = np.array(MISRA1A_X), np.array(MISRA1A_Y)
    for number, start in enumerate(MISRA1A_STARTS, start=1):
        found = fit(model, x, y, start)
        values = (*found.parameters, *found.deviations, found.squares)
        page.text("")
        page.table(
            [
                (f"start {number}: b1={start[0]:g}, b2={start[1]:g}", "certified", "fitted", "digits"),
                *(
                    (name, certified, f"{value:.10E}", f"{agreement(value, certified):.1f}")
                    for (name, certified), value in zip(MISRA1A_CERTIFIED, values, strict=True)
                ),
            ],
            right=(1, 2, 3),
        )
        worst = min(agreement(v, c) for v, (_, c) in zip(values, MISRA1A_CERTIFIED, strict=True))
        page.verdict(f"converged in {found.steps} steps", worst >= 9, f"at least {worst:.1f} digits agree")


# ---------------------------------------------------------------- layout


class Page:
    """Text on standard output: the same words in colour on a terminal, plain elsewhere."""

    def __init__(self) -> None:
        self._console: Any = None
        if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            from rich.console import Console

            self._console = Console(highlight=False)

    def text(self, line: str) -> None:
        """Print a line."""
        self._styled(line, None)

    def heading(self, line: str) -> None:
        """Print a heading."""
        self.text("")
        self._styled(line, "bold cyan")
        self._styled("-" * len(line), "cyan")
        self.text("")

    def indented(self, block: str) -> None:
        """Print lines, indented."""
        for line in block.splitlines():
            self.text(f"  {line}".rstrip())

    def table(self, rows: Sequence[tuple[str, ...]], right: Sequence[int] = ()) -> None:
        """Print aligned columns; those in `right` to the right."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [
                text.rjust(width) if k in right else text.ljust(width)
                for k, (text, width) in enumerate(zip(row, widths, strict=True))
            ]
            self.text(f"  {'   '.join(cells)}".rstrip())

    def formulas(self, *texts: str) -> None:
        """Print formulas, set off by an empty line."""
        self.indented("\n".join(texts))
        self.text("")

    def code(self, block: str, language: str) -> None:
        """Print code as it stands, for its lines are long, and an empty line."""
        if self._console is None:
            print(block)
        else:
            from rich.syntax import Syntax

            syntax = Syntax("", language, theme="ansi_dark", background_color="default")
            self._console.print(syntax.highlight(block), soft_wrap=True, end="")
        self.text("")

    def verdict(self, what: str, ok: bool, detail: str = "") -> None:
        """Print what was found to hold, or not."""
        line = f"  {'ok' if ok else 'NO'}  {what}{f'  ({detail})' if detail else ''}"
        self._styled(line, "green" if ok else "bold red")

    def _styled(self, line: str, style: str | None) -> None:
        if self._console is None:
            print(line)
        else:
            self._console.print(line, style=style, markup=False, soft_wrap=True)


__all__ = ["run"]
