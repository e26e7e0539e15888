"""Which pixels of a picture an object covers, as COCO writes it: counts of 0 and 1 in turn, down the columns, as text.

The text is COCO's compressed one: 5 bits a character from 48 on, lowest first, bit 5 says go on. From the fourth count
on, each is the difference to the one before the last.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

BITS = 60  # of one count: a text may go on for as long as it likes, and each character makes the number larger


class Runs(NamedTuple):
    """The mask of one object: the picture's height and width, and its counts as text."""

    height: int
    width: int
    counts: str

    @property
    def mask(self) -> np.ndarray:
        """The pixels that it covers, bool (H, W)."""
        return drawn_runs(unpack(self.counts), self.height, self.width)

    @property
    def area(self) -> int:
        """How many pixels it covers."""
        return sum(unpack(self.counts)[1::2])

    @property
    def as_coco(self) -> dict[str, Any]:
        """The mask as a `segmentation` of COCO's JSON."""
        return {"size": [self.height, self.width], "counts": self.counts}


def runs_of(mask: np.ndarray) -> Runs:
    """Return what a mask, bool (H, W), covers."""
    flat = np.asarray(mask, np.bool_).T.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False))  # it begins with a count of 0, be it none
    return Runs(mask.shape[0], mask.shape[1], pack(np.diff(edges, prepend=0, append=len(flat)).tolist()))


def whole_counts(counts: Sequence[int] | np.ndarray, height: int, width: int) -> np.ndarray:
    """Return counts as int64; ValueError, a few words, where they are not those of a picture of this size."""
    numbers, pixels = np.array(counts), height * width
    if numbers.ndim != 1 or numbers.dtype.kind != "i":
        raise ValueError("run lengths that are no list of whole numbers")
    if numbers.min() < 0 or numbers.max() > pixels or numbers.sum() != pixels:
        raise ValueError(f"run lengths that sum to {sum(numbers.tolist())}; expected {pixels}")
    return numbers


def drawn_runs(counts: Sequence[int] | np.ndarray, height: int, width: int) -> np.ndarray:
    """Return what counts cover, bool (H, W)."""
    numbers = whole_counts(counts, height, width)
    return np.repeat(np.arange(len(numbers)) % 2 == 1, numbers).reshape(width, height).T


def pack(counts: Sequence[int]) -> str:
    """Return counts as text."""
    text = bytearray()
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        go_on = True
        while go_on:
            bits, value = value & 31, value >> 5
            go_on = value != (-1 if bits & 16 else 0)
            text.append(48 + bits + 32 * go_on)
    return text.decode("ascii")


def unpack(text: str) -> list[int]:
    """Return the counts of a text; ValueError where one is larger than any picture."""
    counts: list[int] = []
    value = shift = 0
    for character in text.encode("ascii"):
        bits = character - 48
        value |= (bits & 31) << shift
        shift += 5
        if shift > BITS:
            raise ValueError(f"a run length of more than {BITS} bits")
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            counts.append(value)
            value = shift = 0
    for i in range(3, len(counts)):
        counts[i] += counts[i - 2]
    return counts
