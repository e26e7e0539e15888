"""Batches of pictures with a mask each, which moves with the pixels."""

from typing import NamedTuple

import numpy as np

from ft.data.batches.base import Batch
from ft.data.batches.images import ImageBatches
from ft.data.images.view import View, drawn, fitted
from ft.data.sources.mask import Mask
from ft.data.targets import Targets
from ft.errors import DataError
from ft.noise import generator


class Picture(NamedTuple):
    """One picture that was read: what the network is shown (crop, crop, C), its mask, and the picture's own size."""

    shown: np.ndarray
    mask: np.ndarray
    size: tuple[int, int]


class MaskBatches(ImageBatches):
    """The batches of one split of pictures whose labels are masks.

    Each picture just fits into the network's square, or an augmented part of it is shown.
    """

    def view(self, epoch: int, index: int, height: int, width: int) -> View:
        """Return how an epoch shows a picture of that size."""
        size = self.preprocess.crop
        try:
            if self.augmentation.augment == "crop-flip":
                return drawn(height, width, size, generator(self.sampling.seed, "augment", epoch, index))
            return fitted(height, width, size)
        except DataError as error:
            raise DataError(f"{self.path_of(index)}: {error}") from None

    def shown(self, pixels: np.ndarray, epoch: int, index: int) -> np.ndarray:
        """Return what an epoch shows of a picture, uint8 (crop, crop, C)."""
        view = self.view(epoch, index, *pixels.shape[:2])
        return view.pixels(pixels, self.preprocess.interpolation, self.preprocess.fill)

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
