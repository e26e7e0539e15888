"""One update from several passes: a batch is cut into parts whose losses add up to the loss of the whole."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ft.backend.objective import Objective
from ft.backend.ranks import Ranks
from ft.data import Batch
from ft.data.cut import Cut, Pass
from ft.recipe import Recipe


@dataclass(frozen=True)
class Part:
    """Samples that go through the network together, and what their loss counts in that of the batch.

    first: position of sample 0 in the batch; counts: False for a rank without samples, see ft/data/cut.py.
    """

    rows: slice
    share: float
    first: int
    counts: bool = True


def cut_of(recipe: Recipe) -> Cut:
    """Return how a recipe cuts a batch into parts, nearly even ones of at most `batch_size` samples."""
    return Cut(None if recipe.accumulate == 1 else recipe.batch_size)


def sizes_of(recipe: Recipe, ranks: Ranks) -> frozenset[int]:
    """Return how many samples go through the network together, whole batches alone: in a step, and elsewhere."""
    part = Cut(rank=ranks.rank, ranks=ranks.size).part_of(slice(0, recipe.batch_size))
    return frozenset((part.stop - part.start, recipe.batch_size))


def parts_of(batch: Batch, recipe: Recipe, objective: Objective) -> list[Part]:
    """Return the parts of a batch; without accumulation, and without other ranks, the whole.

    A share is that of the samples' weights in the objective; of a loss that is a sum, what all together are divided by.
    So gradients add up to those of the whole batch, a last one that is short included.
    """
    place = batch.place
    if place:  # the ranks have weighed it
        passes, own, whole = place.passes, place.weights, place.weight
    elif recipe.accumulate == 1 and not objective.summed:
        return [Part(slice(0, len(batch)), 1.0, 0)]
    else:
        weights = objective.weighed(batch)  # of masks a look at every pixel: not where nobody asks
        passes = tuple(Pass(rows, rows.start) for rows in cut_of(recipe).passes(len(weights)))
        own, whole = by_pass(weights, passes), weights.sum()
    if objective.summed:
        own, whole = tuple(float(p.counts) for p in passes), max(whole, 1.0)
    whole = whole or 1.0  # where no pixel counts the loss is 0
    return [Part(p.rows, float(weight / whole), p.first, p.counts) for p, weight in zip(passes, own, strict=True)]


def by_pass(weights: np.ndarray, passes: Sequence[Pass]) -> tuple[float, ...]:
    """Return what the samples of each pass weigh, 0 where they only stand in. weights: of all (N,)."""
    return tuple(float(weights[p.rows].sum()) if p.counts else 0.0 for p in passes)
