"""A network on a split: batch by batch into a meter, and into a table where its answers are written."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from ft.backend.contract import Learner
from ft.backend.ranks import ALONE, Ranks
from ft.data import Batch
from ft.tasks.task import Meter, PredictionTable
from ft.tasks.wire import fill, packed
from ft.training.ranks import together


class Source(Protocol):
    """Batches of pixels, or of the features that a frozen base made of them."""

    def __len__(self) -> int: ...

    def epoch(self, epoch: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class First:
    """The first batches of a source."""

    source: Source
    count: int

    def __len__(self) -> int:
        return min(self.count, len(self.source))

    def epoch(self, epoch: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield the batches of an epoch from batch `start` on, and before `stop`."""
        stop = len(self) if stop is None else min(stop, len(self))
        return islice(self.source.epoch(epoch, start, stop), max(stop - start, 0))


@dataclass(frozen=True)
class Counted:
    """A source that tells `count` of the images of each batch that is done with."""

    source: Source
    count: Callable[[int], None]

    def __len__(self) -> int:
        return len(self.source)

    def epoch(self, epoch: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield the batches of an epoch from batch `start` on, and before `stop`."""
        for batch in self.source.epoch(epoch, start, stop):
            yield batch
            self.count(len(batch))


def evaluate(learner: Learner, source: Source, meter: Meter, *tables: PredictionTable, ranks: Ranks = ALONE) -> Meter:
    """Run a split through the network in inference mode and return the meter, which has seen all of it.

    Each rank runs its share of the batches, none twice; meters and tables of all ranks come together, in order.
    """
    sinks, new = (meter, *tables), deepcopy((meter, *tables)) if ranks.size > 1 else ()
    start, stop = (len(source) * rank // ranks.size for rank in (ranks.rank, ranks.rank + 1))
    with together(ranks):
        for batch in source.epoch(0, start, stop):
            outputs = learner.outputs(batch.inputs)
            for sink in sinks:
                sink.update(outputs, batch.targets)
    if ranks.size > 1:
        join(ranks, sinks, new)
    return meter


def join(ranks: Ranks, sinks: Sequence[Any], new: Sequence[Any]) -> None:
    """Let each rank's meters and tables have seen what all of them saw. new: such that have seen nothing."""
    first, *others = ranks.gather(packed(sinks))
    fill(sinks, first)  # on every rank in the same order, for the same bits
    for content in others:
        more = deepcopy(new)
        fill(more, content)
        for sink, other in zip(sinks, more, strict=True):
            sink.merge(other)
