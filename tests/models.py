"""Models at the size people differentiate, each written once as people write it.

A model is a plain function of an indexable `x` and a module `m` that has `sin`, `cos`, `sqrt` and `tanh`: the same
code runs on tapeless, CasADi, JAX, sympy, SymForce, NumPy and mpmath. Tests and benchmarks take them from here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

Range = tuple[float, float]


@dataclass(frozen=True)
class Model:
    """A model of some size.

    Attributes
    ----------
    name
        Its name with its size.
    size
        Number of inputs.
    function
        `function(x, m)`, a list of results.
    outputs
        Number of results.
    ranges
        (low, high) of each input, where the model is well-behaved; one pair stands for all.
    source
        Where the model comes from, in a few words.
    arrays
        `arrays(x, np)`, the same results in one array, written with whole arrays as people do for NumPy and JAX;
        None where nobody would.
    """

    name: str
    size: int
    function: Callable[[Any, Any], list[Any]]
    outputs: int = 1
    ranges: tuple[Range, ...] = ((-1.5, 1.5),)
    source: str = ""
    arrays: Callable[[Any, Any], Any] | None = None

    def points(self, count: int, seed: int = 0) -> list[list[float]]:
        """Return points within the ranges, the same for the same seed, each a list of `size` floats."""
        ranges = self.ranges * self.size if len(self.ranges) == 1 else self.ranges
        source = random.Random(seed)
        return [[source.uniform(low, high) for low, high in ranges] for _ in range(count)]

    def scalar(self) -> Model:
        """Return a model with one result: this one, or the results of this one in a weighted sum."""
        if self.outputs == 1:
            return self

        def function(x: Any, m: Any) -> list[Any]:
            return [sum((k + 1) * result for k, result in enumerate(self.function(x, m)))]

        whole = self.arrays
        arrays = None if whole is None else lambda x, m: m.arange(1, self.outputs + 1) @ whole(x, m)
        return replace(self, function=function, arrays=arrays, outputs=1)

    def traceable(self, m: Any) -> Callable[[Any], Any]:
        """Return the model as a function of `x` alone: a number, or a tuple of several."""

        def function(x: Any) -> Any:
            results = self.function(x, m)
            return results[0] if self.outputs == 1 else tuple(results)

        function.__name__ = self.name.replace("-", "_")
        return function


def rosenbrock(n: int) -> Model:
    """Return the chained Rosenbrock function of `n` variables."""

    def function(x: Any, m: Any) -> list[Any]:
        total = 0
        for i in range(n - 1):
            total = total + 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
        return [total]

    def arrays(x: Any, m: Any) -> Any:
        return m.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    source = "Rosenbrock, The Computer Journal 3 (1960) 175, chained"
    return Model(f"rosenbrock-{n}", n, function, source=source, arrays=arrays)


def lennard_jones(atoms: int) -> Model:
    """Return the energy of a cluster of `atoms` atoms, near a cubic lattice in reduced units."""

    def function(x: Any, m: Any) -> list[Any]:
        energy = 0
        for i in range(atoms):
            for j in range(i):
                dx = x[3 * i] - x[3 * j]
                dy = x[3 * i + 1] - x[3 * j + 1]
                dz = x[3 * i + 2] - x[3 * j + 2]
                r2 = dx * dx + dy * dy + dz * dz
                s6 = 1 / r2**3
                energy = energy + 4 * (s6 * s6 - s6)
        return [energy]

    first, second = zip(*((i, j) for i in range(atoms) for j in range(i)), strict=True)

    def arrays(x: Any, m: Any) -> Any:
        place = x.reshape(atoms, 3)
        apart = place[m.array(first)] - place[m.array(second)]
        s6 = 1 / m.sum(apart * apart, axis=1) ** 3
        return m.sum(4 * (s6 * s6 - s6))

    side = 1
    while side**3 < atoms:
        side += 1
    ranges = []
    for k in range(atoms):
        for place in (k % side, k // side % side, k // side**2):
            ranges.append((1.1 * place - 0.1, 1.1 * place + 0.1))
    source = "Lennard-Jones, Proceedings of the Royal Society A 106 (1924) 463"
    return Model(
        f"lennard-jones-{atoms}", 3 * atoms, function, ranges=tuple(ranges), source=source, arrays=arrays
    )


def planar_arm(links: int) -> Model:
    """Return the tip (x, y) of an arm in the plane from its joint angles."""

    def function(x: Any, m: Any) -> list[Any]:
        angle = across = up = 0
        for i in range(links):
            angle = angle + x[i]
            across = across + (1 + 0.1 * i) * m.cos(angle)
            up = up + (1 + 0.1 * i) * m.sin(angle)
        return [across, up]

    def arrays(x: Any, m: Any) -> Any:
        angle, length = m.cumsum(x), 1 + 0.1 * m.arange(links)
        return m.stack([length @ m.cos(angle), length @ m.sin(angle)])

    source = "forward kinematics of a serial arm"
    return Model(f"planar-arm-{links}", links, function, 2, source=source, arrays=arrays)


def spatial_arm(links: int) -> Model:
    """Return the tip (x, y, z) of an arm whose joints turn about z and y by turns, by products of matrices."""

    def function(x: Any, m: Any) -> list[Any]:
        frame: Sequence[Sequence[Any]] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
        tip = [0, 0, 0]
        for i in range(links):
            c, s = m.cos(x[i]), m.sin(x[i])
            turn = [[c, 0, s], [0, 1, 0], [-s, 0, c]] if i % 2 else [[c, -s, 0], [s, c, 0], [0, 0, 1]]
            frame = [[sum(row[k] * turn[k][b] for k in range(3)) for b in range(3)] for row in frame]
            tip = [at + (0.3 + 0.05 * i) * row[2] + 0.1 * row[0] for at, row in zip(tip, frame, strict=True)]
        return tip

    def arrays(x: Any, m: Any) -> Any:
        frame, tip = m.eye(3), m.zeros(3)
        cosines, sines, zero, one = m.cos(x), m.sin(x), m.zeros(()), m.ones(())
        for i in range(links):
            c, s = cosines[i], sines[i]
            turn = (
                [c, zero, s, zero, one, zero, -s, zero, c]
                if i % 2
                else [c, -s, zero, s, c, zero, zero, zero, one]
            )
            frame = frame @ m.stack(turn).reshape(3, 3)
            tip = tip + (0.3 + 0.05 * i) * frame[:, 2] + 0.1 * frame[:, 0]
        return tip

    source = "Denavit and Hartenberg, Journal of Applied Mechanics 22 (1955) 215"
    return Model(f"spatial-arm-{links}", links, function, 3, source=source, arrays=arrays)


def perceptron(hidden: int, features: int = 10) -> Model:
    """Return the loss of one sample in a network with two hidden layers, as a function of its weights."""
    widths = ((features, hidden), (hidden, hidden), (hidden, 1))
    draw = random.Random(2)
    sample = [round(draw.uniform(-1, 1), 3) for _ in range(features)]

    def function(x: Any, m: Any) -> list[Any]:
        layer, at = list(sample), 0
        for before, after in widths:
            sums = []
            for _ in range(after):
                total = x[at + before]
                for j in range(before):
                    total = total + x[at + j] * layer[j]
                sums.append(total)
                at += before + 1
            layer = [m.tanh(total) for total in sums] if after > 1 else sums
        return [(layer[0] - 0.5) ** 2]

    def arrays(x: Any, m: Any) -> Any:
        layer, at = m.array(sample), 0
        for before, after in widths:
            weights = x[at : at + after * (before + 1)].reshape(after, before + 1)
            at += after * (before + 1)
            sums = weights[:, -1] + weights[:, :-1] @ layer
            layer = m.tanh(sums) if after > 1 else sums
        return (layer[0] - 0.5) ** 2

    size = sum((before + 1) * after for before, after in widths)
    source = "a multilayer perceptron with tanh and a squared loss"
    return Model(f"perceptron-{hidden}", size, function, ranges=((-0.5, 0.5),), source=source, arrays=arrays)


def polynomial(terms: int, variables: int = 10, degree: int = 6) -> Model:
    """Return a polynomial of random terms, each of up to four variables to powers up to `degree`."""
    draw = random.Random(1)
    written = [
        (
            round(draw.uniform(-2, 2), 3),
            [(k, draw.randint(1, degree)) for k in draw.sample(range(variables), draw.randint(1, 4))],
        )
        for _ in range(terms)
    ]

    def function(x: Any, m: Any) -> list[Any]:
        total = 0
        for coefficient, powers in written:
            term = coefficient
            for k, power in powers:
                term = term * x[k] ** power
            total = total + term
        return [total]

    return Model(
        f"polynomial-{terms}", variables, function, ranges=((0.5, 1.3),), source="a sparse polynomial"
    )


def determinant(n: int) -> Model:
    """Return the determinant of an n by n matrix by expansion along rows, every minor computed once."""

    def function(x: Any, m: Any) -> list[Any]:
        known: dict[tuple[int, ...], Any] = {}

        def minor(row: int, columns: tuple[int, ...]) -> Any:
            if len(columns) == 1:
                return x[n * row + columns[0]]
            if columns not in known:
                total = 0
                for k, column in enumerate(columns):
                    term = x[n * row + column] * minor(row + 1, columns[:k] + columns[k + 1 :])
                    total = total - term if k % 2 else total + term
                known[columns] = total
            return known[columns]

        return [minor(0, tuple(range(n)))]

    return Model(f"determinant-{n}", n * n, function, source="Laplace's expansion")


def reprojection() -> Model:
    """Return where a camera sees a point: rotation vector, shift, focal length, two distortions; then the point."""

    def function(x: Any, m: Any) -> list[Any]:
        turn, shift, (focal, k1, k2), point = ([x[3 * i + k] for k in range(3)] for i in range(4))
        angle = m.sqrt(turn[0] * turn[0] + turn[1] * turn[1] + turn[2] * turn[2])
        axis = [component / angle for component in turn]
        c, s = m.cos(angle), m.sin(angle)
        cross = [
            axis[1] * point[2] - axis[2] * point[1],
            axis[2] * point[0] - axis[0] * point[2],
            axis[0] * point[1] - axis[1] * point[0],
        ]
        along = axis[0] * point[0] + axis[1] * point[1] + axis[2] * point[2]
        seen = [point[i] * c + cross[i] * s + axis[i] * along * (1 - c) + shift[i] for i in range(3)]
        across, up = -seen[0] / seen[2], -seen[1] / seen[2]
        r2 = across * across + up * up
        scale = focal * (1 + k1 * r2 + k2 * r2**2)
        return [scale * across, scale * up]

    ranges = (
        *((0.1, 0.6),) * 3,
        *((-0.5, 0.5),) * 2,
        (-6.0, -5.0),
        (400.0, 600.0),
        *((-0.2, 0.2),) * 2,
        *((-1.0, 1.0),) * 3,
    )
    source = (
        "Agarwal, Snavely, Seitz and Szeliski, Bundle Adjustment in the Large, ECCV 2010; Rodrigues' rotation"
    )
    return Model("reprojection", 12, function, 2, ranges, source)


MODERATE: tuple[Model, ...] = (
    rosenbrock(12),
    lennard_jones(5),
    planar_arm(7),
    spatial_arm(6),
    perceptron(4, 3),
    polynomial(40, 6, 5),
    determinant(4),
    reprojection(),
)
"""One of each, small enough for every check."""

LARGE: tuple[Model, ...] = (
    rosenbrock(1000),
    lennard_jones(20),
    planar_arm(50),
    spatial_arm(7),
    perceptron(40),
    polynomial(3000),
    determinant(8),
    reprojection(),
)
"""One of each, at a size that people use."""
