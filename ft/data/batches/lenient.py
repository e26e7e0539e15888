"""Batches that leave out the samples that cannot be used, and tell of each."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ft.data.batches.base import Batch, Batches
from ft.errors import DataError


class LenientBatches(Batches):
    """The batches of others, unshuffled, of which some may be smaller, or empty.

    bad: told the position and the fault of each sample that is left out.
    """

    def __init__(self, batches: Batches, bad: Callable[[int, DataError], None]) -> None:
        super().__init__(batches.samples, batches.sampling, batches.reading, batches.teach)
        self.strict, self.bad = batches, bad

    def in_order(self, *, batch_size: int | None = None, augmented: bool = False) -> "LenientBatches":
        """Return the same samples once each, see `Batches`."""
        return LenientBatches(self.strict.in_order(batch_size=batch_size, augmented=augmented), self.bad)

    def read(self, epoch: int, index: int) -> Any:
        """Return one sample as an epoch has it, or what is wrong with it."""
        try:
            return self.strict.read(epoch, index)
        except DataError as fault:
            return fault

    def batch(self, epoch: int, number: int, indices: np.ndarray, read: list[Any]) -> Batch:
        """Return the batch of the samples that can be used."""
        for index, sample in zip(indices, read, strict=True):
            if isinstance(sample, DataError):
                self.bad(int(index), sample)
        good = [k for k, sample in enumerate(read) if not isinstance(sample, DataError)]
        if not good:
            return Batch(np.empty((0, 0, 0, 0)), {}, indices[:0], number)
        return self.strict.batch(epoch, number, indices[good], [read[k] for k in good])
