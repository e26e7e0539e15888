"""The same numbers in another order: flattened, joined, shuffled or turned in another way."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np

from ft.parity.families.same import same

AS_IT_LIES = "as it lies"
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
                return AS_IT_LIES if axes == tuple(range(x.ndim)) else f"axes {axes} then as it lies"
    if words := next((name for name, made in shuffled(x) if same(made.reshape(y.shape), y, close)), ""):
        return words
    for axis in range(x.ndim):
        if x.shape == y.shape and same(np.flip(x, axis), y, close):
            return f"turned along axis {axis}"
        if words := half_turned(x, y, axis, close):
            return words
        if x.shape == y.shape and x.shape[axis] <= 4096 and (order := along(x, y, axis, close)):
            return f"along axis {axis}: {order}"
    return SHUFFLED


def half_turned(x: np.ndarray, y: np.ndarray, axis: int, close: float) -> str:
    """Return which half of the channels was turned, as a direction of a recurrent layer may be, "" for neither."""
    for channels in {1, x.ndim - 1} - {axis} if x.shape == y.shape and x.ndim > 2 else ():
        one, two = np.array_split(x, 2, channels)
        for which, halves in (("first", (np.flip(one, axis), two)), ("second", (one, np.flip(two, axis)))):
            if same(np.concatenate(halves, channels), y, close):
                return f"the {which} half along axis {channels} turned along axis {axis}"
    return ""


def shuffled(x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield maps whose channels became pixels, or changed their groups; channels stand after the samples."""
    if x.ndim != 4:
        return
    n, c, h, w = x.shape
    for r in (r for r in (2, 3, 4) if c % r**2 == 0):
        inner = x.reshape(n, c // r**2, r, r, h, w).transpose(0, 1, 4, 2, 5, 3)
        outer = x.reshape(n, r, r, c // r**2, h, w).transpose(0, 3, 4, 1, 5, 2)
        yield f"channels to pixels by {r}, pixels within a channel", inner
        yield f"channels to pixels by {r}, channels within a pixel", outer
    for groups in (g for g in range(2, c) if c % g == 0):
        turned = x.reshape(n, groups, c // groups, h, w).transpose(0, 2, 1, 3, 4)
        yield f"channels in {groups} groups, dealt out in turn", turned


def along(x: np.ndarray, y: np.ndarray, axis: int, close: float) -> str:
    """Return which parts along an axis stand where, "" where they are not all found."""
    a, b = (np.moveaxis(z, axis, 0).reshape(z.shape[axis], -1) for z in (x, y))
    places = []
    for row in b:
        far = np.abs(a - row).max(1)
        place = int(far.argmin())
        if far[place] > close * max(np.abs(b).max(), 1e-300):
            return ""
        places.append(place)
    return ", ".join(map(str, places[:8])) + (" ..." if len(places) > 8 else "")


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
