"""What is frozen stands still, BatchNorm's statistics as told, and everything else moves."""

import numpy as np
import pytest

from tests.wings.installed import NATIVE, in_each_framework

pytestmark = pytest.mark.usefixtures("eager")
LR = np.float64(0.1)
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def moved(learner, batch):
    """Return the names of the tensors that a training step changes."""
    before = learner.get_weights()
    learner.step(batch, step=0, lr=LR)
    after = learner.get_weights()
    return {name for name in before if (before[name] != after[name]).any()}


def in_stages(learner, stages):
    prefixes = {"stem": ("conv1.", "bn1."), "head": ("fc.",)}
    return {
        name
        for name in learner.get_weights()
        for stage in stages
        if name.startswith(prefixes.get(stage, (f"{stage}.",)))
    }


def statistics(names):
    return {name for name in names if name.endswith(STATISTICS)}


STAGES = {
    "base": ("stem", "layer1", "layer2", "layer3", "layer4"),
    "none": (),
    "stem,layer1": ("stem", "layer1"),
    "head": ("head",),
}
LONG = [("tf", "stem,layer1"), ("tf", "head")]
CASES = [
    pytest.param(wing, freeze, id=f"{wing}-{freeze}", marks=pytest.mark.slow if (wing, freeze) in LONG else ())
    for wing, freeze in [*((wing, freeze) for wing in NATIVE for freeze in STAGES), ("numpy", "base")]
]


@pytest.mark.parametrize("bn", ["frozen", "update"])
@pytest.mark.parametrize(("wing", "freeze"), CASES, indirect=["wing"])
def test_what_a_step_moves(make_learner, batch, freeze, bn):
    learner = make_learner(freeze=freeze, bn=bn, precision="float64")
    names = set(learner.get_weights())
    frozen = in_stages(learner, STAGES[freeze])
    still = frozen - statistics(frozen) if bn == "update" else frozen
    assert moved(learner, batch) == names - still


@in_each_framework
def test_only_what_trains_has_slots_and_gradients(make_learner, batch):
    learner = make_learner(freeze="stem,layer1,layer2,layer3")
    expected = {name for name in in_stages(learner, ("layer4", "head")) if not name.endswith(STATISTICS)}
    assert set(learner.get_slots()) == {f"{name}.momentum_buffer" for name in expected}
    _, _, gradients = learner.gradients(batch, step=0)
    assert set(gradients) == expected
    assert all(gradient.any() for gradient in gradients.values())


def test_evaluation_in_between_does_not_thaw(make_learner, batch):
    learner = make_learner(freeze="base", precision="float64")
    first = moved(learner, batch)
    learner.outputs(batch.inputs)
    assert moved(learner, batch) == first == in_stages(learner, ("head",))


@in_each_framework
def test_the_framework_knows_what_trains(make_learner, framework):
    trains = framework.layers(make_learner(freeze="stem,layer1").model)
    assert {name for name in trains if not trains[name]} == {
        name for name in trains if name.startswith(("conv1", "bn1", "layer1."))
    }
    assert trains["fc"]
