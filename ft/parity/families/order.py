"""The same numbers in another order: flattened, joined, shuffled or turned in another way."""

from itertools import permutations
from typing import Any

import numpy as np

from ft.parity.families.same import same

SHUFFLED = "another order of the elements"


def fit(case: Any) -> str | None:
    """Return how the elements of the inputs lie in the output, None where they are others."""
    y = case.output
    parts = [x for x in case.inputs if x.dtype.kind == "f"]
    if case.parameters or sum(x.size for x in parts) != y.size or not parts:
        return None
    values = np.sort(np.concatenate([x.ravel() for x in parts]))
    if not same(np.sort(y, axis=None), values, case.close):
        return None
    return joined(parts, y, case.close) if len(parts) > 1 else moved(parts[0], y, case.close)


def moved(x: np.ndarray, y: np.ndarray, close: float) -> str:
    """Return how one array became another."""
    if x.ndim <= 6:
        for axes in permutations(range(x.ndim)):
            if same(x.transpose(axes).reshape(y.shape), y, close):
                return "as it lies" if axes == tuple(range(x.ndim)) else f"axes {axes} then as it lies"
    for axis in range(x.ndim):
        if x.shape == y.shape and same(np.flip(x, axis), y, close):
            return f"turned along axis {axis}"
        if x.shape == y.shape and x.shape[axis] <= 4096 and (order := along(x, y, axis, close)):
            return f"along axis {axis}: {order}"
    return SHUFFLED


def along(x: np.ndarray, y: np.ndarray, axis: int, close: float) -> str:
    """Return which parts along an axis stand where, "" where they are not all found."""
    a, b = (np.moveaxis(z, axis, 0).reshape(z.shape[axis], -1) for z in (x, y))
    found = []
    for row in b:
        far = np.abs(a - row).max(1)
        place = int(far.argmin())
        if far[place] > close * max(np.abs(b).max(), 1e-300):
            return ""
        found.append(place)
    return ", ".join(map(str, found[:8])) + (" ..." if len(found) > 8 else "")


def joined(parts: list[np.ndarray], y: np.ndarray, close: float) -> str:
    """Return in which order arrays were joined, and along which axis."""
    for order in permutations(range(len(parts))) if len(parts) <= 4 else ():
        for axis in range(y.ndim):
            try:
                made = np.concatenate([parts[i] for i in order], axis)
            except ValueError:
                continue
            if same(made, y, close):
                return f"joined along axis {axis}: {', '.join(map(str, order))}"
    return SHUFFLED
