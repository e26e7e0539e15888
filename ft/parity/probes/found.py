"""What two detectors found in the first batch, next to each other."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ft.parity.evidence import Evidence
from ft.parity.trace import Trace
from ft.parity.verdict import Row

SAME = 1e-9  # of the largest side: boxes that are one


class Rows(NamedTuple):
    """What is found in one picture, best first: boxes (D, 4), scores and classes (D,)."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    def is_in(self, other: "Rows") -> np.ndarray:
        """Tell which of the boxes the other side has with the same class, bool (D,)."""
        away = np.abs(self.boxes[:, None] - other.boxes[None]).max(2)
        alike = self.classes[:, None] == other.classes
        return (alike & (away <= SAME * max(np.abs(self.boxes).max(initial=0), 1.0))).any(1)


def differing(evidence: Evidence, name: str) -> Iterator[Row]:
    """Yield the row of an output of inference that differs, of detectors alone."""
    rows = (row for row in evidence.verdict.rows if row.phase == "inference" and row.name == name)
    for row in rows:
        there = all(set(Rows._fields) <= set(trace.arrays(None, "inference")) for trace in evidence.traces)
        if row.differs and not row.fault and there:
            yield row


def found_in(trace: Trace) -> list[Rows]:
    """Return what a side found in each picture."""
    arrays = trace.arrays(None, "inference")
    rows = zip(*(arrays[name] for name in Rows._fields), strict=True)
    return [Rows(b[k >= 0].astype(np.float64), s[k >= 0], k[k >= 0]) for b, s, k in rows]


def found_alike(evidence: Evidence, name: str, *more: str) -> Iterator[tuple[Any, ...]]:
    """Yield the row of an output that differs, both sides' of what both found first, and one side's of some others.

    Where the boxes and classes of these are the same.
    """
    for row in differing(evidence, name):
        a, b = (trace.arrays(None, "inference") for trace in evidence.traces)
        both = (a["classes"] >= 0) & (b["classes"] >= 0)
        alike = evidence.same(a["boxes"][both], b["boxes"][both]) and (a["classes"] == b["classes"])[both].all()
        if both.any() and alike:
            yield (row, *(x[name][both].astype(np.float64) for x in (a, b)), *(a[n][both] for n in more))
