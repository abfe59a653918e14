"""Elementary functions that the emitted C brings along: what each needs, and the numbers in them.

A call of a library function keeps a loop scalar, unless the library has vector versions and the compiler knows. So
the functions that formulas use most are written as branchless arithmetic (`templates/c/vector_math.c.j2`), which
every compiler vectorises and schedules together with what surrounds it. What two of them have in common, the compiler
computes once: `erfc(x)` and `exp(-x*x)`, `tanh(x)` and its slope.

The polynomials are minimax approximations with coefficients rounded to the dtype (Brisebarre and Chevillard,
Efficient polynomial L-infinity approximations, ARITH 18, 2007; computed with Sollya's `fpminimax`); the rational
function for erfc comes from Remez' exchange in 60 digits (idea: Cody, Rational Chebyshev approximations for the error
function, Math. Comp. 23, 1969). The argument reductions are those of Cody and Waite, Software Manual for the
Elementary Functions, 1980. `benchmarks/vector_math.py` measures the errors.

The reduction of an angle by pieces of pi/2 is right up to a million turns only, and what is right beyond has no
branchless form that pays. So a loop with sines or cosines also notes whether an angle was larger, and a second loop
with the C library's functions then computes the same points again; those with small angles get the same bits. A
rounded angle sends its point there earlier, for what the rounding left out counts earlier: see angles.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "mad": (),
    "bits": (),
    "left_out": (),
    "exp_parts": ("mad", "bits"),
    "exp_near_0": ("mad",),
    "exp": ("exp_parts", "exp_near_0"),
    "exp_gap": ("exp",),
    "exp_falling": ("exp_parts", "exp_near_0"),
    "expm1": ("exp_parts", "exp_near_0"),
    "tanh": ("exp_falling",),
    "sech2": ("exp_falling",),
    "expit": ("exp_parts",),
    "expit_beside_softplus": ("exp_falling",),
    "gauss_times": ("exp_parts", "exp_near_0", "left_out"),
    "gauss": ("gauss_times",),
    "erfc": ("gauss_times",),
    "erf": ("erfc",),
    "log_parts": ("mad", "bits"),
    "log": ("log_parts",),
    "log1p": ("log_parts",),
    "pow": ("exp_parts", "exp_near_0", "log_parts", "left_out"),
    "softplus": ("exp_falling", "log1p"),
    "products": ("left_out",),
    "norm_parts": ("mad", "bits"),
    "norm2": ("norm_parts",),
    "norm3": ("norm_parts",),
    "angle_parts": ("mad", "bits"),
    "sin": ("angle_parts",),
    "cos": ("angle_parts",),
    "sin_any": ("sin",),
    "cos_any": ("cos",),
    "beside_parts": (),
    "sin_beside": ("beside_parts", "sin"),
    "cos_beside": ("beside_parts", "cos"),
}
"""Function -> what it calls; each stands after what it needs."""

NORMS: Final = frozenset(("norm2", "norm3"))
"""Lengths of vectors."""

OWN: Final = NORMS | frozenset(
    "exp expm1 tanh sech2 expit gauss erfc erf log log1p softplus pow sin cos exp_gap products".split()
)
"""Operations of a kernel that become a call of one of these functions."""

BESIDE: Final = frozenset(("sin_beside", "cos_beside"))
"""Sines and cosines of the second loop with the rest of their angle: see angles.py."""

SECOND: Final = BESIDE | {"sin_any", "cos_any"}
"""Functions of the second loop alone."""

ANGLES: Final = frozenset(("sin", "cos"))
"""Those that are right up to some size of their argument only: a second loop computes the points beyond."""

# (exp(r) - 1 - r)/r**2 for abs(r) <= log(2)/2: relative error of exp 2**-55.8, 2**-26.6
_EXP64 = (
    0.5000000000000001, 0.16666666666666644, 0.04166666666662325, 0.008333333333356311, 0.001388888891745479,
    0.0001984126978474989, 2.480152104455908e-05, 2.755735515632855e-06, 2.762017700730605e-07,
    2.5068359575876417e-08,
)  # fmt: skip
_EXP32 = (0.5, 0.16666577756404877, 0.041666708886623383, 0.008363098837435246, 0.0013910765992477536)
# (log((1 + s)/(1 - s))/s - 2)/s**2 in s**2, for s up to (sqrt(2) - 1)/(sqrt(2) + 1): error of the sum 2**-57, 2**-28
_LOG64 = (
    0.666666666666667, 0.3999999999989982, 0.2857142862593922, 0.2222221113408715, 0.18182889402939845,
    0.15331708423664646, 0.14616639772385575,
)  # fmt: skip
_LOG32 = (0.6666668653488159, 0.39988568425178528, 0.2958585917949677)
# (r/tanh(r/2) - 2)/r**2 in r**2 for abs(r) <= log(2)/2: relative error of exp 2**-59, 2**-28
_RATIO64 = (
    0.1666666666666666, -0.0027777777777549598, 6.61375646722742e-05,
    -1.6534055193077857e-06, 4.143588406748068e-08,
)  # fmt: skip
_RATIO32 = (0.166666552, -0.00276990701)
# ((log((1 + s)/(1 - s))/s - 2)/s**2 - 2/3)/s**2 in s**2 likewise: error of the sum 2**-62.9, 2**-33.8
_POW64 = (
    0.4000000000000003, 0.28571428571335183, 0.22222222272118006, 0.1818180811902844,
    0.15385582535853312, 0.13285736807185045, 0.1291601348306876,
)  # fmt: skip
_POW32 = (0.400000155, 0.285621494, 0.230509564)
# erf(x)/x - 1 in x**2, for abs(x) <= 1/2: relative error 2**-56, 2**-26
_ERF64 = (
    0.12837916709551256, -0.37612638903183265, 0.11283791670913793, -0.02686617062999665, 0.005223977334603718,
    -0.0008548294854443499, 0.0001205321041107052, -1.4843000957935152e-05, 1.4699066798401691e-06,
)  # fmt: skip
_ERF32 = (
    0.12837916612625122,
    -0.37612611055374146,
    0.1128285676240921,
    -0.026758966967463493,
    0.0047211442142724991,
)
# (exp(x**2)*erfc(x)*(1 + sqrt(pi)*x) - 1)/x for 0 <= x <= 27.3 and 10.2: relative error of erfc 2**-54.1, 2**-27.1
_ABOVE64 = (
    0.6440746838099921, 1.1704987132076532, 1.0529986775769036, 0.5985304883182377, 0.232906536901997,
    0.06335712212636864, 0.011795001271324268, 0.001385592651769238, 8.018765451905341e-05,
)  # fmt: skip
_BELOW64 = (
    1.0, 3.369948808370153, 5.283155041886216, 5.087909144699105, 3.344177553813558, 1.5737649154663798,
    0.5396801701802277, 0.13401787786548172, 0.02326527147420113, 0.0025818575053871188, 0.0001421289170413327,
)  # fmt: skip
_ABOVE32 = (0.644075301439909, 0.584613083345241, 0.24137309004116628, 0.04522028637852548)
_BELOW32 = (
    1.0, 2.460318359194864, 2.610500140870303, 1.5209438212820146, 0.4986654032310393, 0.08015672216280481,
)  # fmt: skip
# (sin(r)/r - 1)/r**2 and (cos(r) - 1 + r**2/2)/r**4 in r**2, for abs(r) <= pi/4: relative error 2**-56 and 2**-60,
# 2**-26 and 2**-29
_SIN64 = (
    -0.16666666666666666, 0.00833333333333131, -0.0001984126983708634, 2.755731622356832e-06,
    -2.505115138316054e-08, 1.5919275979160713e-10,
)  # fmt: skip
_COS64 = (
    0.041666666666666644, -0.0013888888888887061, 2.4801587298460354e-05, -2.755731715835192e-07,
    2.0876127842772977e-09, -1.1381543392981442e-11,
)  # fmt: skip
_SIN32 = (-0.166666642, 0.00833271724, -0.000195838569)
_COS32 = (0.0416666418, -0.00138882722, 2.45439405e-05)


def needed(ops: Iterable[str]) -> list[str]:
    """Return the functions that `ops` need, themselves included, in the order in which C wants them."""
    found: set[str] = set()
    ops = set(ops)
    if {"expit", "softplus"} <= ops:
        ops = ops - {"expit"} | {"expit_beside_softplus"}
    todo = [op for op in ops if op in NEEDS]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += NEEDS[name]
    return [name for name in NEEDS if name in found]


def numbers(dtype: str) -> dict[str, str | tuple[str, ...]]:
    """Return the numbers and polynomials of the functions as C text."""
    return _FLOAT32 if dtype == "float32" else _FLOAT64


_SQUARES: Final = {
    "exp": "r2", "log": "z2", "erf": "z2", "erfc_above": "a2", "erfc_below": "a2", "sin": "z2", "cos": "z2",
    "pow": "z2",
}  # fmt: skip
"""Polynomial -> the square of its variable."""


def _horner(x: str, coefficients: Sequence[float], f: str) -> str:
    """Write a polynomial, the constant term first, in Horner's form."""
    written = [f"{c:.9g}f" if f and c != 1.0 else f"{c!r}{f}" for c in coefficients]
    text = written[-1]
    for number in reversed(written[:-1]):
        text = f"vm_mad{f}({text}, {x}, {number})"
    return text


