"""Learning masks, in both wings: every loss, head and whole network, parts, fifty steps, a run that changes wing.

Four images of 64 pixels: behind the pooling of DeepLabV3 BatchNorm sees one value of each.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import torch
from PIL import Image
from torch import nn

import ft
from ft.api.side_by_side import compare_runs
from ft.cli.predict import predict
from ft.metrics.pixels import LEFT_OUT
from ft.parity.arrays import ZERO, compare, require_equal
from ft.parity.tracing import trace_recipe
from ft.parity.verdict import compare_traces
from ft.recipe import Recipe
from ft.runs import checkpoint
from ft.runs.folder import read_log
from ft.system.signals import Interrupted
from ft.zoo import cards, find_card
from ft_tf.layers import resize
from ft_tf.tasks import segmentation as tf_losses
from parity_tests.support.networks import marks_of
from parity_tests.support.one_step import require_equal_state, require_equal_step, share_state, train
from parity_tests.support.pairs import CLASSES, STEP, TRAJECTORY, Case, learners, masks_batch, squares_folder
from parity_tests.support.stops import interrupt_after

LR = np.float64(0.01)
SMALL = "lraspp_mobilenet_v2"
QUICK = {SMALL, "fcn_mobilenet_v2"}
SIZED = {"image_size": 64, "weights": "none", "momentum": 0.9}
WEIGHTS = tuple(np.linspace(0.5, 2, CLASSES).tolist())
LOSSES = [
    {"loss": "cross-entropy", "label_smoothing": 0.1, "class_weights": WEIGHTS},
    {"loss": "focal", "class_weights": WEIGHTS},
    {"loss": "dice"},
    {"loss": "cross-entropy-dice", "label_smoothing": 0.1, "class_weights": WEIGHTS, "accumulate": 2, "batch_size": 2},
]


def case_of(model=SMALL, freeze="none", **fields):
    """Return a case of masks, its weights drawn."""
    return Case(model, freeze, {**SIZED, **fields})


@pytest.mark.parametrize(
    ("card", "freeze"),
    [
        pytest.param(card, freeze, id=f"{card.name}-{freeze}", marks=[] if card.name in QUICK else marks_of(card))
        for card in cards("segmentation")
        for freeze in ("base", "none")
    ],
)
def test_network(card, freeze, eager, say):
    """The auxiliary loss counts a half; a head learns the same from the features that a run keeps."""
    pair, examples = learners(case_of(card.name, freeze)), masks_batch(1)
    if freeze == "base":
        let_images_through(pair["torch"], examples)
    assert [learner.auxiliary for learner in pair.values()] == 2 * [[0.5] if card.auxiliary else []]
    apart = require_equal_step(pair, examples, updates=[7]).gradients
    say(f"masks, {card.name}, freeze {freeze}: gradients {apart.largest:.1e}, {len(apart.zeros)} zero")
    for learner in pair.values() if freeze == "base" else ():
        kept = replace(examples, inputs=learner.features(examples.inputs))
        (loss, _, whole), (on_features, _, own) = (learner.gradients(given, step=8) for given in (examples, kept))
        assert on_features == pytest.approx(loss, rel=STEP)
        require_equal(whole, own, bar=STEP, zero=ZERO, what="gradients on features")


@torch.no_grad()
def let_images_through(learner, examples):
    """Give the base the statistics of the images.

    With drawn ones its maps are nearly alike: of four pooled ones that differ by 1e-9 BatchNorm leaves rounding alone.
    """
    norms = [layer for layer in learner.model.get_submodule("backbone").modules() if isinstance(layer, nn.BatchNorm2d)]
    own = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().momentum = 1.0
    learner.base(learner.load(examples.inputs))
    for norm, momentum in zip(norms, own, strict=True):
        norm.eval().momentum = momentum
    pooled = learner.features(examples.inputs).taps[next(iter(learner.card.taps))].mean((2, 3))
    assert np.ptp(pooled, axis=0).mean() > 1e-3 * np.abs(pooled).mean(), "the images are not told apart"


@pytest.mark.parametrize("fields", LOSSES, ids=lambda fields: fields["loss"])
def test_loss(fields, eager, say):
    apart = require_equal_step(learners(case_of(freeze="base", **fields)), masks_batch(2), lr=LR).gradients
    say(f"masks, {fields['loss']}: gradients {apart.largest:.1e}")


@pytest.mark.parametrize("wing", ["torch", "tf"])
def test_parts_have_the_gradients_of_the_whole_batch(wing, eager):
    """Auxiliary loss included. The same two images in both parts, with other masks: BatchNorm sees the same twice."""
    examples = masks_batch(3)
    images = np.asarray(examples.inputs)
    images[2:] = images[:2]
    fields, results = {"dropout": 0.0, "loss": "cross-entropy-dice", "class_weights": WEIGHTS}, []
    for parts in ({}, {"accumulate": 2, "batch_size": 2}):
        learner = learners(case_of("fcn_mobilenet_v2", "base", **fields, **parts))[wing]
        without_noise(learner)
        results.append(learner.gradients(examples, step=0))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-13)
    require_equal(results[0][2], results[1][2], bar=STEP, what="gradients")


def without_noise(learner):
    """Set every dropout to 0, that of the auxiliary head, too."""
    model = learner.model
    for layer in model.modules() if hasattr(model, "modules") else model.layers:
        if hasattr(layer, "p"):
            layer.p = 0.0


def test_fifty_steps(say):
    """Of the head, on the features that a run keeps."""
    pair = learners(case_of(freeze="base"))
    start, _ = share_state(pair)
    for learner in pair.values():
        examples = (masks_batch(seed) for seed in range(4))
        batches = [replace(given, inputs=learner.features(given.inputs)) for given in examples]
        train(learner, ((number, batches[number % 4]) for number in range(50)), lr=LR / 10)
    apart, _ = require_equal_state(pair, bar=TRAJECTORY)
    assert compare(start, pair["torch"].get_weights(), bar=0).largest > 1e-3, "nothing was trained"
    say(f"masks, 50 steps of the head: weights {apart.largest:.1e}")


@pytest.mark.slow
def test_fifty_steps_of_a_whole_network(say):
    """From its backbone's own weights: from drawn ones a single ulp ends anywhere. BatchNorm learns everywhere."""
    case = Case(SMALL, "none", {"image_size": 64, "momentum": 0.9})
    pair, batches = learners(case), [masks_batch(seed) for seed in range(4)]
    start, _ = share_state(pair)
    for learner in pair.values():
        train(learner, ((number, batches[number % 4]) for number in range(50)), lr=LR / 500)
    found, slots = require_equal_state(pair, bar=TRAJECTORY)
    trained = compare(start, pair["torch"].get_weights(), bar=0).relative
    ends = [trained[f"{path}.weight"] for path in ("backbone.0.0", find_card(SMALL).last)]
    assert min(ends) > 1e-4, "nothing was trained"
    say(f"masks, 50 steps of the whole {SMALL}: weights {found.largest:.1e}, momentum {slots.largest:.1e}")


