"""Two traces against each other: where they part first, by how much, and everything that differs after that."""

from collections.abc import Container, Iterator
from dataclasses import dataclass

import numpy as np

from ft.errors import RunError, listed
from ft.parity.arrays import BARS, gap, no_fit, spread_of
from ft.parity.trace import BEFORE, EACH_STEP, Trace
from ft.recipe import deciding

PARAMETERS, SETTINGS, COVERAGE = "parameters", "settings", "coverage"  # the phases of what no array shows
UNMEASURED = (PARAMETERS, SETTINGS, COVERAGE)
EVERY = (*BEFORE, *EACH_STEP)  # the phases of a trace
MAY_BE_ZERO = ("gradients", "updates", "slots")
COMMON = ("recipe", "data", "dtype", "steps", "update", "classes")  # what two traces must have alike
OWN = deciding("machine", "title")  # fields of a recipe that may differ


@dataclass(frozen=True)
class Row:
    """One array in both traces: its place, the size of the difference, and whether that is too much.

    relative: largest |a - b| over the largest magnitude; beyond: number of elements of `size` that are off by more than
    the bar; fault: why the arrays cannot be subtracted, "" where they can.
    """

    step: int | None
    phase: str
    name: str
    relative: float
    absolute: float
    beyond: int
    size: int
    bar: float
    fault: str = ""
    zero: bool = False

    @classmethod
    def unmeasured(cls, step: int | None, phase: str, name: str, fault: str) -> "Row":
        """Return the row of what differs without a number that says how far: it counts as infinitely far apart."""
        return cls(step, phase, name, np.inf, np.inf, 0, 0, 0.0, fault)

    @property
    def differs(self) -> bool:
        """Whether the two arrays are not equal."""
        return bool(self.fault) or (not self.zero and not self.relative <= self.bar)

    @property
    def place(self) -> str:
        """Step, phase and name in words."""
        where = "before the first step" if self.step is None else f"step {self.step}"
        return f"{where}, {self.phase}, {self.name}"


@dataclass(frozen=True)
class Verdict:
    """All rows in the order of computation; names that only one trace has, by phase, in `unpaired`."""

    rows: tuple[Row, ...]
    unpaired: tuple[str, ...] = ()

    @property
    def first(self) -> Row | None:
        """The first difference, None where there is none."""
        return next((row for row in self.rows if row.differs), None)

    @property
    def measured(self) -> "Verdict":
        """This without what no array shows."""
        return Verdict(tuple(row for row in self.rows if row.phase not in UNMEASURED), self.unpaired)

    @property
    def unmeasured(self) -> list[Row]:
        """What no array shows."""
        return [row for row in self.rows if row.phase in UNMEASURED]

    def largest(self, phase: str) -> float:
        """The largest relative difference of a phase, those of zero arrays left out."""
        return max((row.relative for row in self.rows if row.phase == phase and not row.zero), default=0.0)


def compare_traces(a: Trace, b: Trace, *, phases: Container[str] = EVERY) -> Verdict:
    """Compare two traces of the same recipe, data, type and number of steps; RunError where these differ.

    phases: those to compare. A layer that only one trace has is `unpaired`; any other array that only one has is an
    error.
    """
    require_comparable(a, b)
    rows, unpaired = [], []
    for step, phase in (place for place in a.phases() if place[1] in phases):
        of_a, of_b = a.arrays(step, phase), b.arrays(step, phase)
        names = {name for name in of_a if "<" not in name}, {name for name in of_b if "<" not in name}
        alone = sorted(names[0] ^ names[1])
        if alone and phase not in ("inference", "forward"):
            raise RunError(f"{listed(alone)} of {phase} is in one of {a.folder} and {b.folder} only; trace one network")
        unpaired += [f"{phase} {name}" for name in alone if step in (None, 0)]
        bar = bar_of(a.dtype, step, phase)
        both = [name for name in dict.fromkeys([*a.order(phase), *of_a]) if name in names[0] & names[1]]
        compared = []
        for name in both:
            x, y = of_a[name], of_b[name]
            axes = a.axes(phase, name, x.ndim), b.axes(phase, name, y.ndim)
            least = spread_of(name, of_a, of_b) if phase == "statistics" else 0.0
            compared.append(compare_arrays(step, phase, name, x, y, bar, axes=axes, least=least))
        rows += (
            list(mark_zeros(compared, BARS[a.dtype]["zero"])) if phase in MAY_BE_ZERO else [row for row, _ in compared]
        )
        for trace in (a, b):
            trace.close(step, phase)
    return Verdict(tuple(rows), tuple(unpaired))


