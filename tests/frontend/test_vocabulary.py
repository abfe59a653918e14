"""The table of words: one class for each primitive, built as written, worth what mathematics says."""

from __future__ import annotations

import inspect
import math
import pickle

import pytest
import sympy
from sympy.functions.elementary.piecewise import ExprCondPair

from tapeless.frontend import vocabulary
from tapeless.frontend.symbolic import Argument, Result, program_from_sympy
from tapeless.frontend.vocabulary import (
    ADVICE,
    FUNCTIONS,
    PRIMITIVE_OF,
    WORDS,
    RealFunction,
    Round,
    RoundAway,
    SpecialFunction,
    Trunc,
    unevaluated,
)
from tapeless.ir.primitives import NAMELESS, PRIMITIVES
from tapeless.targets.reference import evaluate

X, Y, Z = sympy.symbols("x y z", real=True)
ARITHMETIC = {"add", "sub", "mul", "div", "neg", "pow", "sqrt", "fma"}
LEAVES_AND_LOGIC = {
    *("input", "rational", "named", "extern", "select"),
    *("lt", "le", "eq", "ne", "true", "false", "and", "or", "not"),
}
OWN = [kind for kind in PRIMITIVE_OF if issubclass(kind, RealFunction)]
POINTS = {
    "acosh": [(1.25,), (3.0,)],
    "asec": [(1.25,), (-3.0,)],
    "acsc": [(1.25,), (-3.0,)],
    "acoth": [(1.25,), (-3.0,)],
    "asech": [(0.25,), (1.0,)],
    "acot": [(0.25,), (-3.0,), (0.0,)],
    "log": [(0.3,), (2.5, 3.0), (8.0, 2.0), (0.7, 10.0)],
    "e1": [(0.25,), (3.0,)],
    "trigamma": [(0.25,), (3.0,)],
    "max": [(1.0, 2.0), (3.0, -1.0, 2.0)],
    "pow": [(0.7, 3.0), (2.5, -2.5), (-2.0, 3.0)],
    "ldexp": [(0.7, 3.0), (-2.5, -2.0)],
    "min": [(1.0, 2.0), (3.0, -1.0, 2.0)],
}
ALL_OVER = [0.25, -0.75, 0.5, 2.5, -2.5, 3.5, 7.3]


def points(word):
    """Return arguments inside of the domain of a word."""
    if word.name in POINTS:
        return POINTS[word.name]
    row = PRIMITIVES.get(word.name)
    count = word.least
    if row is not None and row.domain != "real":
        ends = [
            [round(x) if arg in row.whole else x for x in (low + (high - low) * t for t in (0.1, 0.5, 0.9))]
            for arg, (low, high) in zip(row.args, row.samples, strict=True)
        ]
        return list(zip(*ends, strict=True))
    if row is not None and row.whole:
        return [(2.0, x) for x in ALL_OVER]
    return [(x, 1.3, -0.4)[:count] for x in ALL_OVER]


def arguments(word, values=None):
    return (X, Y, Z)[: len(values) if values is not None else word.least]


# ---- one table


def test_every_primitive_that_is_a_function_has_a_class():
    assert set(PRIMITIVE_OF.values()) | LEAVES_AND_LOGIC | ARITHMETIC | NAMELESS == set(PRIMITIVES)


def test_no_two_classes_stand_for_one_primitive():
    names = list(PRIMITIVE_OF.values())
    assert len(names) == len(set(names))


def test_every_primitive_with_a_class_can_be_called_in_text():
    for kind, name in PRIMITIVE_OF.items():
        built = FUNCTIONS[name].build(*(X, Y, Z)[: FUNCTIONS[name].least])
        assert type(built) is kind or name in ARITHMETIC


def test_no_spelling_stands_for_two_words():
    spellings = [name for word in WORDS for name in (word.name, *word.also)]
    assert len(spellings) == len(set(spellings)) == len(FUNCTIONS)


def test_advice_is_for_what_the_table_lacks():
    assert not set(ADVICE) & set(FUNCTIONS)


def test_the_table_cannot_be_changed():
    for table in (PRIMITIVE_OF, FUNCTIONS, ADVICE):
        with pytest.raises(TypeError):
            table["x"] = None


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("ln", "log"),
        ("arcsin", "asin"),
        ("arccos", "acos"),
        ("arctan", "atan"),
        ("arctan2", "atan2"),
        ("arcsinh", "asinh"),
        ("arccosh", "acosh"),
        ("arctanh", "atanh"),
        ("arcsec", "asec"),
        ("arccoth", "acoth"),
        ("tgamma", "gamma"),
        ("lgamma", "loggamma"),
        ("fabs", "abs"),
        ("Abs", "abs"),
        ("absolute", "abs"),
        ("rint", "round"),
        ("nearbyint", "round"),
        ("ceiling", "ceil"),
        ("maximum", "max"),
        ("minimum", "min"),
        ("clamp", "clip"),
    ],
)
def test_other_spellings(alias, name):
    assert FUNCTIONS[alias] is FUNCTIONS[name]