def mean_of_means(patch):
    """Each picture counts alike, however many of its pixels count."""
    plain = tf_losses.loss

    def loss(outputs, targets, objective):
        rows = [
            ({"logits": z[None]}, {"mask": y[None]}) for z, y in zip(outputs["logits"], targets["mask"], strict=True)
        ]
        return tf.add_n([plain(*row, objective) for row in rows]) / len(rows)

    patch.setattr(tf_losses, "loss", loss)


def left_out_counts(patch):
    """A pixel of 255 counts as one of class 0."""
    patch.setattr(tf_losses, "LEFT_OUT", 254)
    plain = tf_losses.loss
    patch.setattr(
        tf_losses, "loss", lambda z, y, o: plain(z, {"mask": tf.where(y["mask"] == LEFT_OUT, 0, y["mask"])}, o)
    )


def corners_aligned(patch):
    """The corners' centres fall together, as with align_corners=True."""

    def weights(old, new, dtype):
        place = np.arange(new) * (old - 1) / (new - 1)
        return tf.constant(np.maximum(0, 1 - np.abs(place[:, None] - np.arange(old))), dtype)

    patch.setattr(resize, "weights", weights)


def auxiliary_counts_whole(learner):
    learner.auxiliary = [1.0]


def blended(examples):
    """Return the batch with masks of half the size made larger by nearest pixel, and blended as pixels are."""
    half = [Image.fromarray(mask % np.uint8(CLASSES)) for mask in examples.targets["mask"][:, :32, :32]]
    return [
        replace(examples, targets={"mask": np.stack([np.asarray(mask.resize((64, 64), way)) for mask in half])})
        for way in (Image.Resampling.NEAREST, Image.Resampling.BILINEAR)
    ]


