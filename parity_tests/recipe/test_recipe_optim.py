"""What a recipe says of optimizers, rates, losses and accumulation does the same in both wings, in float64."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ft.api.lr_find import sweep
from ft.network.freeze import Freeze, Rule, plan_at
from ft.parity.arrays import ZERO, compare, require_equal
from ft.recipe import Recipe
from parity_tests.support.pairs import CLASSES, STEP, TRAJECTORY, batch
from parity_tests.support.small_pair import CARD, small_learners

LR = np.float64(0.01)
EPS = (
    1e-4  # of whole networks: a bias in front of a BatchNorm has a gradient of rounding alone, which 1e-8 would enlarge
)
WHOLE = [
    {"optimizer": "sgd", "dampening": 0.2, "clip_norm": 0.5},
    {"optimizer": "adam", "eps": EPS, "weight_decay": 0.1, "clip_value": 0.01},
    {"optimizer": "adamw", "eps": EPS, "decay_exempt": "norms-and-biases", "layer_decay": 0.5},
    {"optimizer": "rmsprop", "eps": EPS, "momentum": 0.5, "centered": True, "stage_lr": ("body:0.1",)},
    {"optimizer": "adagrad", "eps": EPS, "lr_decay": 0.1, "initial_accumulator": 0.1},
    {"optimizer": "lars", "trust": 0.1, "weight_decay": 0.1},
]
WEIGHTS = tuple(np.linspace(0.5, 2, CLASSES).tolist())
SHARES = np.random.default_rng(0).dirichlet(np.ones(CLASSES), 8)
LOSSES = [
    ({"label_smoothing": 0.1}, WEIGHTS, None),
    ({"label_smoothing": 0.1}, WEIGHTS, SHARES),
    ({}, None, SHARES),
    ({"loss": "focal"}, WEIGHTS, None),
    ({"loss": "focal", "label_smoothing": 0.1, "focal_gamma": 1.5}, None, SHARES),
    ({"loss": "bce", "label_smoothing": 0.1}, WEIGHTS, None),
    ({"loss": "bce-focal"}, None, (SHARES > 0.1).astype(float)),
]


def small_batch(seed=0, count=8):
    return batch(seed, size=32, count=count)


def require_alike(pair, *, bar):
    weights, slots = ([getattr(p, what)() for p in pair.values()] for what in ("get_weights", "get_slots"))
    parts = require_equal(*weights, bar=bar, what="weights"), require_equal(*slots, bar=bar, zero=ZERO, what="slots")
    return max(part.largest for part in parts)


@pytest.mark.parametrize("fields", WHOLE, ids=lambda fields: fields["optimizer"])
def test_steps_from_a_common_state(fields, eager):
    pair = small_learners(**fields)
    start = pair["torch"].get_weights()
    for step in range(3):
        for learner in pair.values():  # from the state of the torch wing
            learner.set_weights(pair["torch"].get_weights())
            learner.set_slots(pair["torch"].get_slots())
        probes = [p.fetch([p.step(small_batch(step), step=step, lr=LR)]) for p in pair.values()]
        np.testing.assert_allclose(probes[1], probes[0], rtol=STEP)
        require_alike(pair, bar=STEP)
    assert compare(start, pair["tf"].get_weights(), bar=0).largest > 1e-4


@pytest.mark.parametrize(
    "name",
    [pytest.param(f["optimizer"], marks=[] if f["optimizer"] == "adamw" else pytest.mark.slow) for f in WHOLE],
)
def test_trajectory(name):
    """Fifty free steps of the head, compiled, under a changing rate: one graph for all rates."""
    pair = small_learners(optimizer=name, freeze="base")
    for learner in pair.values():
        for step in range(50):
            learner.step(small_batch(step % 4), step=step, lr=np.float64(LR * (1 + step % 3)))
    print(f"{name}: {require_alike(pair, bar=TRAJECTORY):.1e}")
    of_tf: Any = pair["tf"].run_step
    graphs = [*of_tf.whole.values(), *of_tf.others.values()]
    assert sum(graph.experimental_get_tracing_count() for graph in graphs) == 1


@pytest.mark.parametrize(("fields", "weights", "shares"), LOSSES, ids=str)
def test_losses(fields, weights, shares, eager):
    pair, given = small_learners(**fields, freeze="base", class_weights=weights), small_batch()
    if shares is not None:
        given = replace(given, targets={"shares": shares})
    losses, _, gradients = zip(*(p.gradients(given, step=3) for p in pair.values()), strict=True)
    assert abs(losses[0] - losses[1]) <= STEP * abs(losses[0])
    require_equal(*gradients, bar=STEP, what="gradients")


@pytest.mark.parametrize(("count", "weights"), [(8, None), (7, WEIGHTS)])
def test_parts_are_the_large_batch(count, weights, eager):
    """All but BatchNorm trains, with dropout; the last part may be short."""
    given = small_batch(count=count)
    states = {}
    for accumulate in (1, 4):
        pair = small_learners(
            optimizer="adam", eps=EPS, clip_norm=0.5, batch_size=2, accumulate=accumulate, class_weights=weights
        )
        for learner in pair.values():
            names = tuple(name for name in learner.get_slots() if name.endswith("exp_avg"))
            trained = tuple(name.removesuffix(".exp_avg") for name in names if not name.startswith("norm."))
            frozen = Rule("norm", ("norm",), trains=False, inference=True)
            learner.set_plan(Freeze((frozen, *(Rule(name, (name,)) for name in trained)), trained))
            probes = [learner.fetch([learner.step(given, step=step, lr=LR)]) for step in range(2)]
            states[accumulate, learner] = learner.get_weights() | {"probes": np.concatenate(probes)}
    whole, parts = ([x for (a, _), x in states.items() if a == accumulate] for accumulate in (1, 4))
    for a, b in (*zip(whole, parts, strict=True), whole, parts):
        require_equal(a, b, bar=STEP)


def test_stages_thaw_in_the_middle(eager):
    """The head alone, then all at a tenth of the rate; what is new starts from fresh slots, the head keeps its own."""
    fields = {"optimizer": "adamw", "eps": EPS, "freeze": "base", "unfreeze": ("2:all@0.1",)}
    pair, recipe = small_learners(**fields), Recipe(**fields)
    for step in range(4):
        for learner in pair.values():
            if step == 2:
                before, names = learner.get_slots(), list(learner.get_weights())
                parameters = [name for name in names if not name.endswith(("mean", "var", "tracked"))]
                learner.set_plan(plan_at(recipe, CARD, parameters, epoch=1))
                assert set(learner.plan.rates.values()) == {0.1}
                after = learner.get_slots()
                assert all(np.array_equal(after[name], slot) for name, slot in before.items())
                assert not any(slot.any() for name, slot in after.items() if name not in before)
            learner.step(small_batch(step), step=step, lr=LR)
        require_alike(pair, bar=STEP)
    assert {name: int(s) for name, s in pair["tf"].get_slots().items() if name.endswith("conv.weight.step")} == {
        "conv.weight.step": 2
    }


class Endless:
    """Batches without a data set."""

    def __len__(self):
        return 4

    def epoch(self, epoch, start=0, stop=None):
        for number in range(start, 4):
            yield replace(small_batch(number), number=number)


def test_the_finder_puts_everything_back(eager):
    sweeps = []
    for learner in small_learners(optimizer="adamw", eps=EPS, dropout=0.0).values():
        learner.step(small_batch(), step=0, lr=LR)
        before = {**learner.get_weights(), **learner.get_slots()}
        sweeps.append(sweep(learner, Endless(), lowest=1e-5, highest=0.1, steps=8))
        after = {**learner.get_weights(), **learner.get_slots()}
        assert {name: x.tobytes() for name, x in before.items()} == {name: x.tobytes() for name, x in after.items()}
    np.testing.assert_allclose(sweeps[1].losses, sweeps[0].losses, rtol=1e-9)
    assert sweeps[0].suggestion == sweeps[1].suggestion
