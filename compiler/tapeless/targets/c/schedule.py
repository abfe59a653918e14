"""The order of a long kernel's statements: one that keeps few values alive at a time.

What is alive across the border of two parts goes through the workspace, and a derivative in the order of its
graph keeps much alive: all of the function comes before all of the adjoint. Every order in which operands come
before their users computes the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Final, NamedTuple

from tapeless.targets.c.kernel import Kernel, Statement, Value
from tapeless.targets.c.parts import WHOLE

_WORTH: Final = 10
"""The order at hand gives way to one that saves a tenth: it is the one that reads like the formula."""


def scheduled(kernel: Kernel, whole: int = WHOLE) -> Kernel:
    """Return the kernel in the order, of three, that keeps clearly the fewest values alive.

    The three are the order at hand, and walks from the outputs back to the inputs beginning at the first output
    and at the last. The time is linear in the number of statements, up to sorting the operands of each.

    Parameters
    ----------
    kernel
        The kernel; one that fits into one part stays as it is, readable and scheduled by the compiler.
    whole
        Statements and stores up to which it is left alone.

    Returns
    -------
    Kernel
        Statements in another order and renumbered; parameters and stores as before.
    """
    if len(kernel.statements) + len(kernel.stores) <= whole:
        return kernel
    flow = _flow(kernel.statements)
    weights = _weights(flow)
    roots = [value for value in kernel.stores if type(value) is int]
    at_hand = _peak(flow, range(len(kernel.statements)))
    least, best = at_hand - at_hand // _WORTH, None
    for starts in (roots, roots[::-1]):
        order = _walk(flow, weights, starts)
        found = _peak(flow, order)
        if found < least:
            least, best = found, order
    return kernel if best is None else _ordered(kernel, best)


def peak(kernel: Kernel) -> int:
    """Return the largest number of values alive at a time, those not counted that are loaded or only stored."""
    return _peak(_flow(kernel.statements), range(len(kernel.statements)))


class _Flow(NamedTuple):
    """Who needs whom.

    Attributes
    ----------
    needs
        The statements whose results each statement takes, each once; loads left out, for they cost nothing.
    counts
        How many statements take its result.
    first, users
        Those of statement k are `users[first[k]:first[k + 1]]`: one list, for a hundred thousand would weigh on
        the garbage collector.
    """

    needs: list[tuple[int, ...]]
    counts: list[int]
    first: list[int]
    users: list[int]


def _flow(statements: Sequence[Statement]) -> _Flow:
    loads = bytearray([statement.op == "load" for statement in statements])
    needs: list[tuple[int, ...]] = []
    counts = [0] * len(statements)
    for place, statement in enumerate(statements):
        if loads[place]:
            needs.append(())
            continue
        taken = [arg for arg in statement.args if type(arg) is int and not loads[arg]]
        if len(taken) > 1:
            taken = list(dict.fromkeys(taken))
        needs.append(tuple(taken))
        for arg in taken:
            counts[arg] += 1
    first = [0, *accumulate(counts)]
    free = first[:-1]
    users = [0] * first[-1]
    for place, taken_here in enumerate(needs):
        for arg in taken_here:
            users[free[arg]] = place
            free[arg] += 1
    return _Flow(needs, counts, first, users)


def _peak(flow: _Flow, order: Iterable[int]) -> int:
    left = flow.counts.copy()
    alive = most = 0
    for place in order:
        if left[place]:
            alive += 1
            most = alive if alive > most else most
        for arg in flow.needs[place]:
            left[arg] -= 1
            if not left[arg]:
                alive -= 1
    return most


def _weights(flow: _Flow) -> list[int]:
    """Return how many registers each statement would take if nothing were shared.

    Source: Sethi and Ullman, The generation of optimal code for arithmetic expressions, J. ACM 17, 1970.
    """
    found: list[int] = []
    for needs in flow.needs:
        if len(needs) == 1:
            found.append(found[needs[0]])
        elif needs:
            heavy_first = sorted([found[arg] for arg in needs], reverse=True)
            found.append(max([weight + k for k, weight in enumerate(heavy_first)]))
        else:
            found.append(1)
    return found


def _walk(flow: _Flow, weights: Sequence[int], roots: Iterable[int]) -> list[int]:
    """Order what `roots` need: depth first, the heavier operand first, and at once what makes room.

    A statement whose operands are there is placed as soon as it uses one of them for the last time: the number
    of values alive does not grow by it (after Goodman and Hsu, Code scheduling and register allocation in large
    basic blocks, ICS 1988). So an adjoint follows the piece of the function that it belongs to.
    """
    needs, counts, begins, users = flow
    left = counts.copy()
    missing = [len(taken) for taken in needs]
    placed = bytearray(len(needs))
    order: list[int] = []
    for root in roots:
        todo = [root]
        while todo:
            place = todo[-1]
            if placed[place]:
                todo.pop()
                continue
            if missing[place]:
                first = [arg for arg in needs[place] if not placed[arg]]
                if len(first) > 1:
                    first.sort(key=weights.__getitem__)
                todo += first
                continue
            todo.pop()
            ready = [place]
            while ready:
                here = ready.pop()
                if placed[here]:
                    continue
                placed[here] = 1
                order.append(here)
                # Whom this may make ready: its users, and the last user of an operand that has but one to go.
                touched = [here]
                for arg in needs[here]:
                    left[arg] -= 1
                    if left[arg] == 1:
                        touched.append(arg)
                for user in users[begins[here] : begins[here + 1]]:
                    missing[user] -= 1
                for value in touched:
                    for user in users[begins[value] : begins[value + 1]]:
                        if not missing[user] and not placed[user]:
                            for arg in needs[user]:
                                if left[arg] == 1:
                                    ready.append(user)
                                    break
    return order


def _ordered(kernel: Kernel, order: Iterable[int]) -> Kernel:
    """Return the kernel with its statements in `order`; a load stands before its first user."""
    old = kernel.statements
    number: dict[int, int] = {}
    new: list[Statement] = []

    def moved(value: Value) -> Value:
        if type(value) is not int:
            return value
        if value not in number:
            number[value] = len(new)
            new.append(old[value])
        return number[value]

    for place in order:
        statement = old[place]
        if statement.op != "load":
            made = Statement(statement.op, tuple([moved(arg) for arg in statement.args]))
            number[place] = len(new)
            new.append(made)
    stores = tuple([moved(value) for value in kernel.stores])
    return replace(kernel, statements=tuple(new), stores=stores)