def _polynomials(f: str, **coefficients: Sequence[float]) -> dict[str, str]:
    """Write each polynomial as its even and its odd part: two short chains run side by side."""
    found = {}
    for name, row in coefficients.items():
        square = _SQUARES[name]
        found[f"{name}_even"] = _horner(square, row[0::2], f)
        found[f"{name}_odd"] = _horner(square, row[1::2], f)
    return found


_FLOAT64: Final[dict[str, str | tuple[str, ...]]] = {
    "log2e": "1.4426950408889634",
    "shift": "6755399441057790.0",  # 1.5*2**52 + 2*1023
    "ln2_high": "0.6931471803691238",  # 33 bits, so that a product by n is exact
    "ln2_low": "1.9082149292705877e-10",
    "mantissa": "52",
    "exp_min": "746.0",
    "exp_max": "710.0",
    "turns_max": "6755399441058814.0",  # shift + 1024
    "one_is_lost": "40.0",
    "tiny": "1e-300",
    "tanh_is_1": "50.0",
    "root_pi": "1.772453850905516",
    "splitter": "134217729.0",
    "log_offset": "UINT64_C(0x00095f619980c433)",
    "shift_bits": "UINT64_C(0x4330000000000000)",
    "mantissa_mask": "UINT64_C(0x000fffffffffffff)",
    "root_half_bits": "UINT64_C(0x3fe6a09e667f3bcd)",
    "least_normal": "2.2250738585072014e-308",
    "lift": "18014398509481984.0",  # 2**54
    "bias": "4503599627371519.0",  # 2**52 + 1023
    "bias_lifted": "4503599627371573.0",
    "two_by_pi": "0.6366197723675814",
    "whole": "6755399441055744.0",  # 1.5*2**52
    # All of one sign, so that the sine of -0 is -0.
    "minus_half_pi": ("-1.5707963267948966", "-6.123233995736765e-17", "-1.0828566739219139e-32"),
    # The first three of 33 bits: a product by n is exact without a fused multiply-add, too.
    "half_pi_short": (
        "1.5707963267341256",
        "6.077100506303966e-11",
        "2.0222662487111665e-21",
        "8.47842766036889957e-32",
    ),
    "angle_max": "1647099.0",  # 2**20*pi/2
    "angle_max_short": "1647099.0",
    "angle_long": "205887.0",  # 2**17*pi/2
    "top": "63",
    "sign_bit": "UINT64_C(0x8000000000000000)",
    "two_thirds": "0.6666666666666666",
    "two_thirds_low": "3.700743415417188e-17",
    "power_max": "1e30",  # times the least logarithm, 2**-53, more than any exponent
    "ratio": _horner("r2", _RATIO64, ""),
    "norm_least": "9.332636185032189e-302",  # 2**-1000
    "norm_most": "1.0715086071862673e+301",
    "exponent_mask": "UINT64_C(0x7ff0000000000000)",
    "reciprocal": "UINT64_C(0x7fe0000000000000)",  # the exponents of 2**k and 2**-k add up to this
    **_polynomials(
        "",
        exp=_EXP64,
        log=_LOG64,
        erf=_ERF64,
        erfc_above=_ABOVE64,
        erfc_below=_BELOW64,
        sin=_SIN64,
        cos=_COS64,
        pow=_POW64,
    ),
}
_FLOAT32: Final[dict[str, str | tuple[str, ...]]] = {
    "log2e": "1.44269504f",
    "shift": "12583166.0f",  # 1.5*2**23 + 2*127
    "ln2_high": "0.693145752f",
    "ln2_low": "1.42860677e-06f",
    "mantissa": "23",
    "exp_min": "104.0f",
    "exp_max": "89.0f",
    "turns_max": "12583294.0f",  # shift + 128
    "one_is_lost": "18.0f",
    "tiny": "1e-30f",
    "tanh_is_1": "20.0f",
    "root_pi": "1.77245385f",
    "splitter": "4097.0f",
    "log_offset": "UINT32_C(0x004afb0d)",
    "shift_bits": "UINT32_C(0x4b000000)",
    "mantissa_mask": "UINT32_C(0x007fffff)",
    "root_half_bits": "UINT32_C(0x3f3504f3)",
    "least_normal": "1.17549435e-38f",
    "lift": "33554432.0f",  # 2**25
    "bias": "8388735.0f",  # 2**23 + 127
    "bias_lifted": "8388760.0f",
    "two_by_pi": "0.636619747f",
    "whole": "12582912.0f",  # 1.5*2**23
    "minus_half_pi": ("-1.57079625f", "-7.54978942e-08f", "-5.39030253e-15f"),
    "half_pi_short": ("1.57067871f", "0.000117614865f", "9.92031346e-10f", "6.22337197e-14f"),  # of 14 bits
    "angle_max": "51471.0f",  # 2**15*pi/2
    "angle_max_short": "1608.0f",  # 2**10*pi/2
    "angle_long": "VM_ANGLE_MAXF",
    "top": "31",
    "sign_bit": "UINT32_C(0x80000000)",
    "two_thirds": "0.666666687f",
    "two_thirds_low": "-1.98682155e-08f",
    "power_max": "1e15f",
    "ratio": _horner("r2", _RATIO32, "f"),
    "norm_least": "7.88860905e-31f",  # 2**-100
    "norm_most": "1.2676506e+30f",
    "exponent_mask": "UINT32_C(0x7f800000)",
    "reciprocal": "UINT32_C(0x7f000000)",
    **_polynomials(
        "f",
        exp=_EXP32,
        log=_LOG32,
        erf=_ERF32,
        erfc_above=_ABOVE32,
        erfc_below=_BELOW32,
        sin=_SIN32,
        cos=_COS32,
        pow=_POW32,
    ),
}
