"""Texts as numbers, one after another as long as they are; padded only when a batch of them is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ft.errors import DataError
from ft.metrics.entities import NO_LABEL

Side = Literal["right", "left"]


@dataclass(frozen=True, eq=False)
class Tokens:
    """Token numbers of N texts, those of text i in starts[i]:starts[i + 1].

    ids, types (which text of a pair) and words (the number of the word that a token is of, -1 for none) are int32 of
    one length; starts is int64 (N + 1,); truncated, bool (N,), says which texts were cut.
    """

    ids: np.ndarray
    types: np.ndarray
    words: np.ndarray
    starts: np.ndarray
    truncated: np.ndarray

    def __len__(self) -> int:
        return len(self.truncated)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, int64 (N,)."""
        return np.diff(self.starts)

    def padded(
        self, rows: Sequence[int] | np.ndarray, *, length: int, pad: int, side: Side = "right"
    ) -> dict[str, np.ndarray]:
        """Return some texts as a network takes them: "ids", "mask" and "types", int64 (rows, length).

        pad: the number of the padding token, whose mask and type are 0. No text may be longer than `length`.
        """
        given = {"ids": (self.ids, pad), "mask": (np.ones_like(self.ids), 0), "types": (self.types, 0)}
        return {
            name: self.placed(array, rows, length=length, fill=fill, side=side) for name, (array, fill) in given.items()
        }

    def placed(
        self, marks: np.ndarray, rows: Sequence[int] | np.ndarray, *, length: int, fill: int, side: Side = "right"
    ) -> np.ndarray:
        """Return the marks of some texts, one a token, int64 (rows, length); `fill` where padding is."""
        padded = np.full((len(rows), length), fill, np.int64)
        for own, row in zip(padded, rows, strict=True):
            start, count = int(self.starts[row]), int(self.lengths[row])
            if not 0 < count <= length:
                raise DataError(f"text {row}: {count} tokens; expected 1 to {length}")
            place = slice(0, count) if side == "right" else slice(length - count, length)
            own[place] = marks[start : start + count]
        return padded

    def following(self) -> np.ndarray:
        """Return the number of the token behind each one, int64; NO_LABEL behind the last one of a text."""
        marks = np.append(self.ids[1:].astype(np.int64), NO_LABEL)
        marks[self.starts[1:] - 1] = NO_LABEL
        return marks

    def first_of_word(self) -> np.ndarray:
        """Return whether each token is the first of its word, bool: that one bears the word's label."""
        before = np.concatenate([[-1], self.words[:-1]])
        before[self.starts[:-1][self.lengths > 0]] = -1
        return (self.words >= 0) & (self.words != before)

    def label_tokens(self, labels: Sequence[Sequence[int]]) -> np.ndarray:
        """Return each token's label, int64: that of its word on the first token, NO_LABEL elsewhere.

        labels: of the words of each text. A word that was cut off, or of which no token is left, has none.
        """
        first, marks = self.first_of_word(), np.full(len(self.ids), NO_LABEL, np.int64)
        for row, own in enumerate(labels):
            part = slice(int(self.starts[row]), int(self.starts[row + 1]))
            places = part.start + np.flatnonzero(first[part])
            marks[places] = np.asarray(own, np.int64)[self.words[places]]
        return marks
