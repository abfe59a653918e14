"""How C spells operations, numbers and names."""

from __future__ import annotations

import re
import struct
from typing import Final

from tapeless.ir.special import NAMES
from tapeless.targets.c.vector_math import BESIDE, OWN

# Primitive -> function of <math.h>; "f" is appended for float.
CALLS: Final[dict[str, str]] = {
    name: name
    for name in (
        "sqrt cbrt hypot exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh tanh "
        "asinh acosh atanh erf erfc floor ceil trunc logb copysign fmod remainder fdim fmax fmin pow fma"
    ).split()
} | {"abs": "fabs", "gamma": "tgamma", "loggamma": "lgamma", "round": "rint", "round_away": "round"}

VECTORISED: Final = frozenset(
    "exp2 log2 log10 tan asin acos atan atan2 sinh cosh asinh acosh atanh cbrt hypot".split()
)
"""Primitives that the emitted C does not bring along and of which glibc has vector versions, from 2.35 on (NEWS of
that release)."""

# Primitive -> inline function of the prelude, emitted where it is used. NaN comes through as NaN.
HELPERS: Final[dict[str, str]] = {
    "max": "larger",
    "min": "smaller",
    "sign": "sign_of",
    "heaviside": "step_at",
}

BINARY: Final[dict[str, tuple[str, int]]] = {
    # operator and its level, as C's own precedence ranks them
    "add": ("+", 12),
    "sub": ("-", 12),
    "mul": ("*", 13),
    "div": ("/", 13),
    "lt": ("<", 10),
    "le": ("<=", 10),
    "eq": ("==", 9),
    "ne": ("!=", 9),
    "and": ("&", 8),
    "or": ("|", 6),
}

TRUTHS: Final = frozenset(("lt", "le", "eq", "ne", "and", "or", "not"))
"""Operations whose result is an int, 0 or 1."""

_STRUCTURE: Final = frozenset(
    ("input", "rational", "named", "true", "false", "neg", "not", "select", "add", "sub", "mul", "div")
)

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z", re.ASCII)
_GENERATED: Final = re.compile(r"([vtckru]\d+|[in]|larger|smaller|sign_of|step_at|vm_.*|sf_.*)\Z")
# Macros that headers define, or may: FP_FAST_FMA, M_PI, MATH_ERRNO, DBL_MAX, our own include guard, ...
_MACRO: Final = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]*\Z")

# Keywords of C and C++ and names that a translation unit here may meet.
RESERVED: Final = frozenset(
    """
    auto break case char const continue default do double else enum extern float for goto if inline int long
    register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
    _Bool _Complex _Imaginary
    alignas alignof and and_eq asm atomic_cancel atomic_commit atomic_noexcept bitand bitor bool catch char16_t
    char32_t char8_t class co_await co_return co_yield compl concept consteval constexpr constinit const_cast
    decltype delete dynamic_cast explicit export false friend mutable namespace new noexcept not not_eq nullptr
    operator or or_eq private protected public reflexpr reinterpret_cast requires static_assert static_cast
    synchronized template this thread_local throw true try typeid typename typeof typeof_unqual using virtual
    wchar_t xor xor_eq
    main errno NULL NAN INFINITY HUGE_VAL HUGE_VALF HUGE_VALL FP_NAN FP_INFINITE FP_ZERO FP_SUBNORMAL FP_NORMAL
    APART INLINE RARE SHARED SPECIAL UNIT VECTOR EACH_POINT UINT32_C UINT64_C
    math_errhandling signgam assert linux unix i386 complex imaginary I stdin stdout stderr
    ptrdiff_t size_t max_align_t float_t double_t wchar_t wint_t offsetof
    acos asin atan atan2 cos sin tan acosh asinh atanh cosh sinh tanh exp exp2 exp10 expm1 frexp ilogb ldexp log
    log10 log1p log2 logb modf scalbn scalbln cbrt fabs hypot pow pow10 sqrt erf erfc lgamma tgamma ceil floor
    nearbyint rint lrint llrint round lround llround trunc fmod remainder remquo copysign nan nextafter nexttoward
    fdim fmax fmin fma fpclassify isfinite isinf isnan isnormal signbit isgreater isgreaterequal isless
    islessequal islessgreater isunordered j0 j1 jn y0 y1 yn gamma drem finite significand scalb isnanf isinff
    sincos abs labs llabs div exit abort malloc calloc realloc free printf puts strlen memcpy memset index
    rindex uint32_t uint64_t i_start i_end any_far
    """.split()
)


def spellable(op: str) -> bool:
    """Whether C has the operation."""
    return op in CALLS or op in NAMES or op in OWN or op in HELPERS or op in BINARY or op in _STRUCTURE


def is_plain_name(name: str) -> bool:
    """Whether a user's name may stand in C: a plain ASCII identifier, not reserved, not one we generate."""
    if not _PLAIN.match(name) or name in RESERVED or len(name) > 60:
        return False
    if _GENERATED.match(name) or _MACRO.match(name):
        return False
    # <math.h> has every function again for float and long double; linkers know names with two underscores.
    return not (name[-1] in "fl" and name[:-1] in RESERVED) and "__" not in name


def number(value: float, dtype: str) -> str:
    """Spell a finite or infinite literal of the dtype, shortest that reads back exactly."""
    suffix = "f" if dtype == "float32" else ""
    if value != value:
        return "NAN"
    if value in (float("inf"), float("-inf")):
        return ("-" if value < 0 else "") + ("HUGE_VALF" if suffix else "HUGE_VAL")
    text = _shortest_float32(value) if suffix else repr(value)
    if "." not in text and "e" not in text:
        text += ".0"
    return text + suffix


def _shortest_float32(value: float) -> str:
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("f", float(text)) == struct.pack("f", value):
            return text
    return repr(value)


def call(op: str, dtype: str) -> str:
    """Return the C function of a primitive."""
    if op in HELPERS:
        return HELPERS[op]
    if op in NAMES:
        return f"sf_{op}" + ("f" if dtype == "float32" else "")
    prefix = "vm_" if op in VECTORISED or op in OWN or op in BESIDE else ""
    return prefix + CALLS.get(op, op) + ("f" if dtype == "float32" else "")
