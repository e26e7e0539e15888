"""Gradients that cancel: where nothing before them differs, what one ulp in the weights does to one side is rounding.

A gradient of a weight that hardly matters, such as that of a norm's before another norm, is a small sum of large terms:
it is rounded relative to these, and how large they are no array shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree

from ft.parity.arrays import BARS
from ft.parity.foreign.assignment import AGAIN
from ft.parity.foreign.couple import Couple
from ft.parity.foreign.sides import file_of
from ft.parity.sensitivity import FEW, Band, band_of
from ft.parity.trace import Trace
from ft.parity.verdict import MAY_BE_ZERO, Row, Verdict

BEFORE = ("weights", "batch", "inference", "forward", "loss")  # phases that gradients come of


@dataclass(frozen=True)
class Rounding:
    """What was measured, with the bars that one ulp sets, the band that says so, and how many rows it is about."""

    verdict: Verdict
    band: Band | None = None
    raised: tuple[Row, ...] = ()

    def notes(self) -> Iterator[str]:
        """Yield how many gradients were compared by that bar."""
        if self.band is not None and self.raised:
            largest = max(self.raised, key=lambda row: row.relative)
            yield (
                f"gradients that cancel: {len(self.raised)}, apart by {largest.relative:.2g} at most ({largest.name}), "
                f"not more than {FEW} times what one ulp in the weights does to {self.band.side} alone"
            )


def with_rounding(couple: Couple, verdict: Verdict, folder: Path, *, keep: bool) -> Rounding:
    """Measure what one ulp does to the first side where that may explain all.

    folder: of the traces; keep: whether it is wanted anyway.
    """
    doubtful = [row for row in verdict.rows if is_doubtful(row, BARS[couple.dtype]["cause"])]
    if any(row.differs for row in verdict.rows if row.phase in BEFORE):
        doubtful = []
    if not keep and not doubtful:
        return Rounding(verdict)
    couple.trace_moved()
    again = folder / AGAIN.format(file_of(couple.pairing.labels[0]))
    band = band_of(couple.traces(folder)[0], Trace(again))
    if not keep:
        rmtree(again)
    held = {id(row): by_ulp(row, band) for row in doubtful if band.holds(row)}
    rows = tuple(held.get(id(row), row) for row in verdict.rows)
    return Rounding(replace(verdict, rows=rows), band, tuple(held.values()))


def is_doubtful(row: Row, little: float) -> bool:
    """Tell a gradient, or what comes of it, that differs by little."""
    return row.differs and not row.fault and row.phase in MAY_BE_ZERO and row.relative <= little


def by_ulp(row: Row, band: Band) -> Row:
    """Return a row by the bar that one ulp sets."""
    return replace(row, bar=FEW * row.relative / band.times(row))
