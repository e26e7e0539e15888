"""However a batch is cut among ranks and passes, its gradients are those of one process: ranks that are threads."""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ft.backend.ranks import ALONE
from ft.data import Batch
from ft.data.cut import Cut, Place
from ft.recipe import Recipe
from ft.training.ranks import meet
from parity_tests.support.detectors import boxes_batch
from parity_tests.support.pairs import CLASSES, one_learner
from parity_tests.support.ranks import BOXES, SMALL
from tests.ranks import ThreadRanks, on_ranks

MOST = 4  # ranks
STEP = 1e-13
RECIPES = {
    "samples": {**SMALL, "cut": "layer1", "class_weights": tuple(np.linspace(1, 3, CLASSES))},
    "boxes": BOXES,
}


class TorchThreads(ThreadRanks):
    """Threads that sum tensors."""

    def add_up(self, tensors: Sequence[Tensor], like: Iterable[Tensor]) -> list[Tensor]:
        """Return the sums of tensors of all threads."""
        return [torch.from_numpy(np.asarray(self.sum(x.numpy()))) for x in tensors]

    def total(self, x: Tensor) -> Tensor:
        """Return the sum of a tensor of all threads."""
        return torch.from_numpy(np.asarray(self.sum(x.numpy())))

    def each(self, x: Tensor) -> Tensor:
        """Return a tensor (C,) of each thread, in their order."""
        rows = np.zeros((self.size, len(x)))
        rows[self.rank] = x.numpy()
        return torch.from_numpy(self.sum(rows))


@functools.cache
def learners(kind: str, accumulate: int) -> list[Any]:
    """Return as many learners with the same weights as there are ranks, of steps of so many passes."""
    made = [one_learner("torch", Recipe(**RECIPES[kind]).replace(accumulate=accumulate)) for _ in range(MOST)]
    first = made[0] if accumulate == 1 else learners(kind, 1)[0]
    for learner in made:
        learner.set_weights(first.get_weights())
    return made


def batch_of(kind: str, samples: int, seed: int) -> Batch:
    if kind == "boxes":  # with too few anchors for all pictures to draw as many
        return boxes_batch(seed, count=samples, classes=CLASSES, sides=(48, 56))
    rng = np.random.default_rng(seed)
    return Batch.of(rng.normal(size=(samples, 16, 16, 3)), labels=rng.integers(0, CLASSES, samples))


@settings(max_examples=25)
@given(st.integers(2, 11), st.integers(2, MOST), st.none() | st.integers(2, 5), st.integers(0, 9))
def test_any_cut_has_the_gradients_of_the_whole(samples, size, most, seed):
    require_whole("samples", samples, size, most, seed)


@pytest.mark.slow
@settings(max_examples=5)
@given(st.integers(2, 6), st.integers(2, MOST), st.none() | st.integers(2, 3), st.integers(0, 9))
def test_any_cut_divides_by_all_that_is_drawn(samples, size, most, seed):
    require_whole("boxes", samples, size, most, seed)


def require_whole(kind: str, samples: int, size: int, most: int | None, seed: int) -> None:
    """Compare loss and gradients of ranks with those of one process; without BatchNorm also of one pass."""
    own = learners(kind, 2 if most else 1)
    whole = batch_of(kind, samples, seed)
    plain = Recipe(**RECIPES[kind]).replace(batch_size=samples)
    parts = plain.replace(accumulate=2, batch_size=most) if most else plain
    alone = learners(kind, 1)[0] if kind == "boxes" else own[0]
    alone.recipe, alone.ranks = plain if kind == "boxes" else parts, ALONE  # BatchNorm sees the passes
    loss, _, gradients = alone.gradients(whole, step=3)

    def work(ranks):
        learner = own[ranks.rank]
        learner.recipe, learner.ranks = parts, TorchThreads(ranks.rank, ranks.size, ranks.shared)
        place = Place(whole.indices, tuple(Cut(most, ranks.rank, size).own(samples)))
        part, _ = meet(ranks, whole.rows(place.positions).at(place), learner.objective, stop=None, error=None)
        return learner.gradients(part, step=3)

    largest = max(float(np.abs(g).max()) for g in gradients.values())
    for other, _, ours in on_ranks(size, work):
        assert abs(other - loss) <= STEP * abs(loss)
        assert max(float(np.abs(ours[name] - g).max()) for name, g in gradients.items()) <= STEP * largest
