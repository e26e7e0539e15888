"""Whether a hypothesis gives an output: one comparison for all families."""

from collections.abc import Callable, Iterable

import numpy as np

LARGE, VAST = 1e300, 1e30  # what stands for infinity, and from where on a number is meant as it
EXACT = 1e-13  # how near a number that was read off is to itself


def same(x: np.ndarray, y: np.ndarray, close: float) -> bool:
    """Tell whether two arrays are equal but for rounding, in one shape or but for axes of size 1."""
    if x.shape != y.shape:
        if x.size != y.size or [n for n in x.shape if n > 1] != [n for n in y.shape if n > 1]:
            return False
        x = x.reshape(y.shape)
    finite = tamed(x, y)
    if finite is None:
        return False
    x, y = finite
    with np.errstate(invalid="ignore", over="ignore"):
        far = np.abs(x - y)
        scale = np.abs(y).max(initial=0.0)
    return bool(np.isfinite(far).all() and far.max(initial=0.0) <= close * scale)


def bounded(x: np.ndarray) -> np.ndarray:
    """Return an array with its infinities as large numbers, by which they are often meant."""
    if np.isfinite(x).all():
        return x
    x = x.astype(np.float64) if x.dtype.itemsize < np.dtype(np.float32).itemsize else x
    with np.errstate(over="ignore"):
        return np.nan_to_num(x, nan=np.nan, posinf=LARGE, neginf=-LARGE)


def tamed(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return two arrays of one shape without NaN and the as good as infinite, None where that is in other places."""
    x, y = bounded(x), bounded(y)
    with np.errstate(invalid="ignore", over="ignore"):  # a small type does not hold the bound
        left, right = (np.sign(z) * (np.abs(z) > VAST) for z in (x, y))
    if not (left.any() or right.any()):
        return x, y
    return (np.where(left, 0, x), np.where(right, 0, y)) if np.array_equal(left, right, equal_nan=True) else None


def first(hypotheses: Iterable[tuple[str, Callable[[], np.ndarray | None]]], y: np.ndarray, close: float) -> str | None:
    """Return the name of the first hypothesis that gives an output."""
    for name, compute in hypotheses:
        with np.errstate(all="ignore"):
            x = compute()
        if x is not None and same(x, y, close):
            return name
    return None


def number(x: float) -> str:
    """Return a number that was read off, short where it is short."""
    return f"{float(x):.6g}"


def exactly(x: float) -> str:
    """Return a number in all its digits, short where it is short, and that it was rounded to float32 where it was."""
    short, rounded = number(x), float(np.float32(x))
    if abs(float(short) - x) <= EXACT * abs(x):
        return short
    return f"{rounded!r} (rounded to float32)" if abs(rounded - x) <= EXACT * abs(x) else f"{x:.15g}"
