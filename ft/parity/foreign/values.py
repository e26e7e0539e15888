"""Arrays known by their values: the same numbers in any order are one, and axes are moved where that makes them so."""

from collections.abc import Iterator, Mapping
from itertools import permutations
from weakref import ref

import numpy as np

from ft.parity.families.same import VAST, bounded, tamed

MOMENTS = 4
MANY = 8  # elements of which not all happen to be one of two
TRIED = 5  # axes beyond which no order of them is tried


class Table:
    """Arrays by number, found by their values in any order. close: the relative difference that counts as none."""

    def __init__(self, arrays: Mapping[int, np.ndarray], close: float) -> None:
        self.arrays, self.close = arrays, close
        self.sizes: dict[int, list[int]] = {}
        self.moments = {number: moments(x) for number, x in arrays.items()}
        self.ordered: dict[int, np.ndarray] = {}
        self.found: dict[int, tuple[ref[np.ndarray], list[int]]] = {}  # by id: passes share most of their arrays
        for number in sorted(self.moments):  # a file has its arrays in any order; of several that fit the first counts
            self.sizes.setdefault(arrays[number].size, []).append(number)

    def find(self, x: np.ndarray) -> list[int]:
        """Return the numbers of the arrays that hold the same values."""
        known = self.found.get(id(x))
        if known is None or known[0]() is not x:
            known = self.found[id(x)] = ref(x), list(self.search(x))
        return known[1]

    def search(self, x: np.ndarray) -> Iterator[int]:
        """Yield the numbers of the arrays that hold the same values."""
        own = moments(x) if x.size in self.sizes else np.zeros(MOMENTS)
        ordered = None
        for number in self.sizes.get(x.size, ()):
            scale = max(own[-1], self.moments[number][-1])
            if not np.all(np.abs(own - self.moments[number]) <= self.close * scale * ROOM):
                continue
            if same_order(self.arrays[number], x, self.close):  # quicker to see than the same in another order
                yield number
                continue
            ordered = np.sort(x, axis=None) if ordered is None else ordered
            if apart(ordered.astype(np.float64), self.in_order(number).astype(np.float64)) <= self.close:
                yield number

    def in_order(self, number: int) -> np.ndarray:
        """Return the values of an array in ascending order."""
        if number not in self.ordered:
            self.ordered[number] = np.sort(self.arrays[number], axis=None)
        return self.ordered[number]


SURELY = 0.5  # how much nearer an order of the axes must be that frameworks do not differ in
ROOM = 4.0  # a mean may be off by as much as its parts, and a little more


def moments(x: np.ndarray) -> np.ndarray:
    """Return mean, mean magnitude, root mean square and largest magnitude: what no order of the values changes."""
    finite = np.nan_to_num(bounded(x.astype(np.float64, copy=False)).ravel())
    finite = np.where(np.abs(finite) > VAST, 0.0, finite)
    if not finite.size:
        return np.zeros(MOMENTS)
    size = np.abs(finite)
    with np.errstate(over="ignore"):
        return np.array([finite.mean(), size.mean(), np.sqrt(np.mean(finite**2)), size.max()])


def apart(x: np.ndarray, y: np.ndarray) -> float:
    """Return the largest difference relative to the largest magnitude; infinity for other shapes, or one NaN."""
    if x.shape != y.shape:
        return np.inf
    finite = tamed(x, y)
    if finite is None:
        return np.inf
    x, y = finite
    with np.errstate(invalid="ignore"):
        difference = np.abs(x - y)
        scale = max(np.abs(x).max(initial=0.0), np.abs(y).max(initial=0.0))
    if not np.isfinite(scale) or not np.isfinite(difference).all():
        return 0.0 if np.array_equal(x, y, equal_nan=True) else np.inf
    return float(difference.max(initial=0.0) / scale) if scale else 0.0


def mean_apart(x: np.ndarray, y: np.ndarray) -> float:
    """Return the root mean square of the difference relative to that of y."""
    if x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return np.inf
    with np.errstate(over="ignore"):  # a number may stand for infinity
        far, size = float(np.mean((x - y) ** 2)), float(np.mean(y**2))
    return np.inf if np.isinf(far) else float(np.sqrt(far / max(size, 1e-300)))


def shape_apart(x: np.ndarray, y: np.ndarray) -> float:
    """Return how far two arrays are apart where one may be any number of times as large as the other."""
    if x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()) or max(map(peak, (x, y))) > VAST:
        return np.inf
    product, size = float(np.sum(x * y)), float(np.sum(x * x))
    return mean_apart(x * (product / size), y) if size else 1.0


def of_two_values(y: np.ndarray) -> bool:
    """Tell an array that holds two values alone, as masks do."""
    y = bounded(y)
    return y.size > MANY and bool(np.all((y == y.min()) | (y == y.max())))


def peak(x: np.ndarray) -> float:
    """Return the largest magnitude."""
    return float(np.abs(x).max(initial=0.0))


def layouts(x: np.ndarray, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield an array in another shape: as it lies, with its channels moved, then with its axes in any order."""
    if x.size != int(np.prod(shape)):
        return
    if x.shape == shape:
        yield x
    yield from (y for y in usual(x, shape))
    sides = [side for side in shape if side > 1]
    y = x.squeeze()
    if y.ndim <= TRIED and sorted(y.shape) == sorted(sides):
        for order in permutations(range(y.ndim)):
            if [y.shape[i] for i in order] == sides:
                yield y.transpose(order).reshape(shape)


def usual(x: np.ndarray, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield an array in the layouts that frameworks differ in: channels first or last, and axes of size 1."""
    for y in (x, np.moveaxis(x, -1, 1), np.moveaxis(x, 1, -1)) if x.ndim > 2 else (x,):
        if [side for side in y.shape if side > 1] == [side for side in shape if side > 1]:
            yield y.reshape(shape)


def nearest(x: np.ndarray, like: np.ndarray, *, moved: bool = True) -> np.ndarray | None:
    """Return an array in the layout in which it is nearest to another one, None where none has its shape.

    moved: whether maps have their channels last here, and in `like` after the samples: that layout must be beaten.
    """
    forms = list(layouts(x, like.shape))
    if not forms and x.size == like.size:
        forms = [x.reshape(like.shape)]
    expected = list(usual(np.moveaxis(x, -1, 1) if moved and x.ndim > 2 else x, like.shape)) or forms
    best = min(forms, key=lambda y: mean_apart(y, like), default=None)
    if best is not None and mean_apart(best, like) > SURELY * mean_apart(expected[0], like):
        return expected[0]
    return best


def distance(x: np.ndarray, like: np.ndarray) -> float:
    """Return how far an array is from another in the layout in which it is nearest."""
    best = nearest(x, like)
    return np.inf if best is None else mean_apart(best, like)


def same_order(x: np.ndarray, like: np.ndarray, close: float) -> bool:
    """Tell whether two arrays are equal but for a layout in which frameworks differ."""
    return any(apart(y, like) <= close for y in usual(x, like.shape))