@pytest.mark.parametrize(
    ("name", "least", "most", "signature"),
    [
        ("sin", 1, 1, "sin(x)"),
        ("atan2", 2, 2, "atan2(y, x)"),
        ("log", 1, 2, "log(x, base)"),
        ("fma", 3, 3, "fma(x, y, z)"),
        ("max", 2, None, "max(x, y, ...)"),
    ],
)
def test_numbers_of_arguments(name, least, most, signature):
    word = FUNCTIONS[name]
    assert (word.least, word.most, word.signature) == (least, most, signature)


# ---- built as written


@pytest.mark.parametrize("kind", PRIMITIVE_OF, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "value", [3, 0, 1, -2, sympy.Rational(1, 2), sympy.pi, sympy.oo, sympy.Rational(1, 2) * X]
)
def test_nothing_is_evaluated(kind, value):
    word = FUNCTIONS[PRIMITIVE_OF[kind]]
    given = [sympy.sympify(value)] * word.least
    built = unevaluated(kind, *given)
    assert type(built) is kind
    assert built.args == tuple(given)
    again = word.build(*given)
    assert again == built or PRIMITIVE_OF[kind] in ARITHMETIC | {"heaviside"}


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (sympy.Add, (X, X, sympy.S.Zero)),
        (sympy.Add, (sympy.S.One, sympy.S.One)),
        (sympy.Mul, (X, sympy.S.Zero)),
        (sympy.Mul, (sympy.S.NegativeOne, X + Y)),
        (sympy.Pow, (X, sympy.S.Zero)),
        (sympy.Pow, (sympy.S.Zero, sympy.S.NegativeOne)),
        (sympy.Pow, (sympy.Integer(9), sympy.Integer(9) ** 9)),
        (sympy.Max, (X, X)),
        (sympy.Max, (Y, X, sympy.S.One)),
        (sympy.Min, (X, -sympy.oo)),
        (sympy.And, (X < 1, X < 1)),
        (sympy.Or, (X < 1, sympy.Not(X < 1, evaluate=False))),
        (sympy.Not, (sympy.StrictLessThan(X, 1),)),
        (sympy.StrictGreaterThan, (X, X)),
        (sympy.Equality, (sympy.S.One, sympy.S.One)),
        (ExprCondPair, (X, sympy.Eq(sympy.Piecewise((1, X < 1), (2, True)), 1, evaluate=False))),
    ],
)
def test_the_heads_are_built_as_written(kind, given):
    built = unevaluated(kind, *given)
    assert type(built) is kind
    assert built.args == given
    assert str(built)


def test_a_negated_comparison_stays_a_negation():
    built = unevaluated(sympy.Not, X < 1)
    assert str(built) == "~(x < 1)"


def test_what_is_built_can_be_computed_with():
    piecewise = unevaluated(
        sympy.Piecewise,
        unevaluated(ExprCondPair, X, unevaluated(sympy.And, X < 1, unevaluated(sympy.Not, X < 0))),
        unevaluated(ExprCondPair, unevaluated(sympy.Max, X, Y), sympy.true),
    )
    assert piecewise.subs({X: sympy.Rational(1, 2)}) == sympy.Rational(1, 2)
    assert piecewise.subs({X: 2, Y: 3}) == 3
    assert piecewise.diff(Y).subs({X: 2, Y: 3}) == 1


@pytest.mark.parametrize(
    "kind", [*PRIMITIVE_OF, sympy.And, sympy.Or, sympy.Not], ids=lambda kind: kind.__name__
)
def test_what_sympy_keeps_beside_the_arguments_is_there(kind):
    """The same attributes as on an object made by the constructor."""
    word = FUNCTIONS[PRIMITIVE_OF[kind]] if kind in PRIMITIVE_OF else None
    symbols = (X, Y, Z)[: word.least] if word else (X < 1, Y < 1)[: 1 if kind is sympy.Not else 2]
    made = unevaluated(kind, *symbols)
    usual = kind(*symbols, evaluate=False)
    for name in ("nargs", "_argset", "is_commutative"):
        assert getattr(made, name, None) == getattr(usual, name, None), name
    assert made == unevaluated(kind, *symbols)


def test_hashes_are_made_from_the_bottom_up():
    assert unevaluated(sympy.sin, X)._mhash is not None
    assert unevaluated(sympy.Mul, X, Y)._mhash is not None


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.name)
def test_what_is_built_can_be_printed_and_hashed(word):
    built = word.build(*arguments(word))
    assert str(built)
    assert sympy.latex(built)
    assert hash(built) == hash(word.build(*arguments(word)))


