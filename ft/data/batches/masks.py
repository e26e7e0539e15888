"""Batches of pictures with a mask each, which moves with the pixels."""

from typing import NamedTuple

import numpy as np

from ft.data.batches.base import Batch
from ft.data.batches.views import ViewBatches
from ft.data.sources.mask import Mask
from ft.data.targets import Targets


class Picture(NamedTuple):
    """One picture that was read: what the network is shown (crop, crop, C), its mask, and the picture's own size."""

    shown: np.ndarray
    mask: np.ndarray
    size: tuple[int, int]


class MaskBatches(ViewBatches):
    """The batches of one split of pictures whose labels are masks."""

    def mask(self, epoch: int, index: int) -> np.ndarray:
        """Return the mask of what an epoch shows, uint8 (crop, crop)."""
        label = self.samples[index].label
        assert isinstance(label, Mask)
        mask = label.read()
        return self.view(epoch, index, *mask.shape).mask(mask)

    def read(self, epoch: int, index: int) -> Picture:
        """Return a picture as the network sees it in an epoch, and its mask; without one 0 wherever it shows."""
        pixels = self.opened(index)
        size = pixels.shape[:2]
        shown = self.ready(self.shown(pixels, epoch, index), epoch, index)
        if isinstance(self.samples[index].label, Mask):
            return Picture(shown, self.mask(epoch, index), size)
        return Picture(shown, self.view(epoch, index, *size).mask(np.zeros(size, np.uint8)), size)

    def targets_at(self, epoch: int, indices: np.ndarray) -> Targets:
        """Return the masks of positions in the split, as an epoch has them."""
        return self.teach([self.mask(epoch, i) for i in indices])

    def batch(self, epoch: int, number: int, indices: np.ndarray, read: list[Picture]) -> Batch:
        """Return the batch of pictures and masks; of pictures without a mask also their own size (N, 2)."""
        targets = self.teach([picture.mask for picture in read])
        if not isinstance(self.samples[indices[0]].label, Mask):
            targets["size"] = np.array([picture.size for picture in read])
        return Batch(self.inputs([picture.shown for picture in read]), targets, indices, number)
