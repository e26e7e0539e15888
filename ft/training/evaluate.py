"""A network on a split: batch by batch into a meter, and into a table where its answers are written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from ft.backend.contract import Learner
from ft.data import Batch
from ft.tasks.task import Meter, PredictionTable


class Source(Protocol):
    """Batches of pixels, or of the features that a frozen base made of them."""

    def __len__(self) -> int: ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class First:
    """The first batches of a source."""

    source: Source
    count: int

    def __len__(self) -> int:
        return min(self.count, len(self.source))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from batch `start` on."""
        return islice(self.source.epoch(epoch, start), max(self.count - start, 0))


@dataclass(frozen=True)
class Counted:
    """A source that tells `count` of the images of each batch that is done with."""

    source: Source
    count: Callable[[int], None]

    def __len__(self) -> int:
        return len(self.source)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from batch `start` on."""
        for batch in self.source.epoch(epoch, start):
            yield batch
            self.count(len(batch))


def evaluate(learner: Learner, source: Source, meter: Meter, *tables: PredictionTable) -> Meter:
    """Run a split through the network in inference mode and return the meter, which has seen all of it."""
    for batch in source.epoch(0):
        outputs = learner.outputs(batch.inputs)
        for sink in (meter, *tables):
            sink.update(outputs, batch.targets)
    return meter
