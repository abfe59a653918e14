"""The order of statements: the same numbers, and few of them alive at a time."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

import tapeless as tl
from tapeless.frontend.trace import program_from_function
from tapeless.kinds import derive
from tapeless.targets.c import lower as lower_module
from tapeless.targets.c.kernel import Kernel, Literal, Param, Statement
from tapeless.targets.c.lower import lower
from tapeless.targets.c.parts import partition
from tapeless.targets.c.schedule import peak, scheduled

MEANING = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
    "sin": math.sin,
}


def kernel(statements, stores, lanes=3):
    return Kernel(
        "forward",
        "float64",
        tuple(Param(f"x{k}") for k in range(lanes)),
        tuple(Param(f"r{k}") for k in range(len(stores))),
        tuple(Statement(op, args) for op, args in statements),
        tuple(stores),
        ("",) * len(stores),
    )


def run(made, point):
    """Execute a kernel; a statement that comes before its operands fails."""
    values = []
    for statement in made.statements:
        if statement.op == "load":
            values.append(point[statement.args[0]])
        else:
            values.append(MEANING[statement.op](*(operand(arg, values) for arg in statement.args)))
    return [operand(value, values) for value in made.stores]


def operand(value, values):
    return value.value if isinstance(value, Literal) else values[value]


@st.composite
def kernels(draw):
    """Statements over what came before, with idle ones, shared ones and the same operand twice."""
    statements = [("load", (lane,)) for lane in range(3)]
    for _ in range(draw(st.integers(0, 40))):
        op = draw(st.sampled_from(["add", "sub", "mul", "neg", "sin"]))
        operands = st.integers(0, len(statements) - 1) | st.builds(Literal, st.sampled_from([0.5, 2.0]))
        statements.append((op, tuple(draw(operands) for _ in range(1 if op in ("neg", "sin") else 2))))
    stores = draw(st.lists(st.integers(0, len(statements) - 1), min_size=1, max_size=4))
    return kernel(statements, [*stores, Literal(3.0)])


@given(kernels())
def test_every_output_is_the_same_to_the_last_bit(made):
    point = [0.7, -1.3, 0.2]
    assert run(scheduled(made, whole=0), point) == run(made, point)


@given(kernels())
def test_no_more_is_alive_and_nothing_is_done_twice(made):
    found = scheduled(made, whole=0)
    assert peak(found) <= peak(made)
    assert not Counter(s.op for s in found.statements) - Counter(s.op for s in made.statements)


def pairs(count):
    """A function of `count` terms and its adjoint, in the order of the graph: all terms, then all adjoints."""
    statements = [("load", (lane,)) for lane in range(count)]
    terms = []
    for lane in range(count):
        statements.append(("sin", (lane,)))
        terms.append(len(statements) - 1)
    total = terms[0]
    for term in terms[1:]:
        statements.append(("add", (total, term)))
        total = len(statements) - 1
    adjoints = []
    for term in terms:
        statements.append(("mul", (term, term)))
        adjoints.append(len(statements) - 1)
    return kernel(statements, [total, *adjoints], lanes=count)


def test_an_adjoint_follows_the_piece_of_the_function_it_belongs_to():
    made = pairs(500)
    assert peak(made) >= 500
    assert peak(scheduled(made, whole=0)) <= 3


def test_the_heavier_operand_comes_first():
    """A sum bracketed to the right, evaluated from the left, keeps every term waiting."""

    def tree(depth, statements):
        if not depth:
            statements.append(("sin", (0,)))
        else:
            left = tree(0, statements)
            statements.append(("add", (left, tree(depth - 1, statements))))
        return len(statements) - 1

    statements = [("load", (0,))]
    made = kernel(statements, [tree(20, statements)], lanes=1)
    assert peak(made) > 20
    assert peak(scheduled(made, whole=0)) == 3  # two operands and their sum


def test_a_kernel_of_one_part_keeps_its_order():
    made = pairs(50)
    assert scheduled(made) is made


def test_an_order_that_saves_nothing_is_not_taken():
    statements = [("load", (0,)), ("sin", (0,))]
    statements += [("sin", (place,)) for place in range(1, 200)]
    made = kernel(statements, [200], lanes=1)
    assert scheduled(made, whole=0) is made


def test_the_workspace_of_a_gradient_shrinks(monkeypatch):
    """A sum over pairs, value and gradient: one number per pair stays, and not all of its intermediates."""
    count = 24

    def energy(*x):
        return sum(tl.exp(-((x[i] - x[j]) ** 2)) for i in range(count) for j in range(i))

    program = program_from_function(energy, inputs=[f"x{k}" for k in range(count)])
    derived = derive(program, "value_and_grad", None)
    made = lower(derived, "value_and_grad", "float64")
    assert len(made.statements) > 1000
    monkeypatch.setattr(lower_module, "scheduled", lambda kernel: kernel)
    as_the_graph = lower(derived, "value_and_grad", "float64")
    assert partition(made).slots <= 0.6 * partition(as_the_graph).slots
    assert partition(made).slots <= count * (count - 1) / 2 + count


def test_a_chain_of_any_length_is_walked_without_recursion():
    length = 50_000
    statements = [("load", (0,)), *(("sin", (place,)) for place in range(length))]
    made = kernel([*statements, ("add", (length, 1))], [length + 1], lanes=1)
    assert peak(scheduled(made)) == 3