@pytest.mark.parametrize("fault", [mean_of_means, left_out_counts, corners_aligned, auxiliary_counts_whole, blended])
def test_planted_faults_are_seen(fault, eager, monkeypatch):
    pair, examples = learners(case_of("fcn_mobilenet_v2", "base")), masks_batch(4)
    given = 2 * [examples]
    if fault is auxiliary_counts_whole:
        fault(pair["tf"])
    elif fault is blended:
        given = fault(examples)
    else:
        fault(monkeypatch)
    for learner, own in zip(pair.values(), given, strict=True):
        train(learner, [(0, own)], lr=LR)
    with pytest.raises(AssertionError, match="weights and statistics differ"):
        require_equal_state(pair, bar=STEP)


# ---- whole runs

RECIPE = {"model": SMALL, "weights": "none", "image_size": 48, "precision": "float64", "batch_size": 6, "seed": 5}
RECIPE |= {"epochs": 3, "lr": 0.05, "loss": "cross-entropy-dice", "quiet": True}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """32 images: four batches of 6 an epoch."""
    return squares_folder(tmp_path_factory.mktemp("squares"), count=32)


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """The head trained on kept features in each wing."""
    root = tmp_path_factory.mktemp("runs")
    return {wing: ft.finetune(**RECIPE, data=data, backend=wing, out=root / wing) for wing in ("torch", "tf")}


def test_both_wings_train_the_same_head(runs, say):
    torch, tf = runs.values()
    assert torch.metrics == pytest.approx(tf.metrics, rel=1e-10)
    apart = compare_runs(torch.folder, tf.folder)
    assert apart.equal_predictions == 1
    assert apart.largest_loss_difference <= TRAJECTORY
    assert apart.largest_head_difference <= TRAJECTORY
    say(f"runs of masks: loss {apart.largest_loss_difference:.1e}, head {apart.largest_head_difference:.1e}")


def test_either_wing_evaluates_and_predicts_the_others_run(runs, data):
    opened = ft.Run(runs["torch"].folder, backend="tf")
    assert opened.evaluate() == pytest.approx(runs["torch"].metrics, rel=1e-10)
    assert opened.evaluate(data) == pytest.approx(runs["torch"].metrics, rel=1e-10)
    image = f"{data}/images/val/004.png"
    ours, theirs = (run.predict([image], top=3)[0] for run in (runs["torch"], opened))
    assert [(g.label, g.probability) for g in ours] == [(g.label, g.probability) for g in theirs]


def test_other_masks_are_evaluated_by_the_runs_classes(runs, tmp_path):
    other = squares_folder(tmp_path, count=8)  # the images 0 and 4 are for validation
    assert all(ft.Run(run.folder).evaluate(other)["loss"] != run.metrics["loss"] for run in runs.values())
    metrics = [ft.Run(run.folder).evaluate(other) for run in runs.values()]
    assert metrics[0] == pytest.approx(metrics[1], rel=1e-10)


