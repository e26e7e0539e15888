"""What tells the networks apart by shapes alone: fingerprints.csv, written by `python -m ft.weights.fingerprints`.

A fingerprint knows neither names nor layouts, so it is the same for a network's file in either framework: of every
tensor the sizes of its axes, sorted, without those of 1; scalars and the output layers, whose size the data set
decides, are left out. A test compares the table with the cards.
"""

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("fingerprints.csv")


@dataclass(frozen=True)
class Known:
    """A network's fingerprint: how many tensors it counts, and their hash. image_size: of networks built for one."""

    model: str
    image_size: int | None
    tensors: int
    sha256: str


def fingerprint(shapes: Iterable[tuple[int, ...]]) -> tuple[int, str]:
    """Return how many of the shapes count and the first 16 digits of their hash, whatever their order and layout."""
    sizes = (sorted(size for size in shape if size > 1) for shape in shapes)
    lines = sorted(" ".join(map(str, size)) for size in sizes if size)
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@cache
def known() -> tuple[Known, ...]:
    """Return the table."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(
            Known(row["model"], int(row["image_size"] or 0) or None, int(row["tensors"]), row["sha256"])
            for row in csv.DictReader(file)
        )
