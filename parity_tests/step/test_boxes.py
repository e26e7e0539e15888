"""Learning boxes, in both wings: a frozen base, its kept maps, parts of a batch, thirty steps, faults that are seen."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import torch

import ft_tf.layers.boxes as keras_boxes
import ft_torch.layers.boxes as torch_boxes
from ft.backend.contract import Learner
from ft.data import Batch
from ft.network.boxes import proposals, training
from ft.network.boxes.levels import levels
from ft.network.boxes.roi import cuts
from ft.parity.arrays import ZERO, compare, require_equal
from ft.zoo import find_card
from ft.zoo.detector import Detector
from ft_tf.tasks import detection as tf_losses
from parity_tests.step.test_detection import pair_of
from parity_tests.support.detectors import boxes_batch
from parity_tests.support.one_step import require_equal_state
from parity_tests.support.pairs import CLASSES, STEP, TRAJECTORY

CARD = find_card("fasterrcnn_mobilenet_v2_fpn")
SMALL = (64, 71)
LR = np.float64(0.002)


@pytest.fixture(scope="module")
def base_pair() -> dict[str, Learner]:
    return pair_of(CARD, "base")


def batch(seed: int, *, count: int = 2, most: int = 8) -> Batch:
    return boxes_batch(seed, count=count, classes=CLASSES, sides=SMALL, most=most)


@pytest.mark.parametrize("count", [0, 60])
def test_boxes_are_cut_out_as_torchvision_does(count):
    """By a sparse product in both wings, with its gradient; boxes over the edge, below a pixel, and none at all."""
    rng, detector = np.random.default_rng(0), Detector()
    maps = [rng.normal(size=(2, 96 // stride, 128 // stride, 5)) for stride in (4, 8, 16, 32)]
    corners = rng.uniform(-20, 90, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.1, 400, (count, 2))], 1)
    numbers = levels(boxes, (96, 128), [x.shape[1:3] for x in maps])
    rois = {"rois": boxes, "pictures": rng.integers(0, 2, count), "maps": numbers}
    cotangents = rng.normal(size=(count, 7, 7, 5))
    found = []
    for pool in (torch_boxes.by_level, torch_boxes.as_product):
        own = [torch.from_numpy(x).permute(0, 3, 1, 2).requires_grad_() for x in maps]
        cut = pool(own, {name: torch.from_numpy(x) for name, x in rois.items()}, (96, 128), detector).permute(
            0, 2, 3, 1
        )
        gradients = torch.autograd.grad((cut * torch.from_numpy(cotangents)).sum(), own)
        found.append([cut.detach().numpy(), *(g.permute(0, 2, 3, 1).numpy() for g in gradients)])
    own, given = [tf.constant(x) for x in maps], {name: tf.constant(x) for name, x in rois.items()}
    with tf.GradientTape() as tape:
        tape.watch(own)
        cut = keras_boxes.PoolBoxes(detector, name="pool").cut(own, given, tf.constant([96, 128]))
        total = tf.reduce_sum(cut * cotangents)
    found.append([cut.numpy(), *(g.numpy() for g in tape.gradient(total, own))])
    named = [{str(i): x for i, x in enumerate(arrays)} for arrays in found]
    assert len(set(numbers.tolist())) == (3 if count else 0)
    for arrays in named[1:]:
        require_equal(arrays, named[0], bar=1e-14)


def test_a_frozen_base_and_its_kept_maps(base_pair):
    """The base's maps in place of pictures give the same step, and the backbone neither trains nor moves."""
    given = batch(1)
    found = {name: learner.gradients(given, step=3) for name, learner in base_pair.items()}
    require_equal(found["torch"][2], found["tf"][2], bar=STEP, zero=ZERO, what="gradients")
    assert not [name for name in found["torch"][2] if "backbone.body" in name]
    assert len(found["torch"][2]) == 26
    for name, learner in base_pair.items():
        kept = learner.features(given.inputs)
        assert set(kept.taps) == {*CARD.taps, "images"}
        from_maps = learner.gradients(replace(given, inputs=kept), step=3)
        require_equal(from_maps[2], found[name][2], bar=STEP, what=f"{name} from maps")
        require_equal(learner.outputs(kept), learner.outputs(given.inputs), bar=STEP, what=f"{name} found")


