"""The page of functions in the guide is the table of primitives, written out."""

from __future__ import annotations

from pathlib import Path

from tapeless.frontend.vocabulary import FUNCTIONS
from tapeless.ir.primitives import NAMELESS, PRIMITIVES, REAL

PAGE = Path(__file__).resolve().parent.parent / "docs" / "guide" / "functions.md"
START, END = "<!-- functions: generated from the table of primitives -->\n", "<!-- end -->\n"
SHARED = "`y_bar` to the argument that attains it; a tie is shared"
NOTES = dict.fromkeys(("max", "min", "fmax", "fmin"), SHARED)


def spellings():
    """Primitive -> its names in formula text, the shortest way to say it first."""
    found = {}
    for spelling, word in FUNCTIONS.items():
        found.setdefault(word.name, []).append(spelling)
    return found


def table():
    names = spellings()
    lines = ["| function | derivative | domain | at ties and edges |", "|---|---|---|---|"]
    for row in PRIMITIVES.values():
        if row.name not in names:
            continue
        args = ", ".join(row.args) if not row.nary else "a, b, ..."
        rules = (
            "through sympy"
            if row.rules is None
            else "; ".join(f"`{rule}`" if rule else "not known" for rule in row.rules)
        )
        edges = "; ".join(f"({', '.join(f'{a:g}' for a in e.args)}): {e.why}" for e in row.edges[:1])
        domain = "all real numbers" if row.domain == REAL else f"`{row.domain}`"
        also = [name for name in names[row.name] if name != row.name]
        spelt = f"`{row.name}({args})`" + (
            f", also {', '.join(f'`{name}`' for name in also)}" if also else ""
        )
        lines.append(f"| {spelt} | {rules or NOTES[row.name]} | {domain} | {edges} |")
    return "\n".join(lines) + "\n"


def test_the_page_is_the_table(update_golden):
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    old, _, after = rest.partition(END)
    notation = (
        "In the rules `x` or `a, b` are the arguments, `y` is the result and `y_bar` its cotangent; `sech2(x)` is\n"
        "`1/cosh(x)**2` and `gauss(x)` is `exp(-x**2)`, computed without overflow and to the last digits."
    )
    made = f"\n{notation}\n\n{table()}\n"
    if update_golden:
        PAGE.write_text(before + START + made + END + after, encoding="utf-8")
        old = made
    assert old == made, "run `pytest --update-golden`"


def test_every_callable_row_is_on_the_page():
    silent = {"input", "rational", "named", "add", "sub", "mul", "div", "neg", "extern", "select"}
    silent |= {name for name, row in PRIMITIVES.items() if row.boolean} | NAMELESS
    assert set(PRIMITIVES) - silent - set(spellings()) == set()