@pytest.mark.parametrize("wing", ["torch", "tf"])
def test_batches_that_teach_nothing_are_told_once(wing, tmp_path, capsys):
    data = squares_folder(tmp_path / "data", count=12)
    for file in (tmp_path / "data/masks/train").iterdir():
        Image.fromarray(np.full((40, 48), LEFT_OUT, np.uint8)).save(file)
    run = ft.finetune(**{**RECIPE, "epochs": 2, "quiet": False}, data=data, backend=wing, out=tmp_path / "run")
    said = "".join(capsys.readouterr())
    assert said.count("step 1: no pixel of the batch counts, its loss is 0; said once") == said.count("said once") == 1
    assert {row["loss"] for row in read_log(run.folder) if "loss" in row} == {0.0}


def test_the_command_writes_masks_and_shares(runs, data, tmp_path, capsys):
    words = [str(runs["torch"].folder), f"{data}/images", "--masks", str(tmp_path / "masks"), "--json"]
    assert predict(words) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [set(given) for given in rows[0]["classes"]] == [{"label", "share"}] * len(rows[0]["classes"])
    assert all(sum(given["share"] for given in row["classes"]) == pytest.approx(1) for row in rows)
    assert len(list(tmp_path.glob("masks/train/*.png"))) == 24
    written = Image.open(tmp_path / "masks/val/004.png")
    assert (written.mode, written.size) == ("P", (48, 40))
    shares = {given["label"]: given["share"] for row in rows if "val/004" in row["image"] for given in row["classes"]}
    assert np.mean(np.asarray(written) == 1) == pytest.approx(shares.get("red", 0), abs=0.02)


@pytest.mark.parametrize(("first", "second"), [("torch", "tf"), pytest.param("tf", "torch", marks=pytest.mark.slow)])
def test_a_run_goes_on_in_the_other_wing(first, second, data, tmp_path, monkeypatch, eager, say):
    """In the middle of the second epoch, augmented, the last stage and the heads with their momentum training."""
    frozen = ",".join(stage for stage in find_card("fcn_mobilenet_v2").stages if stage not in ("top", "head"))
    fields = {**RECIPE, "data": data, "model": "fcn_mobilenet_v2", "freeze": frozen, "epochs": 2}
    fields |= {"augment": "crop-flip", "momentum": 0.9, "lr": 0.01}
    whole = ft.finetune(**fields, backend=first, out=tmp_path / "whole")
    interrupt_after(5, monkeypatch)
    with pytest.raises(Interrupted):
        ft.finetune(**fields, backend=first, out=tmp_path / "parts")
    monkeypatch.undo()
    run = ft.finetune(resume=tmp_path / "parts", backend=second, quiet=True)
    states = [checkpoint.load(checkpoint.pointed(r.folder, "last")) for r in (whole, run)]
    apart = require_equal(*(state.model for state in states), bar=STEP, what="weights and statistics")
    require_equal(*(state.optimizer for state in states), bar=STEP, zero=ZERO, what="momentum")
    say(f"masks, begun in {first}, resumed in {second}: weights {apart.largest:.1e}")


def test_traces_are_equal_and_say_their_axes(data, tmp_path, eager):
    fields = {key: value for key, value in RECIPE.items() if key != "quiet"}
    recipe = Recipe(**{**fields, "batch_size": 4}, data=data)
    traces = [trace_recipe(recipe, tmp_path / wing, backend=wing, steps=1) for wing in ("torch", "tf")]
    assert traces[0].arrays(0, "batch")["mask"].shape == (4, 48, 48)
    assert traces[0].arrays(0, "forward")["logits"].shape == (4, 48, 48, 3)
    verdict = compare_traces(*traces)
    assert (verdict.first, verdict.unpaired) == (None, ())