def require_comparable(a: Trace, b: Trace) -> None:
    """Raise RunError where two traces are not of the same thing."""
    for key in COMMON:
        values = [trace.facts.get(key) for trace in (a, b)]
        if key == "recipe":
            values = [{k: v for k, v in (value or {}).items() if k not in OWN} for value in values]
            changed = sorted(k for k in values[0].keys() | values[1].keys() if values[0].get(k) != values[1].get(k))
            if changed:
                raise RunError(f"{a.folder} and {b.folder} are of different recipes ({listed(changed)}); trace one")
        elif values[0] != values[1]:
            raise RunError(f"{key} is {values[0]} in {a.folder} and {values[1]} in {b.folder}; trace the same in both")


def bar_of(dtype: str, step: int | None, phase: str) -> float:
    """Return the largest relative difference that counts as equal at a place."""
    bars = BARS[dtype]
    if phase in bars:
        return bars[phase]
    bar = bars["trajectory" if step else "step"]
    return max(bar, bars["flips"]) if phase in MAY_BE_ZERO else bar


def compare_arrays(
    step: int | None,
    phase: str,
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    bar: float,
    *,
    axes: tuple[str, str] = ("", ""),
    least: float = 0.0,
) -> tuple[Row, tuple[float, float]]:
    """Return the row of two arrays, and the magnitudes of both.

    axes: of each; "" for what is compared as it lies; least: what they are measured against where they are smaller.
    """
    fault = unlike(x, axes[0], y, axes[1])
    apart = no_fit(x, y, fault) if fault else gap(x, aligned(x, axes[0], y, axes[1]), bar=bar, least=least)
    sizes = apart.relative, apart.absolute, apart.beyond, x.size
    return Row(step, phase, name, *sizes, bar, apart.fault), apart.magnitudes


def mark_zeros(compared: list[tuple[Row, tuple[float, float]]], share: float) -> Iterator[Row]:
    """Yield rows; an array that is zero but for rounding in both traces is equal, in one only it is not."""
    floor = share * max((m for _, magnitudes in compared for m in magnitudes if np.isfinite(m)), default=0.0)
    for row, magnitudes in compared:
        small = [m < floor for m in magnitudes]
        fault = "zero but for rounding in one only" if any(small) and not all(small) else row.fault
        yield Row(**{**vars(row), "zero": all(small), "fault": fault})


def unlike(x: np.ndarray, axes_x: str, y: np.ndarray, axes_y: str) -> str:
    """Return why the axes of two arrays do not go together, "" where they do.

    An axis that one side lacks must have length 1 in the other: a pooled map may be (N, C, 1, 1) or (N, C).
    """
    if not axes_x and not axes_y:
        return ""
    words = f"axes {axes_x or 'unsaid'} of {x.shape} against {axes_y or 'unsaid'} of {y.shape}"
    if len(axes_x) != x.ndim or len(axes_y) != y.ndim:
        return words
    sides = dict(zip(axes_x, x.shape, strict=True)), dict(zip(axes_y, y.shape, strict=True))
    lone = sides[0].keys() ^ sides[1].keys()
    return words if any(side.get(axis, 1) != 1 for side in sides for axis in lone) else ""


def aligned(x: np.ndarray, axes_x: str, y: np.ndarray, axes_y: str) -> np.ndarray:
    """Return `y` with its axes as in `x`, moved by name; axes of length 1 that one side lacks are dropped or added."""
    kept = [axis for axis in axes_y if axis in axes_x]
    y = y.squeeze(tuple(i for i, axis in enumerate(axes_y) if axis not in kept))
    y = y.transpose([kept.index(axis) for axis in axes_x if axis in kept]) if kept else y
    return np.expand_dims(y, tuple(i for i, axis in enumerate(axes_x) if axis not in kept))
