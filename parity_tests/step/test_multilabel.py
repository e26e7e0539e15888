"""Any number of labels an image, in both wings: every step, twenty free ones, whole runs, one that changes wing."""

from dataclasses import replace

import numpy as np
import pytest

import ft
from ft.api.side_by_side import compare_runs
from ft.data import Batch, Mix
from ft.noise import generator
from ft.parity.arrays import ZERO, compare, require_equal
from ft.parity.tracing import trace_recipe
from ft.parity.verdict import compare_traces
from ft.recipe import Recipe
from ft.runs import checkpoint
from ft.runs.folder import read_log
from ft.system.signals import Interrupted
from ft.tasks.label_sets import read_label_sets
from ft.tasks.multilabel import MULTI
from ft_tf.tasks import classification as tf_losses
from parity_tests.runs.test_resume import interrupt_after
from parity_tests.support.one_step import require_equal_state, require_equal_step, train, train_both
from parity_tests.support.pairs import CLASSES, STEP, TRAJECTORY, batch, colours_csv
from parity_tests.support.small_pair import small_learners

LR = np.float64(0.01)
WEIGHTS = tuple(np.linspace(0.5, 2, CLASSES).tolist())
CASES = [
    ({"loss": "bce"}, None),
    ({"loss": "bce", "label_smoothing": 0.1, "mixup": 0.4, "cutmix": 1.0}, WEIGHTS),
    ({"loss": "bce-focal", "accumulate": 2, "batch_size": 4}, None),
]


def sets_batch(seed, recipe):
    """Return images and, for each, a yes or no for each class, mixed where the recipe mixes; some have no class."""
    images = batch(seed, size=32).inputs
    shares = (generator(seed, "sets").random((len(images), CLASSES)) < 0.3).astype(np.float64)
    shares[0], targets = 0, {"shares": shares}
    if recipe.mixup:
        mix = Mix(recipe.mixup, recipe.cutmix, CLASSES, seed=0)
        images, targets = mix.apply(images, targets, epoch=0, number=seed)
    return Batch.of(images, **targets)


@pytest.mark.parametrize(("fields", "weights"), CASES, ids=str)
def test_one_step_from_a_common_state(fields, weights, eager, say):
    pair, recipe = small_learners(**fields, class_weights=weights), Recipe(**fields)
    train_both(pair, [sets_batch(0, recipe)], steps=1, lr=LR)
    apart = require_equal_step(pair, sets_batch(1, recipe), number=3, updates=[3], lr=LR).gradients
    say(f"multi-label, {fields['loss']}: gradients {apart.largest:.1e}")


def test_twenty_steps(say):
    fields = {"loss": "bce", "freeze": "base", "momentum": 0.9}
    pair, recipe = small_learners(**fields), Recipe(**fields)
    start = pair["torch"].get_weights()
    train_both(pair, [sets_batch(seed, recipe) for seed in range(4)], steps=20, lr=LR)
    apart, _ = require_equal_state(pair, bar=TRAJECTORY)
    assert compare(start, pair["torch"].get_weights(), bar=0).largest > 1e-3, "nothing was trained"
    say(f"multi-label, 20 steps of the head: weights {apart.largest:.1e}")


@pytest.mark.parametrize("fault", ["flipped", "other image", "sum", "sigmoid"])
def test_planted_faults_are_seen(fault, eager, monkeypatch):
    recipe = Recipe(loss="bce")
    pair = small_learners(loss="bce")
    given = sets_batch(0, recipe)
    labels = given.targets["shares"]
    other = labels.copy()
    if fault == "flipped":  # one yes of eighty
        other[3, 4] = 1 - other[3, 4]
    elif fault == "other image":
        other[[1, 2]] = other[[2, 1]]
        assert not np.array_equal(other, labels)
    elif fault == "sum":  # over the classes, as some define it
        plain = tf_losses.binary_cross_entropy
        monkeypatch.setattr(tf_losses, "binary_cross_entropy", lambda z, y, **given: plain(z, y, **given) * CLASSES)
    else:  # softmax where each class is a yes or no of its own
        monkeypatch.setattr(tf_losses, "binary_cross_entropy", lambda z, y, **_: tf_losses.cross_entropy(z, y))
    for name, shares in (("torch", labels), ("tf", other)):
        train(pair[name], [(0, replace(given, targets={"shares": shares}))], lr=LR)
    with pytest.raises(AssertionError, match="weights and statistics differ"):
        require_equal_state(pair, bar=STEP)


