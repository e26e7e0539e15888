"""One step from a common state: forward, every gradient, weights, BatchNorm statistics, momentum. In float64."""

import numpy as np
import pytest

from ft.network.freeze import frozen_stages
from ft.parity.arrays import ZERO, require_equal
from ft.zoo import find_card
from parity_tests.support.pairs import CASES, FORWARD, STEP, UPDATING, Case, batch, learners

VARIED = [
    Case("resnet18", "stem,layer1,layer3", {"nesterov": True, "weight_decay": 0.01, "label_smoothing": 0.1}),
    Case("efficientnet_lite0", "base", {"nesterov": True, "weight_decay": 0.01, "label_smoothing": 0.1}),
]
SLOW = [UPDATING[1], *VARIED, Case("efficientnet_lite0", "none", {"dropout": 0, "stochastic_depth": 0})]


# test_trajectory.py begins with the first one's step
@pytest.mark.parametrize("case", [pytest.param(CASES[0], marks=pytest.mark.slow), *CASES[1:]], ids=str)
def test_one_step(case, say):
    check_one_step(case, say)


@pytest.mark.parametrize("case", [UPDATING[0], *(pytest.param(case, marks=pytest.mark.slow) for case in SLOW)], ids=str)
def test_one_step_of_a_variant(case, eager, say):
    check_one_step(case, say)


def check_one_step(case, say):
    pair, given = learners(case), batch(0)
    start = pair["torch"].get_weights()

    logits = {name: learner.outputs(given.inputs) for name, learner in pair.items()}
    require_equal(logits["torch"], logits["tf"], bar=FORWARD, what="inference logits")

    loss, training, gradients = zip(*(p.gradients(given, step=7) for p in pair.values()), strict=True)
    assert abs(loss[0] - loss[1]) <= STEP * abs(loss[0])
    require_equal(*training, bar=STEP, what="training logits")
    found = require_equal(*gradients, bar=STEP, zero=ZERO, what="gradients")
    say(f"{case}: gradients {found.largest:.1e}, {len(found.zeros)} zero but for rounding: {', '.join(found.zeros)}")

    for learner in pair.values():
        learner.set_weights(start)
        for step in range(2):  # the first step leaves momentum unseen
            learner.step(given, step=step, lr=np.float64(0.001))
    weights, slots = ([getattr(p, what)() for p in pair.values()] for what in ("get_weights", "get_slots"))
    require_equal(*weights, bar=STEP, what="weights and statistics")
    require_equal(*slots, bar=STEP, zero=ZERO, what="momentum buffers")
    for tensors in weights:
        check_what_moved(case, start, tensors, zeros=set(found.zeros))


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
    pair, given = learners(CASES[3]), batch(0)
    first, second = ([p.gradients(given, step=step)[1]["logits"] for p in pair.values()] for step in (1, 2))
    assert np.abs(first[0] - second[0]).max() > 0.01 * np.abs(first[0]).max()
    require_equal({"1": first[0], "2": second[0]}, {"1": first[1], "2": second[1]}, bar=STEP)
