"""Batches of pictures with a mask each, which moves with the pixels."""

from typing import Any

import numpy as np

from ft.data.batches.base import Batch
from ft.data.batches.images import ImageBatches
from ft.data.images.view import View, drawn, fitted
from ft.data.targets import Targets
from ft.errors import DataError
from ft.noise import generator


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
        mask = self.samples[index].label.read()
        return self.view(epoch, index, *mask.shape).mask(mask)

    def read(self, epoch: int, index: int) -> Any:
        """Return a picture as the network sees it in an epoch, and its mask where it has one."""
        mask = None if self.samples[index].label is None else self.mask(epoch, index)
        return super().read(epoch, index), mask

    def targets_at(self, epoch: int, indices: np.ndarray) -> Targets:
        """Return the masks of positions in the split, as an epoch has them."""
        return self.teach([self.mask(epoch, i) for i in indices])

    def batch(self, epoch: int, number: int, indices: np.ndarray, read: list[Any]) -> Batch:
        """Return the batch of pictures and masks; without masks it has no targets."""
        images, masks = zip(*read, strict=True)
        targets = self.teach(masks) if masks[0] is not None else {}
        return Batch(self.inputs(list(images)), targets, indices, number)
