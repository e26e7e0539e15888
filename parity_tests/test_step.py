"""One step from a common state: forward, every gradient, weights, BatchNorm statistics, momentum. In float64."""

import numpy as np
import pytest

from ft.compare import ZERO, require_equal
from parity_tests.pairs import CASES, FORWARD, STEP, UPDATING, Case, batch, learners

VARIED = [Case("resnet18", "base", {"nesterov": True, "weight_decay": 0.01, "label_smoothing": 0.1}),
          Case("efficientnet_lite0", "base", {"nesterov": True, "weight_decay": 0.01, "label_smoothing": 0.1}),
          Case("resnet18", "stem,layer1,layer3"), Case("efficientnet_lite0", "none", {"dropout": 0, "stochastic_depth": 0})]


@pytest.mark.parametrize("case", CASES + UPDATING + VARIED, ids=str)
def test_one_step(case):
    pair, (images, labels) = learners(case), batch(0)
    start = pair["torch"].get_weights()

    logits = {name: {"logits": learner.logits(images)} for name, learner in pair.items()}
    require_equal(logits["torch"], logits["tf"], bar=FORWARD, what="inference logits")

    loss, training, gradients = zip(*(p.gradients(images, labels, step=7) for p in pair.values()), strict=True)
    assert abs(loss[0] - loss[1]) <= STEP * abs(loss[0])
    require_equal({"logits": training[0]}, {"logits": training[1]}, bar=STEP, what="training logits")
    found = require_equal(*gradients, bar=STEP, zero=ZERO, what="gradients")
    print(f"gradients {found.largest:.1e}, {len(found.zeros)} zero but for rounding: {', '.join(found.zeros)}")

    for learner in pair.values():
        learner.set_weights(start)
        for step in range(2):  # the first step leaves momentum unseen
            learner.step(images, labels, step=step, lr=np.float64(0.001))
    weights, slots = ([getattr(p, what)() for p in pair.values()] for what in ("get_weights", "get_slots"))
    require_equal(*weights, bar=STEP, what="weights and statistics")
    require_equal(*slots, bar=STEP, zero=ZERO, what="momentum buffers")
    moved = {name for name in start if not np.array_equal(start[name], weights[0][name])}
    assert moved >= {name.removesuffix(".momentum_buffer") for name in slots[0]} - set(found.zeros)


@pytest.mark.parametrize("case", [*CASES, *UPDATING], ids=str)
def test_what_stands_still(case):
    """Frozen parameters never move; BatchNorm statistics move exactly where a stage runs in training mode."""
    pair, (images, labels) = learners(case), batch(0)
    for learner in pair.values():
        before = learner.get_weights()
        trained = {name.removesuffix(".momentum_buffer") for name in learner.get_slots()}
        learner.step(images, labels, step=0, lr=np.float64(0.1))
        after = learner.get_weights()
        moved = {name for name in before if not np.array_equal(before[name], after[name])}
        statistics = {name for name in before if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
        live = case.freeze == "none" or case.fields.get("bn") == "update"
        assert moved & statistics == (statistics if live else set())
        assert moved - statistics <= trained


def test_noise_is_on_in_both():
    """With dropout and stochastic depth two steps differ in both wings, and alike: else the tests above saw nothing."""
    pair, (images, labels) = learners(CASES[3]), batch(0)
    first, second = ([p.gradients(images, labels, step=step)[1] for p in pair.values()] for step in (1, 2))
    assert np.abs(first[0] - second[0]).max() > 0.01 * np.abs(first[0]).max()
    require_equal({"1": first[0], "2": second[0]}, {"1": first[1], "2": second[1]}, bar=STEP)
