"""A learner learns what can be learned, draws its noise by seed and place, and takes features as well as images."""

from dataclasses import replace

import numpy as np
import pytest

from ft.data import Features
from tests.wings.installed import in_each_framework

LR = np.float64(0.05)
FEATURES = np.random.default_rng(0).normal(size=(6, 1280))


def train(learner, batch, steps=6, lr=LR):
    """Train on one batch and return the probes (steps, 5)."""
    return learner.fetch([learner.step(batch, step=step, lr=lr) for step in range(steps)])


@in_each_framework
def test_the_loss_falls_and_the_probes_say_so(make_learner, batch):
    learner = make_learner(freeze="none", momentum=0.0)
    before = learner.get_weights()
    first = learner.fetch([learner.step(batch, step=0, lr=LR)])
    after = learner.get_weights()
    loss, gradient, weights, update, _ = np.concatenate([first, train(learner, batch)]).T
    assert loss[0] == pytest.approx(np.log(3), rel=0.5)
    assert loss[-1] < 0.5 * loss[0]
    np.testing.assert_allclose(update, LR * gradient, rtol=1e-5)
    trained = [name for name in before if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))]
    norm = np.sqrt(sum((after[name].astype(float) ** 2).sum() for name in trained))
    change = np.sqrt(sum(((after[name] - before[name]).astype(float) ** 2).sum() for name in trained))
    np.testing.assert_allclose([weights[0], update[0]], [norm, change], rtol=1e-4)


@in_each_framework
def test_another_seed_drops_other_units(make_learner, batch):
    fields = {"model": "efficientnet_lite0", "freeze": "base", "precision": "float64"}
    learners = [make_learner(**fields, seed=seed) for seed in (0, 0, 1)]
    batch = replace(batch, inputs=Features({"head": FEATURES}))
    for learner in learners[1:]:
        learner.set_weights(learners[0].get_weights())
    a, b, c = (learner.gradients(batch, step=1)[0] for learner in learners)
    assert a == b != c
    assert learners[0].gradients(batch, step=2)[0] != a


@in_each_framework
def test_it_takes_features_and_images_in_turn(make_learner, batch):
    """As at the end of a run: `run.evaluate` gives images to a learner that was trained on features."""
    learner = make_learner(freeze="base")
    logits = learner.outputs(learner.features(batch.inputs))["logits"]
    np.testing.assert_allclose(learner.outputs(batch.inputs)["logits"], logits, rtol=1e-4, atol=1e-5)


@in_each_framework
def test_parts_of_a_batch_drop_what_the_whole_drops(make_learner, batch):
    learner = make_learner(model="efficientnet_lite0", freeze="base", precision="float64")
    batch = replace(batch, inputs=Features({"head": FEATURES}))
    whole = learner.gradients(batch, step=4)[2]
    parts = [learner.gradients(batch.rows(slice(i, i + 3)), step=4, first=i)[2] for i in (0, 3)]
    for name in whole:
        np.testing.assert_allclose((parts[0][name] + parts[1][name]) / 2, whole[name], rtol=1e-10, atol=1e-13)
    wrong = learner.gradients(batch.rows(slice(3, 6)), step=4)[2]
    assert any(np.abs(wrong[name] - parts[1][name]).max() > 1e-6 for name in whole)


@in_each_framework
@pytest.mark.parametrize("fields", [{}, {"accumulate": 3, "batch_size": 2}], ids=["whole", "in parts"])
def test_a_step_counts_what_it_had_right(make_learner, batch, fields):
    """The base is still and nothing is dropped, so what the network said in the step it says when asked before."""
    learner = make_learner(freeze="base", **fields)
    said = learner.outputs(batch.inputs)["logits"].argmax(1)
    for right in (0, 2, 6):
        labels = np.where(np.arange(6) < right, said, (said + 1) % 3)
        shares = 0.2 + 0.4 * np.eye(3, dtype=np.float32)[labels]
        for targets in ({"labels": labels}, {"shares": shares}):
            (probes,) = learner.fetch([learner.step(replace(batch, targets=targets), step=0, lr=np.float64(0))])
            assert probes[4] == right
