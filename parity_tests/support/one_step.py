"""One step from a common state: what both learners make of it, compared number by number at the bars of the policy.

A new loss, task or option gets its proof in a line: `require_equal_step(learners(Case(...)), batch(0))`. All that the
parity tests ask of a learner's training stands here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft.backend.contract import Learner
from ft.data import Batch
from ft.parity.arrays import ZERO, Comparison, Tensors, require_equal
from parity_tests.support.pairs import FORWARD, STEP

Pair = Mapping[str, Learner]  # "torch" and "tf"
LR = np.float64(0.001)


@dataclass(frozen=True)
class Step:
    """What was compared: the gradients, the weights before, and in each wing after."""

    gradients: Comparison
    start: Tensors
    ends: tuple[Tensors, ...]


@dataclass(frozen=True)
class Gradients:
    """Loss, logits and gradients of a training step in each wing, and how far apart the gradients are."""

    losses: tuple[float, ...]
    logits: tuple[np.ndarray, ...]
    arrays: tuple[Tensors, ...]
    apart: Comparison


def require_equal_step(
    pair: Pair, examples: Batch, *, number: int = 7, updates: Iterable[int] = (0, 1), lr: np.float64 = LR
) -> Step:
    """Compare inference, loss, logits and every gradient of step `number`, then all state after the updates.

    Both learners start from the torch wing's weights and slots. The first update leaves momentum unseen: two are the
    least that shows it, one is enough where the state has some.
    """
    start, slots = share_state(pair)
    logits = (learner.outputs(examples.inputs) for learner in pair.values())
    require_equal(*logits, bar=FORWARD, what="inference logits")
    gradients = require_equal_gradients(pair, examples, number=number).apart
    for learner in pair.values():
        learner.set_weights(start)
        learner.set_slots(slots)
        train(learner, ((update, examples) for update in updates), lr=lr)
    require_equal_state(pair, bar=STEP)
    return Step(gradients, start, tuple(learner.get_weights() for learner in pair.values()))


def share_state(pair: Pair) -> tuple[Tensors, Tensors]:
    """Give the state of the torch wing's learner to both, and return it: weights and slots."""
    weights, slots = pair["torch"].get_weights(), pair["torch"].get_slots()
    pair["tf"].set_weights(weights)
    pair["tf"].set_slots(slots)
    return weights, slots


def require_equal_gradients(pair: Pair, examples: Batch, *, number: int, zero: float = ZERO) -> Gradients:
    """Compare loss, logits and every gradient of one training step; statistics move, weights do not."""
    results = [learner.gradients(examples, step=number) for learner in pair.values()]
    losses, outputs, gradients = (tuple(part) for part in zip(*results, strict=True))
    assert abs(losses[0] - losses[1]) <= STEP * abs(losses[0])
    require_equal(*outputs, bar=STEP, what="training logits")
    logits = tuple(given["logits"] for given in outputs)
    return Gradients(losses, logits, gradients, require_equal(*gradients, bar=STEP, zero=zero, what="gradients"))


def require_equal_state(pair: Pair, *, bar: float) -> tuple[Comparison, Comparison]:
    """Compare weights and statistics, then slots: momentum, anchors, averages."""
    weights, slots = ([getattr(p, what)() for p in pair.values()] for what in ("get_weights", "get_slots"))
    apart = require_equal(*weights, bar=bar, what="weights and statistics")
    return apart, require_equal(*slots, bar=bar, zero=ZERO, what="slots")


def train(learner: Learner, steps: Iterable[tuple[int, Batch]], *, lr: np.float64) -> list[Any]:
    """Do the steps, each a number and a batch, and return their probes."""
    return [learner.step(examples, step=number, lr=lr) for number, examples in steps]


def train_both(pair: Pair, examples: list[Batch], *, steps: int, lr: np.float64) -> None:
    """Train both freely, by the batches in turn."""
    for learner in pair.values():
        train(learner, ((number, examples[number % len(examples)]) for number in range(steps)), lr=lr)
