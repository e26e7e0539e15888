"""Batches of pictures of which labels tell places: what moves the pixels moves these, too."""

from dataclasses import replace

import numpy as np

from ft.data.batches.images import ImageBatches
from ft.data.images.view import View, drawn, fitted, jittered, whole
from ft.errors import DataError
from ft.noise import generator


class ViewBatches(ImageBatches):
    """The batches of one split of pictures, each shown by a view.

    It just fits into the network's square, or keeps its shape, or an augmented part of it is shown.
    """

    def view(self, epoch: int, index: int, height: int, width: int) -> View:
        """Return how an epoch shows a picture of that size."""
        size, longest = self.preprocess.crop, self.preprocess.longest
        try:
            if self.augmentation.augment == "crop-flip":
                rng = generator(self.sampling.seed, "augment", epoch, index)
                if longest is None:
                    return drawn(height, width, size, rng)
                return jittered(height, width, size, longest, rng)
            plain = fitted(height, width, size) if longest is None else whole(height, width, size, longest)
            return replace(plain, flip=self.flips(epoch, index))
        except DataError as error:
            raise DataError(f"{self.path_of(index)}: {error}") from None

    def shown(self, pixels: np.ndarray, epoch: int, index: int) -> np.ndarray:
        """Return what an epoch shows of a picture, uint8 (crop, crop, C), or of its own shape."""
        view = self.view(epoch, index, *pixels.shape[:2])
        return view.pixels(pixels, self.preprocess.interpolation, self.preprocess.fill)