# ---- whole runs

RECIPE = {
    "model": "efficientnet_lite0",
    "image_size": 32,
    "loss": "bce",
    "precision": "float64",
    "batch_size": 16,
    "lr": 0.05,
    "epochs": 12,
    "seed": 5,
    "quiet": True,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A CSV of 60 images, 48 of which train: three batches an epoch."""
    return colours_csv(tmp_path_factory.mktemp("colours"), count=60)


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """The head trained on kept features in each wing."""
    root = tmp_path_factory.mktemp("runs")
    return {wing: ft.finetune(**RECIPE, data=data, backend=wing, out=root / wing) for wing in ("torch", "tf")}


def test_both_wings_train_the_same_head(runs, say):
    torch, tf = runs.values()
    assert torch.task is tf.task is MULTI
    assert torch.metrics == pytest.approx(tf.metrics, rel=1e-10)
    assert torch.metrics["mAP"] > 0.7
    apart = compare_runs(torch.folder, tf.folder)
    assert apart.equal_predictions == 1
    assert apart.largest_loss_difference <= 1e-10
    assert apart.largest_head_difference <= 1e-10
    say(f"multi-label runs: loss {apart.largest_loss_difference:.1e}, head {apart.largest_head_difference:.1e}")
    assert any(len(p.label) > 1 for p in read_label_sets(torch.folder))


def test_either_wing_evaluates_and_predicts_the_others_run(runs, data):
    opened = ft.Run(runs["torch"].folder, backend="tf")
    assert opened.evaluate() == pytest.approx(runs["torch"].metrics, rel=1e-10)
    image = data.replace("labels.csv", "007.png")
    ours, theirs = (run.predict([image], top=3)[0] for run in (runs["torch"], opened))
    assert [g.label for g in ours] == [g.label for g in theirs]
    assert [g.probability for g in ours] == pytest.approx([g.probability for g in theirs], rel=1e-10)
    assert sum(g.probability for g in ours) != pytest.approx(1, abs=1e-6)  # they are not shares of one


MOVING = {"model": "resnet18", "weights": "none", "freeze": "stem,layer1,layer2,layer3", "sampling": "balanced"}
MOVING |= {"mixup": 0.3, "epochs": 2, "result": "best"}


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("torch", "tf"), ("tf", "torch")])
def test_a_run_goes_on_in_the_other_wing(first, second, data, tmp_path, monkeypatch, eager, say):
    fields = {**RECIPE, **MOVING, "data": data}
    whole = ft.finetune(**fields, backend=first, out=tmp_path / "whole")
    interrupt_after(2, monkeypatch)
    with pytest.raises(Interrupted):
        ft.finetune(**fields, backend=first, out=tmp_path / "parts")
    monkeypatch.undo()
    run = ft.finetune(resume=tmp_path / "parts", backend=second, quiet=True)
    assert run.task is MULTI
    states = [checkpoint.load(checkpoint.pointed(r.folder, "last")) for r in (whole, run)]
    apart = require_equal(*(state.model for state in states), bar=STEP, what="weights and statistics")
    require_equal(*(state.optimizer for state in states), bar=STEP, zero=ZERO, what="momentum")
    rows = [[row["mAP"] for row in read_log(r.folder) if row.get("epoch_end")] for r in (whole, run)]
    assert rows[0] == pytest.approx(rows[1], rel=1e-12)
    say(f"multi-label, begun in {first}, resumed in {second}: weights {apart.largest:.1e}")


def test_traces_of_a_multilabel_recipe_are_equal(data, tmp_path, eager):
    fields = {**RECIPE, "model": "squeezenet1_1", "weights": "none", "freeze": "none", "batch_size": 4, "mixup": 0.2}
    recipe = Recipe(**{key: value for key, value in fields.items() if key != "quiet"}, data=data)
    traces = [trace_recipe(recipe, tmp_path / wing, backend=wing, steps=1) for wing in ("torch", "tf")]
    assert traces[0].arrays(0, "batch")["labels"].shape == (4, 3)
    assert compare_traces(*traces).first is None
