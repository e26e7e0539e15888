"""Products of two matrices, each as it lies or turned, and their factor."""

from itertools import product
from typing import Any

import numpy as np

from ft.parity.families.same import number, same

LEAST = 2  # axes of a matrix


def fit(case: Any) -> str | None:
    """Return which product of the two inputs gives the output."""
    if case.parameters or len(case.inputs) != LEAST or {x.dtype.kind for x in case.inputs} != {"f"}:
        return None
    if min(x.ndim for x in (*case.inputs, case.output)) < LEAST:
        return None
    (a, b), y = case.inputs, case.output.astype(np.float64)
    ways = [("x0 @ x1", a, b), ("x1 @ x0", b, a)]
    for (words, left, right), (i, j) in product(ways, product((False, True), repeat=2)):
        first, second = words.split(" @ ")
        left, right = (x.swapaxes(-1, -2) if turned else x for x, turned in ((left, i), (right, j)))
        if (made := multiplied(left, right)) is None or made.shape != y.shape:
            continue
        factor = float((made * y).sum() / max((made**2).sum(), 1e-300))
        if same(factor * made, y, case.close):
            told = f"{first}{' turned' * i} @ {second}{' turned' * j}"
            return told if abs(factor - 1) < case.close else f"{number(factor)} * ({told})"
    return None


def multiplied(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """Return the product of two arrays of matrices, None where there is none."""
    try:
        return np.matmul(a.astype(np.float64), b.astype(np.float64))
    except ValueError:
        return None
