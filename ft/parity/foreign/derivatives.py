"""Derivatives that a framework takes with a number in float32, whatever is computed in: a trace without them tells.

What both models give is equal then, and every gradient behind is off by some 1e-8.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import rmtree

from ft.parity.arrays import BARS
from ft.parity.evidence import AT, Finding
from ft.parity.foreign.assignment import EXACT
from ft.parity.foreign.couple import Couple
from ft.parity.foreign.rounding import BEFORE, is_doubtful
from ft.parity.foreign.sides import file_of
from ft.parity.trace import Trace
from ft.parity.verdict import Verdict, compare_traces

ROOM = 1000  # times what counts as the same function: float32's rounding


def rounded_derivatives(couple: Couple, verdict: Verdict, folder: Path) -> list[Finding]:
    """Return the functions whose derivatives, taken exactly, make all gradients agree; none where they do not."""
    doubtful = [row for row in verdict.rows if is_doubtful(row, ROOM * BARS[couple.dtype]["cause"])]
    if not doubtful or any(row.differs for row in verdict.rows if row.phase in BEFORE):
        return []
    places = couple.trace_exact()
    again = [folder / EXACT.format(file_of(label)) for label in couple.pairing.labels]
    one, other = (
        Trace(exact) if places.get(label) else trace
        for label, exact, trace in zip(couple.pairing.labels, again, couple.traces(folder), strict=True)
    )
    first = (row for row in compare_traces(one, other, phases=("gradients",)).rows if row.step == 0)
    agree = any(places.values()) and not any(row.differs for row in first)
    for exact in again:
        rmtree(exact, ignore_errors=True)
    largest = max(row.relative for row in doubtful)
    return list(findings(places, couple.pairing.labels, largest)) if agree else []


def findings(places: Mapping[str, list[list[str]]], labels: tuple[str, str], error: float) -> Iterator[Finding]:
    """Yield a finding a function. places: of these, with what is rounded in each, by side."""
    for label, found in places.items():
        for name, path, words in found:
            ways = (f"its derivative with {words} in float32", "exact")
            told = "; ".join(f"{each}: {ways[each != label]}" for each in labels)
            place = path or "model"
            yield Finding("activation", 0, "gradients", place, error, f"{told}{AT}{name} of {place}")
