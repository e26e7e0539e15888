"""A network on a split: its metrics, and the outputs that they come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np

from ft.backend.contract import Learner
from ft.data import Batch
from ft.data.targets import classes_of
from ft.tasks import task_of


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
class Evaluation:
    """The result of a network on a split: metrics, and the logits (N, K) and labels, (N,) or (N, K), they come from."""

    metrics: dict[str, Any]  # what the task measures
    logits: np.ndarray
    labels: np.ndarray


def evaluate(learner: Learner, source: Source) -> Evaluation:
    """Run a split through the network in inference mode."""
    logits, labels = [], []
    for batch in source.epoch(0):
        logits.append(learner.outputs(batch.inputs)["logits"])
        labels.append(classes_of(batch.targets))
    metrics = task_of(labels[0]).measure(logits, labels)
    return Evaluation(metrics, np.concatenate(logits), np.concatenate(labels))