def test_pictures_without_boxes_or_proposals(base_pair, monkeypatch):
    """Nothing is found, nothing is divided by nothing, and what draws no box has a gradient of 0."""
    monkeypatch.setattr(proposals, "sigmoid", lambda scores: np.full(scores.shape, -1.0))
    given = batch(4)
    given.targets["box_labels"][:] = -1
    found = {name: learner.gradients(given, step=3) for name, learner in base_pair.items()}
    require_equal(found["torch"][2], found["tf"][2], bar=STEP, zero=ZERO, what="gradients")
    assert np.isfinite(found["torch"][0])
    assert not found["tf"][2]["roi_heads.box_predictor.cls_score.weight"].any()
    for learner in base_pair.values():
        assert (learner.outputs(given.inputs)["classes"] == -1).all()


def test_steps_of_any_number_of_boxes_are_one_graph(base_pair):
    learner = base_pair["tf"]
    before = len(learner.run_step.others)
    for step, most in enumerate((8, 16, 24)):
        learner.step(batch(step, most=most), step=step, lr=np.float64(0))  # the pair stays one
    graphs = list(learner.run_step.others.values())
    assert len(graphs) - before <= 1
    assert [graph.experimental_get_tracing_count() for graph in graphs] == [1]


@pytest.mark.slow
def test_parts_of_a_batch_draw_as_the_whole_does():
    """Each part draws by the positions of its pictures, and its losses are divided by what all parts draw."""
    given = boxes_batch(2, count=4, classes=CLASSES, sides=(48, 56))  # too few anchors for all to draw as many
    pair = pair_of(CARD, "base", batch_size=2, accumulate=2)
    found = {name: learner.gradients(given, step=3) for name, learner in pair.items()}
    require_equal(found["torch"][2], found["tf"][2], bar=STEP, zero=ZERO, what="gradients")
    whole = pair_of(CARD, "base", batch_size=4)["torch"].gradients(given, step=3)
    require_equal(found["torch"][2], whole[2], bar=STEP, what="the whole batch")
    assert found["tf"][0] == pytest.approx(whole[0], rel=STEP)


@pytest.mark.slow
def test_thirty_steps(say):
    pair = pair_of(CARD, "stem,stage1,stage2,stage3,stage4", momentum=0.9)
    batches = [batch(seed) for seed in range(4)]
    losses = {}
    for name, learner in pair.items():
        steps = [learner.step(batches[step % 4], step=step, lr=LR) for step in range(30)]
        losses[name] = learner.fetch(steps)
    require_equal({"probes": losses["torch"]}, {"probes": losses["tf"]}, bar=TRAJECTORY, what="probes")
    require_equal_state(pair, bar=TRAJECTORY)
    assert losses["torch"][-4:, 0].mean() < losses["torch"][:4, 0].mean()
    say(f"thirty steps: loss {losses['torch'][0, 0]:.4f} to {losses['torch'][-1, 0]:.4f}")


def aligned(rois, *given, **options):
    """RoIAlign with half a pixel of the map off, as aligned=True has it: here of the finest map, for all."""
    return cuts(rois - 4, *given, **options)


def other_step(key, step, *parts):
    return training_key(key, step + 1, *parts)


training_key = training.picture_key
FAULTS = {
    "aligned": (keras_boxes, "cuts_of", aligned),
    "sampler": (training, "picture_key", other_step),
    "beta": (tf_losses, "BETA", 1.0),
    "background": (keras_boxes, "lesson", lambda s, d, b, n, **o: training.lesson(s, d, b, n - 1, **o)),
    "swapped": (keras_boxes, "lesson", lambda s, d, b, n, **o: training.lesson(s, d, b[..., [1, 0, 3, 2]], n, **o)),
}

LATE = ("sampler", "background", "swapped")


@pytest.mark.parametrize("fault", ["aligned", "beta", *(pytest.param(name, marks=pytest.mark.slow) for name in LATE)])
def test_a_fault_in_one_wing_is_seen(base_pair, monkeypatch, fault):
    given = batch(3)
    sound = base_pair["torch"].gradients(given, step=3)
    monkeypatch.setattr(*FAULTS[fault])
    faulty = base_pair["tf"].gradients(given, step=3)
    same_shapes = {name: x for name, x in faulty[2].items() if x.shape == sound[2][name].shape}
    assert compare(sound[2], same_shapes, bar=STEP, zero=ZERO).faults
