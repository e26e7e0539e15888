"""Batches of images: decoded, augmented, resized and turned into numbers, one by one in the readers' threads."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ft.data.batches.base import Batch, Batches, Teach
from ft.data.cut import Place
from ft.data.images.augment import crop_and_flip, draw_flip, short_side_for
from ft.data.images.decode import decode
from ft.data.images.pixels import Pixels
from ft.data.images.preprocess import Preprocess
from ft.data.inputs import Padded
from ft.data.settings import AS_THEY_ARE, USUAL, WHOLE, Augmentation, Reading, Sampling
from ft.data.sources.dataset import Sample
from ft.data.sources.text import Text
from ft.errors import DataError
from ft.noise import generator


class ImageBatches(Batches):
    """The batches of one split of images."""

    def __init__(
        self,
        samples: Sequence[Sample],
        preprocess: Preprocess,
        sampling: Sampling,
        augmentation: Augmentation = AS_THEY_ARE,
        reading: Reading = USUAL,
        *,
        teach: Teach,
    ) -> None:
        in_numbers = augmentation.mix or (augmentation.distortion and augmentation.distortion.erase)
        in_numbers = in_numbers or preprocess.longest  # no byte is the 0 that they are padded with
        reading = replace(reading, as_pixels=reading.as_pixels and not in_numbers)
        super().__init__(samples, sampling, reading, teach)
        self.preprocess, self.augmentation = preprocess, augmentation
        cropped = preprocess.jpeg == "reduced" and augmentation.augment == "crop-flip"
        self.short_side = short_side_for(preprocess.crop) if cropped else preprocess.short_side

    def in_order(self, *, batch_size: int | None = None, augmented: bool = False) -> "ImageBatches":
        """Return the same images once each and unshuffled, see `Batches`."""
        size = batch_size or self.sampling.batch_size
        sampling = replace(self.sampling, batch_size=size, shuffle=False, balanced=False, cut=WHOLE)
        augmentation = replace(self.augmentation, mix=None) if augmented else AS_THEY_ARE
        return type(self)(self.samples, self.preprocess, sampling, augmentation, self.reading, teach=self.teach)

    def needed(self, place: Place) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the positions that a rank's part is made of: what is mixed takes the image before, too."""
        return place.with_neighbours if self.augmentation.mix else super().needed(place)

    def batch(self, epoch: int, number: int, indices: np.ndarray, read: list[np.ndarray]) -> Batch:
        """Return the batch of finished images (H, W, C), mixed where that is asked for."""
        inputs, targets = self.inputs(read), self.targets_at(epoch, indices)
        if self.augmentation.mix:
            assert isinstance(inputs, np.ndarray)
            inputs, targets = self.augmentation.mix.apply(inputs, targets, epoch=epoch, number=number)
        return Batch(inputs, targets, indices, number)

    def inputs(self, images: list[np.ndarray]) -> np.ndarray | Pixels | Padded:
        """Return finished images (H, W, C) as a network's input."""
        stacked = np.stack(images)
        return self.preprocess.pixels(stacked, self.reading.dtype) if self.reading.as_pixels else stacked

    def shown(self, pixels: np.ndarray, epoch: int, index: int) -> np.ndarray:
        """Return what an epoch shows of an image, uint8 (crop, crop, C)."""
        if self.augmentation.augment == "crop-flip":
            rng = generator(self.sampling.seed, "augment", epoch, index)
            return crop_and_flip(pixels, self.preprocess.crop, self.preprocess.interpolation, rng)
        try:
            whole = self.preprocess.resize_and_crop(pixels)
        except DataError as error:
            raise DataError(f"{self.path_of(index)}: {error}") from None
        return np.ascontiguousarray(whole[:, ::-1]) if self.flips(epoch, index) else whole

    def flips(self, epoch: int, index: int) -> bool:
        """Say whether an epoch shows an image mirrored that is not cropped."""
        drawn = self.augmentation.augment == "flip"
        return drawn and draw_flip(generator(self.sampling.seed, "augment", epoch, index))

    def read(self, epoch: int, index: int) -> np.ndarray:
        """Return one sample as the network sees it in an epoch, (crop, crop, C): float, or uint8 `as_pixels`."""
        return self.ready(self.shown(self.opened(index), epoch, index), epoch, index)

    def opened(self, index: int) -> np.ndarray:
        """Return the pixels of a file, uint8 (H, W, C)."""
        channels, most = self.preprocess.channels, self.reading.max_pixels
        source = self.samples[index].source
        assert not isinstance(source, Text)
        return decode(source, channels=channels, max_pixels=most, short_side=self.short_side)

    def ready(self, shown: np.ndarray, epoch: int, index: int) -> np.ndarray:
        """Return what is shown of an image as the network takes it, distorted where that is asked for."""
        numbers = partial(self.preprocess.normalise, dtype=self.reading.dtype)
        finish = self.preprocess.ordered if self.reading.as_pixels else numbers
        if (distortion := self.augmentation.distortion) is None:
            return finish(shown)
        rng = generator(self.sampling.seed, "distort", epoch, index)
        return distortion.normalised(finish(distortion.pixels(shown, rng)), rng)
