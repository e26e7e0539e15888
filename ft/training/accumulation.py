"""One update from several passes: a batch is cut into parts whose losses add up to the loss of the whole."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ft.data.targets import Targets, count
from ft.recipe import Recipe


@dataclass(frozen=True)
class Part:
    """Samples that go through the network together, and what their mean loss counts in that of the batch."""

    rows: slice
    share: float


def parts_of(targets: Targets, recipe: Recipe, class_weights: Sequence[float] | None = None) -> list[Part]:
    """Return the parts of a batch, nearly even ones of at most `batch_size` samples; without accumulation the whole.

    A part is never one sample alone, from which BatchNorm cannot learn, unless `batch_size` says so: of batches of 2 an
    odd one out joins a pair.
    A share is that of the samples, or, where a loss divides by the sum of the labels' weights, that of the weights. So
    gradients add up to those of the whole batch, a last one that is short included.
    """
    samples = count(targets)
    if recipe.accumulate == 1:
        return [Part(slice(0, samples), 1.0)]
    by_weight = class_weights is not None and "labels" in targets and recipe.loss in ("cross-entropy", "focal")
    weights = np.asarray(class_weights)[targets["labels"]] if by_weight else np.ones(samples)
    parts = -(-samples // recipe.batch_size)
    if recipe.batch_size > 1:
        parts = max(1, min(parts, samples // 2))
    rows = [slice(samples * i // parts, samples * (i + 1) // parts) for i in range(parts)]
    return [Part(part, float(weights[part].sum() / weights.sum())) for part in rows]
