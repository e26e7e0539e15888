"""A batch cut into passes, one after the other, and each pass among the ranks that train together.

Nothing that is drawn depends on the cut: samples, noise and partners count in the batch as a whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pass:
    """Samples of one rank that go through the network together.

    rows: which of the rank's samples; first: position of the first of them in the whole batch; counts: False where the
    pass has fewer samples than there are ranks, so that this rank's sample only stands in, with a weight of 0.
    """

    rows: slice
    first: int
    counts: bool = True


@dataclass(frozen=True)
class Cut:
    """How every batch is cut. most: samples of a pass, None for a single pass; rank, ranks: whose part of each pass."""

    most: int | None = None
    rank: int = 0
    ranks: int = 1

    def passes(self, samples: int) -> list[slice]:
        """Return the passes of a whole batch, nearly even ones.

        A pass is never one sample alone, from which BatchNorm cannot learn, unless `most` says so: of batches of 2 an
        odd one out joins a pair.
        """
        if self.most is None:
            return [slice(0, samples)]
        count = -(-samples // self.most)
        if self.most > 1:
            count = max(1, min(count, samples // 2))
        return [slice(samples * i // count, samples * (i + 1) // count) for i in range(count)]

    def part_of(self, whole: slice) -> slice:
        """Return this rank's part of a pass; perhaps none of its samples."""
        samples = whole.stop - whole.start
        return slice(*(whole.start + samples * r // self.ranks for r in (self.rank, self.rank + 1)))

    def own(self, samples: int) -> Iterator[Pass]:
        """Yield this rank's passes of a batch, at least one sample each."""
        start = 0
        for whole in self.passes(samples):
            part = self.part_of(whole)
            count = part.stop - part.start
            first = part.start if count else whole.start
            yield Pass(slice(start, start + max(count, 1)), first, counts=count > 0)
            start += max(count, 1)


@dataclass(frozen=True, eq=False)
class Place:
    """Where a rank's batch lies in the batch of all ranks.

    indices: those of all samples, positions in the split; passes: the rank's own. Once the ranks have met, see
    ft/training/ranks.py, weights: what the samples of each pass weigh in the loss; weight: those of all ranks together.
    """

    indices: np.ndarray
    passes: tuple[Pass, ...]
    weights: tuple[float, ...] = ()
    weight: float = float("nan")

    @property
    def positions(self) -> np.ndarray:
        """The rank's samples, as positions in the whole batch."""
        rows = [np.arange(p.first, p.first + p.rows.stop - p.rows.start) for p in self.passes]
        return np.concatenate(rows)

    @property
    def with_neighbours(self) -> tuple[np.ndarray, np.ndarray]:
        """The same positions, those of each pass behind the one before them; and where they are among these."""
        positions, own, count = [], [], 0
        for p in self.passes:
            samples = p.rows.stop - p.rows.start
            positions.append(np.arange(p.first - 1, p.first + samples) % len(self.indices))
            own.append(np.arange(count + 1, count + 1 + samples))
            count += samples + 1
        return np.concatenate(positions), np.concatenate(own)
