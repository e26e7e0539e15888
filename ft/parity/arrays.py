"""Named arrays against named arrays: equal within a bar, or a list of what is not and by how much."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ft.errors import listed

ZERO = 1e-10  # a gradient below this share of the network's largest is zero but for rounding
PIECE = 2**16  # elements that are compared at a time

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Comparison:
    """The relative difference of every pair of arrays, and the reasons why some are not equal.

    relative: largest |a - b| over the tensor's largest magnitude, by name; zeros: names that are zero but for rounding
    in both; faults: one phrase for every pair that is not equal.
    """

    relative: dict[str, float]
    zeros: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def largest(self) -> float:
        """The largest relative difference of all."""
        return max(self.relative.values(), default=0.0)


def compare(a: Tensors, b: Tensors, *, bar: float, zero: float = 0.0) -> Comparison:
    """Compare two sets of arrays element by element.

    bar: largest relative difference that counts as equal; zero: share of the largest magnitude of all tensors below
    which a tensor is zero but for rounding. Such a tensor must be zero in both, and is then not compared.
    """
    faults = [f"{name} is in one only" for name in sorted(a.keys() ^ b.keys())]
    sizes = [{name: magnitude(x) for name, x in tensors.items()} for tensors in (a, b)] if zero else []
    floor = zero * max((size for of_one in sizes for size in of_one.values()), default=0.0)
    relative, zeros = {}, []
    for name in (name for name in a if name in b):
        small = [of_one[name] < floor for of_one in sizes]
        if fault := misfit(a[name], b[name]):
            faults.append(f"{name}: {fault}")
        elif small and all(small):
            zeros.append(name)
        else:
            relative[name] = relative_difference(a[name], b[name])
            if any(small):
                faults.append(f"{name} is zero but for rounding in one only")
            elif not relative[name] <= bar:
                faults.append(f"{name}: {relative[name]:.3g} is above {bar:g}")
    return Comparison(relative, tuple(zeros), tuple(faults))


def require_equal(a: Tensors, b: Tensors, *, bar: float, zero: float = 0.0, what: str = "tensors") -> Comparison:
    """Return the comparison; AssertionError that lists the differences where there are any."""
    result = compare(a, b, bar=bar, zero=zero)
    if result.faults:
        raise AssertionError(f"{what} differ in {len(result.faults)} places: {listed(result.faults, 5)}")
    return result


def misfit(x: np.ndarray, y: np.ndarray) -> str:
    """Return why two arrays cannot be subtracted: their shapes, or NaN or infinity in other places. Else ""."""
    if x.shape != y.shape:
        return f"shape {x.shape} against {y.shape}"
    if all(np.isfinite(range_of(z)).all() for z in (x, y)):
        return ""
    finite = np.isfinite(x), np.isfinite(y)
    if not np.array_equal(*finite):
        return f"{(finite[0] != finite[1]).sum()} elements are finite on one side only"
    odd = ~finite[0]
    if not np.array_equal(x[odd], y[odd], equal_nan=True):
        return "NaN or infinity of another kind or sign"
    return ""


def relative_difference(x: np.ndarray, y: np.ndarray) -> float:
    """Return the largest |x - y| over the largest magnitude in either; 0 against 0 is 0."""
    scale, largest = max(magnitude(x), magnitude(y)), 0.0
    if not scale:
        return 0.0
    # piece by piece: of hundreds of millions of weights, a difference and its magnitudes are gigabytes
    pieces = np.nditer(
        [x, y], ["external_loop", "buffered", "zerosize_ok"], op_dtypes=[np.float64] * 2, buffersize=PIECE
    )
    for a, b in pieces:
        with np.errstate(invalid="ignore"):  # inf - inf, which `misfit` has found alike on both sides
            largest = max(largest, magnitude(a - b))
    return largest / scale


def magnitude(x: np.ndarray) -> float:
    """Return the largest finite absolute value, 0 for an empty array."""
    low, high = range_of(x)
    if np.isfinite(low) and np.isfinite(high):
        return max(-low, high)
    return float(np.max(np.abs(x), initial=0.0, where=np.isfinite(x)))


def range_of(x: np.ndarray) -> tuple[float, float]:
    """Return the smallest and the largest element, 0 counted in; NaN where there is one."""
    return float(np.min(x, initial=0)), float(np.max(x, initial=0))
