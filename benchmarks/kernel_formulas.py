"""The formulas that kernels.py times, each with its derivatives written by hand for numba.

The functions by hand are what a careful person writes: shared parts once, reciprocals once, powers as products,
choices instead of branches. They take one number per input, then one cotangent per output, and return the values,
then the cotangents of the inputs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from math import asin, cos, erf, erfc, exp, fabs, log, log1p, sin, sqrt
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from gallery import BY_NAME

Numbers = tuple[float, ...]

ROOT_HALF = 0.7071067811865476
DENSITY = 0.3989422804014327


class Kernel(NamedTuple):
    """A formula to time.

    Attributes
    ----------
    name, text, ranges
        The formula and where its inputs are drawn.
    by_hand
        Values and cotangents of the inputs, from inputs and cotangents of the outputs.
    cheap
        Whether moving the numbers takes longer than computing them.
    torch
        A function of `torch.nn.functional` that is the formula, with its own derivative; "" for none.
    """

    name: str
    text: str
    ranges: Mapping[str, tuple[float, float]]
    by_hand: Callable[..., Numbers]
    cheap: bool = False
    torch: str = ""


def line(w, x, b, g):
    return w * x + b, g * x, g * w, g


def gelu(x, g):
    normal = (1 + erf(x * ROOT_HALF)) / 2
    return x * normal, g * (normal + x * (DENSITY * exp(-x * x / 2)))


def silu(x, g):
    s = 1 / (1 + exp(-x))
    return x * s, g * (s + x * s * (1 - s))


def black_scholes(S, K, r, sigma, T, g):
    root = sqrt(T)
    deviation = sigma * root
    d1 = (log(S / K) + (r + sigma * sigma / 2) * T) / deviation
    d2 = d1 - deviation
    n1, n2 = erfc(-d1 * ROOT_HALF) / 2, erfc(-d2 * ROOT_HALF) / 2
    discount = exp(-r * T)
    strike = K * discount
    vega = S * (DENSITY * exp(-d1 * d1 / 2)) * root
    rho = strike * n2
    by_time = vega * sigma / (2 * T) + r * rho
    return S * n1 - rho, g * n1, -g * (discount * n2), g * (T * rho), g * vega, g * by_time


def rational(x, y, g):
    x2, y2 = x * x, y * y
    above = 1 + x * y + x2
    reciprocal = 1 / (2 + x2 + y2 * y2)
    value = above * reciprocal
    scaled = g * reciprocal
    return value, scaled * (y + 2 * x - value * (2 * x)), scaled * (x - value * (4 * y2 * y))


def lennard_jones(r, epsilon, sigma, g):
    inverse = 1 / r
    ratio = sigma * inverse
    square = ratio * ratio
    s6 = square * square * square
    shape = 4 * (s6 * s6 - s6)
    slope = g * (epsilon * (24 * (2 * s6 * s6 - s6)))
    return epsilon * shape, -slope * inverse, g * shape, slope / sigma


def damped(A, g, w, t, bar):
    decay = exp(-g * t)
    c, s = cos(w * t), sin(w * t)
    swing = decay * c
    value = A * swing
    turned = A * decay * s
    return (
        value,
        bar * swing,
        -bar * (t * value),
        -bar * (t * turned),
        -bar * (g * value + w * turned),
    )


def huber(r, delta, g):
    size = fabs(r)
    inside = size <= delta
    value = r * r / 2 if inside else delta * (size - delta / 2)
    by_r = r if inside else (delta if r > 0 else -delta)
    return value, g * by_r, 0 * g if inside else g * (size - delta)


def bce_logits(z, t, g):
    e = exp(-fabs(z))
    above = z if z > 0 else 0 * z
    s = 1 / (1 + e)
    sigmoid = s if z > 0 else e * s
    return above - z * t + log1p(e), g * (sigmoid - t), -g * z


def hill(L, K, n, g):
    a, b = L**n, K**n
    reciprocal = 1 / (a + b)
    value = a * reciprocal
    slope = g * (value * b * reciprocal)
    return value, slope * n / L, -slope * n / K, slope * log(L / K)


def reproject(X, Y, Z, f, k1, k2, gu, gv):
    inverse = 1 / Z
    x, y = X * inverse, Y * inverse
    r2 = x * x + y * y
    distortion = 1 + r2 * (k1 + k2 * r2)
    scale = f * distortion
    along = gu * x + gv * y
    by_r2 = along * f * (k1 + 2 * k2 * r2)
    by_x, by_y = gu * scale + by_r2 * (2 * x), gv * scale + by_r2 * (2 * y)
    by_k1 = along * f * r2
    return (
        scale * x,
        scale * y,
        by_x * inverse,
        by_y * inverse,
        -(by_x * x + by_y * y) * inverse,
        along * distortion,
        by_k1,
        by_k1 * r2,
    )


def haversine(lat1, lon1, lat2, lon2, g):
    half_lat, half_lon = (lat2 - lat1) / 2, (lon2 - lon1) / 2
    c1, s1, c2, s2 = cos(lat1), sin(lat1), cos(lat2), sin(lat2)
    sa, ca = sin(half_lat), cos(half_lat)
    so, co = sin(half_lon), cos(half_lon)
    across = so * so
    h = sa * sa + c1 * c2 * across
    slope = g / sqrt(h * (1 - h))
    by_lat = slope * sa * ca
    by_lon = slope * (c1 * c2 * so * co)
    return (
        2 * asin(sqrt(h)),
        -by_lat - slope * s1 * c2 * across,
        -by_lon,
        by_lat - slope * c1 * s2 * across,
        by_lon,
    )


def _of_gallery(name: str, by_hand: Callable[..., Numbers], **more: object) -> Kernel:
    entry = BY_NAME[name]
    return Kernel(name, entry.text, entry.ranges, by_hand, **more)  # type: ignore[arg-type]


KERNELS: Mapping[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        _of_gallery("line", line, cheap=True),
        _of_gallery("gelu", gelu, torch="gelu"),
        _of_gallery("silu", silu, torch="silu"),
        _of_gallery("black_scholes", black_scholes),
        Kernel(
            "rational",
            "rational(x, y) = (1 + x*y + x**2)/(2 + x**2 + y**4)",
            {"x": (-2, 2), "y": (-2, 2)},
            rational,
            cheap=True,
        ),
        Kernel(
            "lennard_jones",
            """
            lennard_jones(r, epsilon, sigma):
                s6 = (sigma/r)**6
                return 4*epsilon*(s6**2 - s6)
            """,
            {"r": (0.9, 3), "epsilon": (0.5, 2), "sigma": (0.8, 1.2)},
            lennard_jones,
            cheap=True,
        ),
        _of_gallery("damped", damped),
        # Of the gallery, one of each sort: a branch; exp and log; powers; several outputs; angles.
        _of_gallery("huber", huber, cheap=True),
        _of_gallery("bce_logits", bce_logits),
        _of_gallery("hill", hill),
        _of_gallery("reproject", reproject, cheap=True),
        _of_gallery("haversine", haversine),
    )
}
"""All by name, in the order of tables."""
