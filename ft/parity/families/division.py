"""Arrays over sums of their own: shares along an axis, unit vectors, the matrix of a graph over its nodes' degrees."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ft.parity.families.same import first

SIZES = {
    "its sum": lambda x, axis: x.sum(axis, keepdims=True),
    "its norm": lambda x, axis: np.sqrt(np.sum(x**2, axis, keepdims=True)),
    "the sum of its magnitudes": lambda x, axis: np.abs(x).sum(axis, keepdims=True),
    "its largest magnitude": lambda x, axis: np.abs(x).max(axis, keepdims=True),
}


def fit(case: Any) -> str | None:
    """Return by what the input was divided, a sum of its own along an axis or two."""
    whole = [x for x in case.inputs if x.shape == case.output.shape and x.dtype.kind == "f"]
    if case.parameters or len(whole) != 1 or case.output.ndim < 2:
        return None
    x = whole[0].astype(np.float64)
    return first(((words, lambda size=size: x / size) for words, size in divisors(x)), case.output, case.close)


def divisors(x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what an array may be divided by, in words and as an array."""
    for axis in range(1, x.ndim):
        for words, size in SIZES.items():
            yield f"over {words} along axis {axis}", size(x, axis)
    if x.ndim > 2 and x.shape[-1] == x.shape[-2]:
        rows, columns = (x.sum(axis, keepdims=True) for axis in (-1, -2))
        yield "over the roots of its sums along the last two axes", np.sqrt(np.abs(rows * columns))
