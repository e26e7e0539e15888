"""Batches of texts: tokens as integers, padded to the bucket of the longest text of each batch."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from ft.data.batches.base import Batch, Batches, Teach
from ft.data.cut import Place
from ft.data.settings import AS_THEY_ARE, USUAL, WHOLE, Augmentation, Reading, Sampling
from ft.data.sources.dataset import Sample
from ft.data.text.buckets import group_by_length
from ft.data.text.process import TextProcess
from ft.noise import generator


class TextBatches(Batches):
    """The batches of one split of texts. They hold texts of like length, so that little is padded.

    Unshuffled ones go from the shortest to the longest: `Batch.indices` says which is which.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        preprocess: TextProcess,
        sampling: Sampling,
        augmentation: Augmentation = AS_THEY_ARE,
        reading: Reading = USUAL,
        *,
        teach: Teach,
    ) -> None:
        super().__init__(samples, sampling, replace(reading, workers=0), teach)
        self.preprocess, self.augmentation = preprocess, augmentation
        self.tokens = preprocess.tokens(self.samples)

    def in_order(self, *, batch_size: int | None = None, augmented: bool = False) -> Self:
        """Return the same texts once each and unshuffled, see `Batches`."""
        size = batch_size or self.sampling.batch_size
        sampling = replace(self.sampling, batch_size=size, shuffle=False, balanced=False, cut=WHOLE)
        return type(self)(self.samples, self.preprocess, sampling, reading=self.reading, teach=self.teach)

    def plan(self, epoch: int) -> list[np.ndarray]:
        """Return the positions in the split, int64, of every batch of an epoch."""
        planned = super().plan(epoch)
        if not self.sampling.shuffle:
            order, size = np.argsort(self.tokens.lengths, kind="stable"), self.sampling.batch_size
            return [order[i : i + size] for i in range(0, len(order), size)]
        rng = generator(self.sampling.seed, "buckets", epoch)
        size = self.sampling.batch_size
        return group_by_length(np.concatenate(planned), self.tokens.lengths, size, rng=rng)

    def needed(self, place: Place) -> tuple[np.ndarray, np.ndarray | None]:
        """Return all positions: a rank's texts are padded to the longest of the whole batch."""
        return np.arange(len(place.indices)), place.positions

    def read(self, epoch: int, index: int) -> int:
        """Return the position itself: all texts are tokens already."""
        return index

    def batch(self, epoch: int, number: int, indices: np.ndarray, read: list[int]) -> Batch:
        """Return the batch of these texts."""
        inputs = self.preprocess.batch(self.tokens, indices)
        return Batch(inputs, self.targets_at(epoch, indices), indices, number)
