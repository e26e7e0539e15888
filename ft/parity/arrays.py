"""How far apart arrays are, and how far counts as equal: the one function, `gap`, and the one table of bars."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ft.errors import listed

# Largest relative difference that counts as equal, by the type that was computed in. float64 proves: the bars of
# inference, of a step from a common state, and of a trajectory. float32 cannot: its bars only tell more from what
# rounding and single ReLU flips do.
BARS = {
    "float64": {
        "weights": 0.0,
        "batch": 0.0,
        "inference": 1e-13,
        "step": 1e-11,
        "trajectory": 1e-10,
        "flips": 0.0,  # what flipped ReLUs may do to a gradient: in float64 none flips
        "zero": 1e-10,  # a gradient below this share of the network's largest is zero but for rounding
        "sensitivity": 1e-11,  # a trajectory that one ulp moves further is chaotic, and proves nothing
        "cause": 1e-9,  # a hypothesis that comes this near has computed the same thing
        "export": 1e-10,  # logits of an exported file, edges and scores of its detections
        "alone": 0.0,  # the share of its detections, and of the run's, that only one of the two has
    },
    "float32": {
        "weights": 0.0,
        "batch": 0.0,
        "inference": 1e-4,
        "step": 1e-3,
        "trajectory": 1e-2,
        "flips": 0.1,
        "zero": 1e-4,
        "cause": 1e-4,
        "export": 1e-4,  # the noise of float32 is 1e-6
        "alone": 0.02,  # one proposal more or less at a bar changes what is left of those around it
    },
}
ZERO = BARS["float64"]["zero"]
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


@dataclass(frozen=True)
class Gap:
    """How far apart two arrays are. relative: largest |x - y| over the largest magnitude in either; absolute: without.

    beyond: number of elements that are off by more than the bar; magnitudes: of either; fault: why the two cannot be
    subtracted, "" where they can. With a fault they are infinitely far apart.
    """

    relative: float
    absolute: float
    beyond: int
    magnitudes: tuple[float, float]
    fault: str = ""


def gap(x: np.ndarray, y: np.ndarray, *, bar: float = 0.0, least: float = 0.0) -> Gap:
    """Return how far apart two arrays are, element by element in float64; 0 against 0 is 0. bar: see `Gap.beyond`.

    least: what they are measured against where they are smaller; see `spread_of`.
    NaN and infinity must be in the same places: those are equal, and the rest is compared.
    """
    if fault := misfit(x, y):
        return no_fit(x, y, fault)
    magnitudes = magnitude(x), magnitude(y)
    scale, largest, beyond = max(*magnitudes, least), 0.0, 0
    for difference in differences(x, y) if scale else ():
        largest = max(largest, float(difference.max(initial=0.0)))
        beyond += int(np.count_nonzero(difference > bar * scale))
    return Gap(largest / scale if scale else 0.0, largest, beyond, magnitudes)


def spread_of(name: str, *sides: Tensors) -> float:
    """Return the deviation of the values that a running mean is a mean of, 0 for any other array.

    A mean is rounded relative to its values, and shifts what they become relative to that deviation. Behind a
    linear bottleneck the values cancel, and the mean itself is nothing but rounding.
    """
    variance = f"{name.removesuffix('mean')}var" if name.endswith("running_mean") else ""
    return max((magnitude(side[variance]) ** 0.5 for side in sides if variance in side), default=0.0)


def no_fit(x: np.ndarray, y: np.ndarray, fault: str) -> Gap:
    """Return the gap between two arrays that cannot be subtracted."""
    return Gap(np.inf, np.inf, max(x.size, y.size), (np.inf, np.inf), fault)


def differences(x: np.ndarray, y: np.ndarray) -> Iterator[np.ndarray]:
    """Yield |x - y| in float64, 0 where both are not finite, in pieces.

    Of hundreds of millions of weights, a difference and its magnitudes are gigabytes.
    """
    pieces = np.nditer(
        [x, y], ["external_loop", "buffered", "zerosize_ok"], op_dtypes=[np.float64] * 2, buffersize=PIECE
    )
    for a, b in pieces:
        with np.errstate(invalid="ignore"):  # inf - inf, which `misfit` has found alike on both sides
            difference = np.abs(a - b)
        difference[~np.isfinite(difference)] = 0.0
        yield difference


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
        apart = gap(a[name], b[name], least=spread_of(name, a, b))
        if apart.fault:
            faults.append(f"{name}: {apart.fault}")
        elif small and all(small):
            zeros.append(name)
        else:
            relative[name] = apart.relative
            if any(small):
                faults.append(f"{name} is zero but for rounding in one only")
            elif not apart.relative <= bar:
                faults.append(f"{name}: {apart.relative:.3g} is above {bar:g}")
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


def magnitude(x: np.ndarray) -> float:
    """Return the largest finite absolute value, 0 for an empty array."""
    low, high = range_of(x)
    if np.isfinite(low) and np.isfinite(high):
        return max(-low, high)
    return float(np.max(np.abs(x), initial=0.0, where=np.isfinite(x)))


def range_of(x: np.ndarray) -> tuple[float, float]:
    """Return the smallest and the largest element, 0 counted in; NaN where there is one."""
    return float(np.min(x, initial=0)), float(np.max(x, initial=0))