def test_a_builder_of_ones_own_makes_every_node():
    made = []

    def make(kind, *args):
        made.append(kind)
        return unevaluated(kind, *args)

    FUNCTIONS["clip"].build(X, Y, Z, make=make)
    FUNCTIONS["fma"].build(X, Y, Z, make=make)
    assert made == [sympy.Max, sympy.Min, sympy.Mul, sympy.Add]


# ---- worth what they say


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.name)
def test_values_agree_with_the_graph(word):
    for values in points(word):
        symbols = arguments(word, values)
        # log(x, 2) has a function of its own where the base is a literal
        given = [*symbols[:1], *map(sympy.Integer, values[1:])] if word.name == "log" else symbols
        inputs = [Argument(str(symbol), (symbol,)) for symbol in symbols]
        program = program_from_sympy([Result("out", (word.build(*given),))], inputs, "f")
        (exact,) = evaluate(program, dict(zip(map(str, symbols), values, strict=True)))
        assert word.value(*values) == pytest.approx(float(exact), rel=1e-14, abs=1e-15), values


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.spelling)
def test_our_own_classes_have_numbers_in_sympy(kind):
    word = FUNCTIONS[PRIMITIVE_OF[kind]]
    for values in points(word):
        assert float(kind(*map(sympy.Float, values))) == pytest.approx(word.value(*values), rel=1e-14), values
        assert float(kind(*map(sympy.Rational, values)).evalf()) == pytest.approx(
            word.value(*values), rel=1e-14
        )


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Round, 2.5, 2),
        (Round, 3.5, 4),
        (Round, -0.5, 0),
        (RoundAway, 2.5, 3),
        (RoundAway, -2.5, -3),
        (RoundAway, 0.49999999999999994, 0),
        (Trunc, -2.7, -2),
    ],
)
def test_rounding(kind, value, expected):
    assert float(kind(sympy.Float(value))) == expected
    assert FUNCTIONS[PRIMITIVE_OF[kind]].value(value) == expected


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.spelling)
def test_our_own_classes_differentiate_as_the_table_does(kind):
    name = PRIMITIVE_OF[kind]
    symbols = (X, Y, Z)[: FUNCTIONS[name].least]
    at = dict(zip(symbols, (sympy.Rational(27, 10), sympy.Rational(13, 10)), strict=False))
    if issubclass(kind, SpecialFunction):
        at = dict(zip(symbols, map(sympy.Rational, points(FUNCTIONS[name])[1]), strict=True))
    step = sympy.Rational(1, 10**6)
    for position, symbol in enumerate(symbols):
        if PRIMITIVES[name].rules[position : position + 1] == ("",):
            with pytest.raises(sympy.core.function.ArgumentIndexError):
                kind(*symbols).fdiff(position + 1)
            continue
        slope = kind(*symbols).diff(symbol).subs(at)
        high = kind(*symbols).subs({**at, symbol: at[symbol] + step}).evalf()
        low = kind(*symbols).subs({**at, symbol: at[symbol] - step}).evalf()
        assert float(slope) == pytest.approx(float((high - low) / (2 * step)), rel=1e-8, abs=1e-8)
    with pytest.raises(sympy.core.function.ArgumentIndexError):
        kind(*symbols).fdiff(4)


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.spelling)
def test_our_own_classes_are_real_and_print_as_in_text(kind):
    built = kind(*(X, Y, Z)[: FUNCTIONS[PRIMITIVE_OF[kind]].least])
    assert built.is_real
    assert FUNCTIONS[kind.spelling].build(*built.args) == built
    assert str(built).startswith(f"{kind.spelling}(x")
    assert kind.spelling.replace("_", r"\_") in sympy.latex(built**2)
    assert pickle.loads(pickle.dumps(built)) == built
    assert inspect.getdoc(kind)


@pytest.mark.parametrize(
    ("name", "values", "error"),
    [
        ("exp", (1000.0,), OverflowError),
        ("gamma", (200.0,), OverflowError),
        ("gamma", (-1.0,), ValueError),
        ("log", (0.0,), ValueError),
        ("log", (2.0, 1.0), ZeroDivisionError),
        ("sqrt", (-1.0,), ValueError),
        ("pow", (-8.0, 1 / 3), ValueError),
        ("sec", (math.inf,), ValueError),
        ("asec", (0.0,), ZeroDivisionError),
        ("logb", (0.0,), ZeroDivisionError),
        ("fmod", (1.0, 0.0), ValueError),
    ],
)
def test_values_that_do_not_exist_raise(name, values, error):
    with pytest.raises(error):
        FUNCTIONS[name].value(*values)


def test_everything_public_is_documented():
    for name, item in vars(vocabulary).items():
        if inspect.isclass(item) and item.__module__ == vocabulary.__name__ and not name.startswith("_"):
            assert inspect.getdoc(item), name
