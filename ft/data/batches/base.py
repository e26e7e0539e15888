"""Samples -> batches: which samples, in which order, with which random crop is a pure function of (seed, epoch, index).

Threads only decide when a sample is ready, never what it is: Pillow releases the interpreter lock while it decodes and
resizes, so they scale, and there is no second process to fork, pickle for or lose.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from ft.data.batches.readers import Readers
from ft.data.cut import Place
from ft.data.images.pixels import Pixels
from ft.data.inputs import Features, Inputs, Padded, TokenIds
from ft.data.settings import Reading, Sampling
from ft.data.sources.dataset import Sample
from ft.data.targets import Targets, chances, rows
from ft.errors import DataError, printable
from ft.noise import generator

LOOK_AHEAD = 2  # batches in the making while the caller works on one
Teach = Callable[[Sequence[Any]], Targets]  # what samples are -> what a network is to say of them


@dataclass(frozen=True, eq=False)
class Batch:
    """One step: inputs, targets (their shares of the inputs' type), positions in the split int64 (N,), number in the
    epoch from 0.

    place: where several ranks train, in the batch of all of them.
    """

    inputs: Inputs
    targets: Targets
    indices: np.ndarray
    number: int
    place: Place | None = None

    @classmethod
    def of(cls, inputs: Inputs, **targets: np.ndarray) -> "Batch":
        """Return samples that are in no split as a batch: `Batch.of(images, labels=labels)`."""
        return cls(inputs, targets, np.arange(len(inputs)), 0)

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def all_indices(self) -> np.ndarray:
        """Positions in the split of the samples of all ranks."""
        return self.indices if self.place is None else self.place.indices

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of pictures, also of those whose features are kept."""
        inputs = self.inputs.taps["images"] if isinstance(self.inputs, Features) else self.inputs
        assert not isinstance(inputs, TokenIds)
        images = inputs.images if isinstance(inputs, Padded) else inputs
        height, width = (images.values if isinstance(images, Pixels) else images).shape[1:3]
        return height, width

    def rows(self, part: slice | np.ndarray) -> "Batch":
        """Return some of the samples."""
        return Batch(self.inputs[part], rows(self.targets, part), self.indices[part], self.number)

    def at(self, place: Place) -> "Batch":
        """Return the same samples as a part of the batch of all ranks."""
        return replace(self, place=place)


class Planned(NamedTuple):
    """What a batch is made of: its number, samples by position in the split, and of several ranks' the part to keep."""

    number: int
    indices: np.ndarray
    place: Place | None = None
    own: np.ndarray | None = None


class Batches(ABC):
    """The batches of one split, any epoch, from any batch on; shuffled for training, else for evaluation.

    The last batch may be short. When shuffling, a last batch of a single sample is left out, because BatchNorm cannot
    train on it, unless it is the only batch; with another order each epoch, none is left out for long.
    teach: what the samples' labels say as targets, see `Task.targets`.
    """

    def __init__(self, samples: Sequence[Sample], sampling: Sampling, reading: Reading, teach: Teach) -> None:
        self.samples, self.sampling, self.reading, self.teach = tuple(samples), sampling, reading, teach
        self.names = tuple(s.name for s in self.samples)

    @abstractmethod
    def read(self, epoch: int, index: int) -> Any:
        """Return one sample as an epoch has it, for `batch`; may be called by any thread."""

    @abstractmethod
    def batch(self, epoch: int, number: int, indices: np.ndarray, read: list[Any]) -> Batch:
        """Return the batch of samples that were read."""

    @abstractmethod
    def in_order(self, *, batch_size: int | None = None, augmented: bool = False) -> Self:
        """Return the same samples once each and unshuffled, as they are or as each epoch augments them.

        batch_size: of these batches, if it is another.
        """

    def __len__(self) -> int:
        """Return the number of batches in an epoch, the same in every epoch."""
        full, rest = divmod(len(self.samples), self.sampling.batch_size)
        lone = self.sampling.shuffle and rest == 1 and full > 0
        return full + (rest > 0) - lone

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
        """Return as many positions as there are samples, drawn with replacement, every class that has any alike."""
        count, chance = len(self.samples), chances([s.labels for s in self.samples])
        return generator(self.sampling.seed, "balance", epoch).choice(count, count, p=chance / chance.sum())

    def targets_at(self, epoch: int, indices: np.ndarray) -> Targets:
        """Return the targets of positions in the split, as an epoch has them."""
        return self.teach([self.samples[i].label for i in indices])

    def needed(self, place: Place) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the positions in the whole batch that a rank's part is made of, and where its own are among these.

        None: they are its own.
        """
        return place.positions, None

    def planned(self, epoch: int, start: int, stop: int | None, every: int = 1) -> Iterator[Planned]:
        """Yield what each batch is made of, from number `start` on and before `stop`."""
        cut = self.sampling.cut
        for number, indices in islice(enumerate(self.plan(epoch)), start, stop, every):
            if cut.ranks == 1:
                yield Planned(number, indices)
                continue
            place = Place(indices, tuple(cut.own(len(indices))))
            positions, own = self.needed(place)
            yield Planned(number, indices[positions], place, own)

    def epoch(self, epoch: int, start: int = 0, stop: int | None = None, every: int = 1) -> Iterator[Batch]:
        """Yield the batches of an epoch from number `start` on and before `stop`, or every so many of them.

        Closing the iterator early leaves no thread behind. A file that cannot be read, or takes longer than
        `read_timeout` seconds while the batch waits for it, raises its DataError when the batch that it belongs to is
        due. Without workers nobody can wait for less than the disk does.
        """
        plan = self.planned(epoch, start, stop, every)
        if not self.reading.workers:
            for planned in plan:
                yield self.made(epoch, planned, [self.read(epoch, i) for i in planned.indices])
            return
        readers = Readers(self.reading.workers)
        ahead: deque[tuple[Planned, list[Future[Any]]]] = deque()
        try:
            for planned in plan:
                ahead.append((planned, [readers.submit(self.read, epoch, i) for i in planned.indices]))
                if len(ahead) > LOOK_AHEAD:
                    yield self.gather(readers, epoch, *ahead.popleft())
            while ahead:
                yield self.gather(readers, epoch, *ahead.popleft())
        finally:
            readers.close()

    def gather(self, readers: Readers, epoch: int, planned: Planned, samples: list[Future[Any]]) -> Batch:
        """Return the batch of samples that are in the making, or raise the first one's error."""
        pairs = zip(planned.indices, samples, strict=True)
        return self.made(epoch, planned, [self.finished(readers, i, sample) for i, sample in pairs])

    def made(self, epoch: int, planned: Planned, read: list[Any]) -> Batch:
        """Return the batch of samples that were read, of several ranks' the own part."""
        return self.placed(self.batch(epoch, planned.number, planned.indices, read), planned)

    @staticmethod
    def placed(batch: Batch, planned: Planned) -> Batch:
        """Return of the batch of what was planned the own part, in its place."""
        if planned.place is None:
            return batch
        return (batch if planned.own is None else batch.rows(planned.own)).at(planned.place)

    def finished(self, readers: Readers, index: int, sample: Future[Any]) -> Any:
        """Return a sample that is in the making; DataError where the file does not come."""
        try:
            return readers.result(sample, timeout=self.reading.read_timeout)
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
