"""Batches that leave out the images that cannot be used, and tell of each."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ft.data.batches import Batch, Batches
from ft.errors import DataError


class LenientBatches(Batches):
    """The batches of others, unshuffled, of which some may be smaller, or empty.

    bad: told the position and the fault of each image that is left out.
    """

    def __init__(self, batches: Batches, bad: Callable[[int, DataError], None]) -> None:
        super().__init__(
            batches.samples, batches.preprocess, batches.sampling, reading=batches.reading, columns=batches.columns
        )
        self.bad = bad

    def image(self, epoch: int, index: int) -> Any:
        """Return one sample as the network sees it, or what is wrong with it."""
        try:
            return super().image(epoch, index)
        except DataError as fault:
            return fault

    def batch(self, epoch: int, number: int, indices: np.ndarray, images: list[Any]) -> Batch:
        """Return the batch of the images that can be used."""
        for index, image in zip(indices, images, strict=True):
            if isinstance(image, DataError):
                self.bad(int(index), image)
        good = [k for k, image in enumerate(images) if not isinstance(image, DataError)]
        if not good:
            return Batch(np.empty((0, 0, 0, 0)), {}, indices[:0], number)
        return super().batch(epoch, number, indices[good], [images[k] for k in good])
