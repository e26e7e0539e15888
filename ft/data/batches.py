"""Samples -> batches: which images, in which order, with which random crop is a pure function of (seed, epoch, index).

Threads only decide when an image is ready, never what it is: Pillow releases the interpreter lock while it decodes and
resizes, so they scale, and there is no second process to fork, pickle for or lose.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from ft.data.augment import crop_and_flip
from ft.data.decode import decode, printable
from ft.data.index import Sample
from ft.data.preprocess import Preprocess
from ft.errors import DataError
from ft.noise import generator

LOOK_AHEAD = 2  # batches in the making while the caller works on one


@dataclass(frozen=True, eq=False)
class Batch:
    """One step: images float (N, H, W, 3), labels and positions in the split int64 (N,), number in the epoch from 0."""

    images: np.ndarray
    labels: np.ndarray
    indices: np.ndarray
    number: int


class Batches:
    """The batches of one split, any epoch, from any batch on; with `shuffle` for training, else for evaluation.

    The last batch may be short. When shuffling, a last batch of a single image is left out, because BatchNorm cannot
    train on it, unless it is the only batch; with another order each epoch, no image is left out for long.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        preprocess: Preprocess,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        augment: Literal["none", "crop-flip"] = "none",
        dtype: str = "float32",
        workers: int = 2,
    ) -> None:
        if batch_size < 1:
            raise DataError(f"batch_size: got {batch_size}; a batch needs at least 1 image")
        self.samples, self.preprocess = tuple(samples), preprocess
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.augment, self.dtype, self.workers = augment, dtype, workers
        self.labels = np.array([s.label for s in self.samples], np.int64)
        self.names = tuple(s.name for s in self.samples)

    def __len__(self) -> int:
        """Return the number of batches in an epoch, the same in every epoch."""
        full, rest = divmod(len(self.samples), self.batch_size)
        lone = self.shuffle and rest == 1 and full > 0
        return full + (rest > 0) - lone

    def in_order(self) -> "Batches":
        """Return the same images once each, unshuffled and not augmented."""
        return Batches(
            self.samples,
            self.preprocess,
            batch_size=self.batch_size,
            seed=self.seed,
            dtype=self.dtype,
            workers=self.workers,
        )

    def plan(self, epoch: int) -> list[np.ndarray]:
        """Return the positions in the split, int64, of every batch of an epoch."""
        count, size = len(self.samples), self.batch_size
        order = generator(self.seed, "order", epoch).permutation(count) if self.shuffle else np.arange(count)
        return [order[i * size : (i + 1) * size].astype(np.int64) for i in range(len(self))]

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from number `start` on. Closing the iterator early leaves no thread behind.

        A file that cannot be read raises its DataError when the batch that it belongs to is due.
        """
        plan = islice(enumerate(self.plan(epoch)), start, None)
        if not self.workers:
            for number, indices in plan:
                yield self.batch(number, indices, [self.image(epoch, i) for i in indices])
            return
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="ft-data")
        ahead: deque[tuple[int, np.ndarray, list[Future[np.ndarray]]]] = deque()
        try:
            for number, indices in plan:
                ahead.append((number, indices, [pool.submit(self.image, epoch, i) for i in indices]))
                if len(ahead) > LOOK_AHEAD:
                    yield self.gather(*ahead.popleft())
            while ahead:
                yield self.gather(*ahead.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def gather(self, number: int, indices: np.ndarray, images: list[Future[np.ndarray]]) -> Batch:
        """Return the batch of images that are in the making, or raise the first one's error."""
        return self.batch(number, indices, [image.result() for image in images])

    def batch(self, number: int, indices: np.ndarray, images: list[np.ndarray]) -> Batch:
        """Return the batch of finished images (H, W, 3)."""
        return Batch(np.stack(images), self.labels[indices], indices, number)

    def image(self, epoch: int, index: int) -> np.ndarray:
        """Return one sample as the network sees it in an epoch: float (crop, crop, 3)."""
        sample = self.samples[index]
        pixels = decode(sample.source, channels=self.preprocess.channels)
        if self.augment == "crop-flip":
            rng = generator(self.seed, "augment", epoch, index)
            pixels = crop_and_flip(pixels, self.preprocess.crop, self.preprocess.interpolation, rng)
        else:
            try:
                pixels = self.preprocess.resize_and_crop(pixels)
            except DataError as error:
                name = sample.source if isinstance(sample.source, Path) else sample.name
                raise DataError(f"{printable(name)}: {error}") from None
        return self.preprocess.normalise(pixels, self.dtype)
