"""From the entries that a kernel computes to a matrix of scipy.sparse."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeless.errors import UnsupportedError
from tapeless.runtime.light import NamedTuple

Array = np.ndarray[Any, Any]


class Entries(NamedTuple):
    """Where the entries of a matrix are.

    Attributes
    ----------
    shape
        (rows, columns).
    rows, columns
        Row and column of each entry, ordered by row, then by column.
    colours
        Empty where a kernel gives the entries themselves. Else the colour of each column, and the kernel gives
        products of the matrix with vectors.
    """

    shape: tuple[int, int]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    colours: tuple[int, ...] = ()

    @classmethod
    def from_json(cls, data: list[Any]) -> Entries:
        """Read the lists that a signature writes."""
        shape, *rest = data
        return cls((shape[0], shape[1]), *(tuple(column) for column in rest))


def seeds(entries: Entries, dtype: np.dtype[Any]) -> Array:
    """Return one vector per colour, (colours, columns), with ones at the columns of that colour."""
    colours = np.array(entries.colours, dtype=np.intp)
    found = np.zeros((int(colours.max()) + 1, entries.shape[1]), dtype)
    found[colours, np.arange(entries.shape[1])] = 1
    return found


def from_products(entries: Entries, products: Array) -> Array:
    """Return the entries out of products with `seeds`, (colours, rows)."""
    columns = np.array(entries.columns, dtype=np.intp)
    colours = np.array(entries.colours, dtype=np.intp)
    return products[colours[columns], np.array(entries.rows, dtype=np.intp)]


def matrix(entries: Entries, values: Array, *, symmetric: bool = False) -> Any:
    """Return a `scipy.sparse.csr_array` of the values.

    Parameters
    ----------
    entries
        Where they are.
    values
        One per entry.
    symmetric
        Whether the entries are the upper triangle of a symmetric matrix.

    Raises
    ------
    UnsupportedError
        Where SciPy is not installed.
    """
    try:
        from scipy.sparse import csr_array
    except ImportError:
        raise UnsupportedError(
            "sparse=True returns a matrix of scipy.sparse, and SciPy is not installed; "
            "pip install 'tapeless[scipy]', or leave sparse out for an array"
        ) from None
    rows, columns = np.array(entries.rows, np.intp), np.array(entries.columns, np.intp)
    if symmetric:
        beside = rows != columns
        rows, columns, values = (
            np.concatenate((rows, columns[beside])),
            np.concatenate((columns, rows[beside])),
            np.concatenate((values, values[beside])),
        )
    found = csr_array((values, (rows, columns)), shape=entries.shape)
    found.sort_indices()
    return found
