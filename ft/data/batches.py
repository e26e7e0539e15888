"""Samples -> batches: which images, in which order, with which random crop is a pure function of (seed, epoch, index).

Threads only decide when an image is ready, never what it is: Pillow releases the interpreter lock while it decodes and
resizes, so they scale, and there is no second process to fork, pickle for or lose.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from ft.data.images.augment import crop_and_flip, short_side_for
from ft.data.images.decode import decode
from ft.data.images.pixels import Pixels
from ft.data.images.preprocess import Preprocess
from ft.data.readers import Readers
from ft.data.settings import AS_THEY_ARE, USUAL, Augmentation, Reading, Sampling
from ft.data.sources.dataset import Sample
from ft.data.targets import Targets, rows
from ft.errors import DataError, printable
from ft.noise import generator

LOOK_AHEAD = 2  # batches in the making while the caller works on one
Inputs = np.ndarray | Pixels  # images (N, H, W, C), or the features that a base made of them


@dataclass(frozen=True, eq=False)
class Batch:
    """One step: inputs, targets (their shares of the inputs' type), positions in the split int64 (N,), number in the
    epoch from 0.
    """

    inputs: Inputs
    targets: Targets
    indices: np.ndarray
    number: int

    @classmethod
    def of(cls, inputs: Inputs, **targets: np.ndarray) -> "Batch":
        """Return samples that are in no split as a batch: `Batch.of(images, labels=labels)`."""
        return cls(inputs, targets, np.arange(len(inputs)), 0)

    def __len__(self) -> int:
        return len(self.inputs)

    def rows(self, part: slice) -> "Batch":
        """Return some of the samples."""
        return Batch(self.inputs[part], rows(self.targets, part), self.indices[part], self.number)


class Batches:
    """The batches of one split, any epoch, from any batch on; shuffled for training, else for evaluation.

    The last batch may be short. When shuffling, a last batch of a single image is left out, because BatchNorm cannot
    train on it, unless it is the only batch; with another order each epoch, no image is left out for long.
    columns: K where the data is multi-label.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        preprocess: Preprocess,
        sampling: Sampling,
        augmentation: Augmentation = AS_THEY_ARE,
        reading: Reading = USUAL,
        *,
        columns: int | None = None,
    ) -> None:
        self.samples, self.preprocess, self.columns = tuple(samples), preprocess, columns
        self.sampling, self.augmentation = sampling, augmentation
        cropped = preprocess.jpeg == "reduced" and augmentation.augment == "crop-flip"
        self.short_side = short_side_for(preprocess.crop) if cropped else preprocess.short_side
        in_numbers = augmentation.mix or (augmentation.distortion and augmentation.distortion.erase)
        self.reading = replace(reading, as_pixels=reading.as_pixels and not in_numbers)
        self.labels = label_array(self.samples, columns)
        self.names = tuple(s.name for s in self.samples)

    def __len__(self) -> int:
        """Return the number of batches in an epoch, the same in every epoch."""
        full, rest = divmod(len(self.samples), self.sampling.batch_size)
        lone = self.sampling.shuffle and rest == 1 and full > 0
        return full + (rest > 0) - lone

    def in_order(self, *, batch_size: int | None = None, augmented: bool = False) -> "Batches":
        """Return the same images once each and unshuffled, as they are or as each epoch augments them.

        batch_size: of these batches, if it is another.
        """
        size = batch_size or self.sampling.batch_size
        sampling = replace(self.sampling, batch_size=size, shuffle=False, balanced=False)
        augmentation = replace(self.augmentation, mix=None) if augmented else AS_THEY_ARE
        return Batches(self.samples, self.preprocess, sampling, augmentation, self.reading, columns=self.columns)

    def plan(self, epoch: int) -> list[np.ndarray]:
        """Return the positions in the split, int64, of every batch of an epoch."""
        count, size, seed = len(self.samples), self.sampling.batch_size, self.sampling.seed
        if self.sampling.balanced:
            order = self.draw(epoch)
        else:
            shuffle = self.sampling.shuffle
            order = generator(seed, "order", epoch).permutation(count) if shuffle else np.arange(count)
        return [order[i * size : (i + 1) * size].astype(np.int64) for i in range(len(self))]

    def draw(self, epoch: int) -> np.ndarray:
        """Return as many positions as there are images, drawn with replacement, every class that has any alike."""
        count, chance = len(self.labels), chances(self.labels, self.columns)
        return generator(self.sampling.seed, "balance", epoch).choice(count, count, p=chance / chance.sum())

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from number `start` on. Closing the iterator early leaves no thread behind.

        A file that cannot be read, or takes longer than `read_timeout` seconds while the batch waits for it, raises its
        DataError when the batch that it belongs to is due. Without workers nobody can wait for less than the disk does.
        """
        plan = islice(enumerate(self.plan(epoch)), start, None)
        if not self.reading.workers:
            for number, indices in plan:
                yield self.batch(epoch, number, indices, [self.image(epoch, i) for i in indices])
            return
        readers = Readers(self.reading.workers)
        ahead: deque[tuple[int, np.ndarray, list[Future[np.ndarray]]]] = deque()
        try:
            for number, indices in plan:
                ahead.append((number, indices, [readers.submit(self.image, epoch, i) for i in indices]))
                if len(ahead) > LOOK_AHEAD:
                    yield self.gather(readers, epoch, *ahead.popleft())
            while ahead:
                yield self.gather(readers, epoch, *ahead.popleft())
        finally:
            readers.close()

    def gather(
        self, readers: Readers, epoch: int, number: int, indices: np.ndarray, images: list[Future[np.ndarray]]
    ) -> Batch:
        """Return the batch of images that are in the making, or raise the first one's error."""
        pairs = zip(indices, images, strict=True)
        return self.batch(epoch, number, indices, [self.finished(readers, i, image) for i, image in pairs])

    def finished(self, readers: Readers, index: int, image: Future[np.ndarray]) -> np.ndarray:
        """Return an image that is in the making; DataError where the file does not come."""
        try:
            return readers.result(image, timeout=self.reading.read_timeout)
        except TimeoutError:
            seconds = f"{self.reading.read_timeout:g} s"
            raise DataError(
                f"{self.path_of(index)}: no answer from the disk within {seconds}; mend the file system, or raise "
                "--read-timeout"
            ) from None
        except DataError:
            raise
        except Exception as error:
            error.add_note(f"while reading {self.path_of(index)}")
            raise

    def path_of(self, index: int) -> str:
        """Return where a sample comes from, for a message."""
        sample = self.samples[index]
        return printable(sample.source if isinstance(sample.source, Path) else sample.name)

    def targets_at(self, indices: np.ndarray) -> Targets:
        """Return the targets of positions in the split: labels, or shares of 0 and 1 of the images' type."""
        if self.columns is None:
            return {"labels": self.labels[indices]}
        return {"shares": self.labels[indices].astype(self.reading.dtype)}

    def batch(self, epoch: int, number: int, indices: np.ndarray, images: list[np.ndarray]) -> Batch:
        """Return the batch of finished images (H, W, C), mixed where that is asked for."""
        stacked, targets = np.stack(images), self.targets_at(indices)
        if self.reading.as_pixels:
            return Batch(self.preprocess.pixels(stacked, self.reading.dtype), targets, indices, number)
        if self.augmentation.mix:
            stacked, targets = self.augmentation.mix.apply(stacked, targets, epoch=epoch, number=number)
        return Batch(stacked, targets, indices, number)

    def image(self, epoch: int, index: int) -> np.ndarray:
        """Return one sample as the network sees it in an epoch, (crop, crop, C): float, or uint8 `as_pixels`."""
        sample = self.samples[index]
        reading, seed, distortion = self.reading, self.sampling.seed, self.augmentation.distortion
        channels = self.preprocess.channels
        pixels = decode(sample.source, channels=channels, max_pixels=reading.max_pixels, short_side=self.short_side)
        if self.augmentation.augment == "crop-flip":
            rng = generator(seed, "augment", epoch, index)
            pixels = crop_and_flip(pixels, self.preprocess.crop, self.preprocess.interpolation, rng)
        else:
            try:
                pixels = self.preprocess.resize_and_crop(pixels)
            except DataError as error:
                raise DataError(f"{self.path_of(index)}: {error}") from None
        numbers = partial(self.preprocess.normalise, dtype=reading.dtype)
        finish = self.preprocess.ordered if reading.as_pixels else numbers
        if distortion is None:
            return finish(pixels)
        rng = generator(seed, "distort", epoch, index)
        return distortion.normalised(finish(distortion.pixels(pixels, rng)), rng)


def label_array(samples: Sequence[Sample], columns: int | None) -> np.ndarray:
    """Return class numbers int64 (N,), or, for so many columns, whether an image is of a class, bool (N, columns)."""
    if columns is None:
        return np.array([s.label for s in samples], np.int64)
    hot = np.zeros((len(samples), columns), np.bool_)
    for row, sample in zip(hot, samples, strict=True):
        row[list(sample.labels)] = True
    return hot


def chances(labels: np.ndarray, columns: int | None) -> np.ndarray:
    """Return how often each image is to be drawn for classes of the same chance, not normalised; labels: see above."""
    if columns is None:
        return 1 / np.bincount(labels)[labels]
    hot = np.column_stack([labels, ~labels.any(1)])
    return (hot / np.maximum(hot.sum(0), 1)).sum(1)
