"""Which outputs depend on which inputs, and which columns of a Jacobian may share one sweep."""

from __future__ import annotations

from collections.abc import Sequence

from tapeless.ir.graph import Graph


def supports(graph: Graph, lanes: Sequence[int]) -> list[int]:
    """Return for each node the inputs it depends on through real values: bit k stands for `lanes[k]`."""
    bit = {lane: 1 << k for k, lane in enumerate(lanes)}
    found = [0] * len(graph)
    for node, (op, args) in enumerate(zip(graph.ops, graph.args, strict=True)):
        if op == "input":
            found[node] = bit.get(graph.payloads[node], 0)  # type: ignore[arg-type]
        elif args and not graph.is_boolean(node):
            mask = 0
            for arg in args:
                mask |= found[arg]
            found[node] = mask
    return found


def reach(graph: Graph, roots: Sequence[int]) -> list[int]:
    """Return for each node the outputs that depend on it: bit k stands for `roots[k]`."""
    found = [0] * len(graph)
    for k, root in enumerate(roots):
        found[root] |= 1 << k
    for node in range(len(graph) - 1, -1, -1):
        if found[node] and not graph.is_boolean(node):
            for arg in graph.args[node]:
                found[arg] |= found[node]
    return found


def entries(masks: Sequence[int]) -> list[tuple[int, int]]:
    """Return (row, column) of the bits set in each row, row by row."""
    found = []
    for row, mask in enumerate(masks):
        left = mask
        while left:
            lowest = left & -left
            found.append((row, lowest.bit_length() - 1))
            left ^= lowest
    return found


def colours(masks: Sequence[int], columns: int) -> list[int]:
    """Give each column a colour, such that no row has two entries of one colour.

    Greedy, the columns in order, each in the first colour that is free: Curtis, Powell and Reid, IMA Journal of
    Applied Mathematics 13 (1974) 117.

    Parameters
    ----------
    masks
        The entries of each row as bits.
    columns
        Number of columns.
    """
    rows_of: list[list[int]] = [[] for _ in range(columns)]
    for row, column in entries(masks):
        rows_of[column].append(row)
    taken = [0] * len(masks)  # the colours that a row has already, as bits
    found = []
    for rows in rows_of:
        used = 0
        for row in rows:
            used |= taken[row]
        colour = (~used & (used + 1)).bit_length() - 1
        for row in rows:
            taken[row] |= 1 << colour
        found.append(colour)
    return found
