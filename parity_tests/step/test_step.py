"""One step from a common state: forward, every gradient, weights, BatchNorm statistics, momentum. In float64."""

import numpy as np
import pytest

from ft.network.freeze import frozen_stages
from ft.zoo import find_card
from parity_tests.support.one_step import require_equal_gradients, require_equal_step
from parity_tests.support.pairs import CASES, UPDATING, Case, batch, learners

VARIED = [
    Case("resnet18", "stem,layer1,layer3", {"nesterov": True, "weight_decay": 0.01, "label_smoothing": 0.1}),
    Case("efficientnet_lite0", "base", {"nesterov": True, "weight_decay": 0.01, "label_smoothing": 0.1}),
]
SLOW = [UPDATING[1], *VARIED, Case("efficientnet_lite0", "none", {"dropout": 0, "stochastic_depth": 0})]


def slow(*cases):
    return [pytest.param(case, marks=pytest.mark.slow) for case in cases]


# test_trajectory.py begins with the first one's step; the last one's takes long to trace, and is done eagerly below
@pytest.mark.parametrize("case", [*CASES[1:3], *slow(CASES[0], CASES[3])], ids=str)
def test_one_step(case, say):
    check_one_step(case, say)


@pytest.mark.parametrize("case", [UPDATING[0], CASES[3], *slow(*SLOW)], ids=str)
def test_one_step_of_a_variant(case, eager, say):
    check_one_step(case, say)


def check_one_step(case, say):
    step = require_equal_step(learners(case), batch(0))
    zeros = step.gradients.zeros
    say(f"{case}: gradients {step.gradients.largest:.1e}, {len(zeros)} zero but for rounding: {', '.join(zeros)}")
    for end in step.ends:
        check_what_moved(case, step.start, end, zeros=set(zeros))


def check_what_moved(case, start, end, *, zeros):
    """Frozen parameters never move; BatchNorm statistics move exactly where a stage runs in training mode."""
    card, recipe = find_card(case.model), case.recipe()
    frozen = {name for name in start if card.stage_of(name) in frozen_stages(card, recipe.freeze)}
    statistics = {name for name in start if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    moved = {name for name in start if not np.array_equal(start[name], end[name])}
    assert moved & statistics == (statistics if recipe.bn == "update" else statistics - frozen)
    assert moved - statistics - zeros == start.keys() - statistics - frozen - zeros


def test_noise_is_on_in_both(eager):
    """With dropout and stochastic depth two steps differ in both wings, and alike: else the tests above saw nothing."""
    pair = learners(CASES[3])
    first, second = (require_equal_gradients(pair, batch(0), number=step).logits for step in (1, 2))
    assert np.abs(first[0] - second[0]).max() > 0.01 * np.abs(first[0]).max()
