"""Chaos told apart from difference: what one ulp in the starting weights does to one side alone.

Every array of a second run of that side, its starting weights moved by one unit in the last place, lies so far from the
first: that is the band. Two implementations that are no further apart differ by no more than rounding can explain.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ft.noise import generator
from ft.parity.evidence import Finding
from ft.parity.trace import Trace
from ft.parity.verdict import Row, Verdict, compare_traces

FEW = 10  # so many times the band is not more than one ulp does: the two sides round in every operation, not once
CHAOS = "chaotic-trajectory"  # the entry of what stays within the band
SHOWN = ("forward", "gradients", "updates")  # phases that are shown step by step
Place = tuple[int | None, str, str]


@dataclass(frozen=True)
class Band:
    """How far one ulp moves every array of the side of that name, relative, by step, phase and name.

    usual: the median of a phase in a step: by luck single arrays, and the one number of a loss, hardly move at all.
    """

    side: str
    moved: Mapping[Place, float]

    @cached_property
    def usual(self) -> dict[tuple[int | None, str], float]:
        """The median by step and phase."""
        groups: dict[tuple[int | None, str], list[float]] = {}
        for (step, phase, _), moved in self.moved.items():
            groups.setdefault((step, phase), []).append(moved)
        return {at: float(np.median(moved)) for at, moved in groups.items()}

    def at(self, row: Row) -> float:
        """Return how far it moves the array of a row, 0 for one that it does not reach."""
        return self.moved.get((row.step, row.phase, row.name), 0.0)

    def times(self, row: Row) -> float:
        """Return how many times as far apart the two sides are at a row as one ulp moves that, or its like."""
        phase = "forward" if row.phase in ("loss", "statistics") else row.phase
        moved = max(self.at(row), self.usual.get((row.step, phase), 0.0))
        return row.relative / moved if moved else np.inf

    def holds(self, row: Row) -> bool:
        """Tell whether the two sides are at most a few times as far apart at a row; never where they do not fit."""
        return bool(np.isfinite(row.relative)) and self.times(row) <= FEW

    def holds_all(self, verdict: Verdict) -> bool:
        """Tell whether it holds all that differs, of which there must be something."""
        differing = [row for row in verdict.rows if row.differs]
        return bool(differing) and all(map(self.holds, differing))


@dataclass(frozen=True)
class StepBand:
    """Of one step and phase: how far the two sides are apart, and how far one ulp moves one, both at the most."""

    step: int
    phase: str
    apart: float
    moved: float


def band_of(one: Trace, again: Trace) -> Band:
    """Return the band of a side from its trace and its trace with moved weights."""
    rows = compare_traces(one, again).rows
    return Band(one.label, {(row.step, row.phase, row.name): row.relative for row in rows})


def moved_by_one_ulp(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return tensors with every number moved to the next one above or below, drawn; whole numbers and scalars stay."""
    rng = generator(0, "ulp")
    return {
        name: np.nextafter(x, rng.choice([-np.inf, np.inf], x.shape).astype(x.dtype))
        if x.dtype.kind == "f" and x.ndim
        else x
        for name, x in tensors.items()
    }


def chaos_in(verdict: Verdict, band: Band) -> Finding:
    """Return the finding that stands for differences of which the band holds all."""
    first = verdict.first
    assert first is not None
    largest = max((row for row in verdict.rows if row.differs), key=band.times)
    detail = (
        f"not more than one ulp in the starting weights does to {band.side} alone, but for a factor of "
        f"{band.times(largest):.2g} at most ({largest.name}, step {largest.step})"
    )
    return Finding(CHAOS, first.step, first.phase, first.name, first.relative, detail)


def by_step(rows: Iterable[Row], band: Band) -> list[StepBand]:
    """Return the largest differences of every step beside the band, arrays that are zero but for rounding left out."""
    largest: dict[tuple[int, str], tuple[float, float]] = {}
    for row in rows:
        if row.step is not None and row.phase in SHOWN and not row.zero:
            apart, moved = largest.get((row.step, row.phase), (0.0, 0.0))
            largest[row.step, row.phase] = max(apart, row.relative), max(moved, band.at(row))
    return [StepBand(*place, *sizes) for place, sizes in largest.items()]
