"""What an exported detector decides in its graph is what the host decides, also of ties, and without any box.

The host's decisions stand beside torchvision's in tests/ft/network/test_boxes.py and test_detection.py.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from ft.errors import RecipeError
from ft.network.boxes.anchors import counts
from ft.network.boxes.detections import detect
from ft.network.boxes.masks import found_rois
from ft.network.boxes.onestage import anchors_of, find
from ft.network.boxes.proposals import propose
from ft.network.boxes.roi import cuts
from ft.network.boxes.training import cut_out
from ft.noise import generator
from ft.zoo.detector import DefaultBoxes, Detector, OneStage
from ft_tf.layers import boxes, native_decisions
from ft_tf.layers import native as keras_native
from ft_tf.layers import native_onestage as keras_onestage
from ft_torch.layers import boxes as torch_boxes
from ft_torch.layers import native as torch_native
from ft_torch.layers import native_onestage as torch_onestage

IMAGE, MAPS, PICTURES, CLASSES = (256, 320), ((32, 40), (16, 20), (8, 10)), 3, 4
FEW = Detector(
    sizes=((16,), (64,), (256,)),
    maps=2,
    rpn_before=(90, 40),
    rpn_after=(60, 25),
    rpn_score=0.3,
    detections=30,
    score=0.2,
)
MANY = Detector(sizes=((16,), (64,), (256,)), maps=2, rpn_after=(2000, 2500), detections=12_000)  # more than there are
SIZES = ((16,), (64,), (256,))
LIMITS = {"score": 0.4, "candidates": 200, "detections": 60}
ONE_STAGE = [
    OneStage(kind="retinanet", sizes=SIZES, **LIMITS),
    OneStage(kind="retinanet", sizes=SIZES, score=0.4, candidates=10**5, detections=30_000),  # more than there are
    OneStage(kind="fcos", sizes=SIZES, ratios=(1.0,), **LIMITS),
    DefaultBoxes(scales=(0.1, 0.3, 0.5, 0.9), shapes=((2,), (2, 3), (2,)), **LIMITS),
]
EACH = pytest.mark.parametrize("detector", [FEW, MANY], ids=["few", "many"])


def torch_rois(scores, said, detector):
    decide = torch_native.NativeDecider(detector, MAPS, IMAGE, torch_native.suppressed)
    return {name: x.numpy() for name, x in decide.rois(torch.from_numpy(scores), torch.from_numpy(said)).items()}


def keras_rois(scores, said, detector):
    rois = keras_native.proposals(tf.constant(scores), tf.constant(said), image=IMAGE, maps=MAPS, detector=detector)
    return {name: x.numpy() for name, x in rois.items()}


def torch_found(logits, said, rois, detector):
    decide = torch_native.NativeDecider(detector, MAPS, IMAGE, torch_native.suppressed)
    given = {name: torch.from_numpy(x) for name, x in rois.items()}
    found = decide.found(torch.from_numpy(logits), torch.from_numpy(said), given, count=PICTURES)
    return {name: x.numpy() for name, x in found.items()}


def keras_found(logits, said, rois, detector):
    given = map(tf.constant, (logits, said, rois["rois"], rois["pictures"]))
    return {name: x.numpy() for name, x in keras_native.found(*given, image=IMAGE, detector=detector).items()}


def first_stage(detector):
    """Return objectness with many ties, of no object on the last picture, and deltas of anchors."""
    rng, anchors = generator(0, "native"), counts(MAPS, detector.anchors).sum()
    scores = np.round(rng.normal(0, 2, (PICTURES, anchors)), 1)
    scores[-1] = -20
    return scores, rng.normal(0, 0.5, (PICTURES, anchors, 4))


@EACH
@pytest.mark.parametrize("native", [torch_rois, keras_rois])
def test_proposals(native, detector):
    scores, said = first_stage(detector)
    own = propose(scores, said, image=IMAGE, maps=MAPS, detector=detector, training=False)
    expected = cut_out([row.boxes for row in own], image=IMAGE, maps=MAPS, detector=detector)
    found = native(scores, said, detector)
    there = found["pictures"] >= 0
    assert len(there) == PICTURES * detector.rpn_after[1]
    assert (found["maps"] >= 0).tolist() == there.tolist()
    assert len(set(expected["maps"])) == 2
    for name in ("pictures", "maps"):
        np.testing.assert_array_equal(found[name][there], expected[name])
    np.testing.assert_allclose(found["rois"][there], expected["rois"], rtol=0, atol=1e-11)


@EACH
@pytest.mark.parametrize("native", [torch_found, keras_found])
def test_detections(native, detector):
    rng = generator(1, "native")
    rois = torch_rois(*first_stage(detector), detector)
    there = rois["pictures"] >= 0
    logits = rng.normal(0, 2, (len(there), CLASSES + 1))
    said = rng.normal(0, 2, (len(there), 4 * (CLASSES + 1)))
    own = (x[there] for x in (logits, said, rois["rois"], rois["pictures"]))
    expected = detect(*own, count=PICTURES, image=IMAGE, detector=detector)._asdict()
    found = native(logits, said, rois, detector)
    assert 0 < (expected["classes"] >= 0).sum() < expected["classes"].size
    np.testing.assert_array_equal(found["classes"], expected["classes"])
    for name in ("boxes", "scores"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-11)


def test_detections_whose_masks_are_asked_for():
    """All rows are cut out; what fills them up is of no picture and no map, and whatever is said of it becomes 0."""
    rng = generator(4, "native")
    corners = rng.uniform(0, 200, (PICTURES, 30, 2))
    boxes = np.concatenate([corners, corners + np.exp(rng.uniform(3, 6, (PICTURES, 30, 2)))], 2)
    classes = rng.integers(0, CLASSES, (PICTURES, 30))
    classes[0, 20:], classes[1] = -1, -1
    boxes[classes < 0] = 0
    sizes = {"image": IMAGE, "maps": MAPS, "detector": FEW}
    expected, there = found_rois(boxes, classes, **sizes), classes.ravel() >= 0
    assert len(set(expected["maps"])) == 2
    given = {"boxes": torch.from_numpy(boxes), "classes": torch.from_numpy(classes)}
    decide = torch_native.NativeDecider(FEW, MAPS, IMAGE, torch_native.suppressed)
    rows, rois = rng.normal(size=(PICTURES * 30, 2, 5)), decide.found_rois(given)
    np.testing.assert_array_equal(rois.pop("classes").numpy(), classes.ravel())
    filled = [decide.by_picture(torch.from_numpy(rows), given["classes"] >= 0)]
    filled += [keras_native.by_picture(tf.constant(rows), tf.constant(classes))]
    theirs = keras_native.found_rois(tf.constant(boxes), tf.constant(classes), **sizes)
    for found in (rois, theirs):
        assert (found["pictures"].numpy() >= 0).tolist() == (found["maps"].numpy() >= 0).tolist() == there.tolist()
        for name, own in expected.items():
            np.testing.assert_array_equal(found[name].numpy()[there], own)
    rows[~there] = 0
    for found in filled:
        np.testing.assert_array_equal(found.numpy(), rows.reshape(PICTURES, 30, 2, 5))


@pytest.mark.parametrize("detector", ONE_STAGE, ids=["retinanet", "retinanet-many", "fcos", "ssd"])
def test_detections_of_one_stage(detector):
    rng, maps = generator(3, "native"), detector.maps(IMAGE)
    places = PICTURES, len(anchors_of(IMAGE, maps, detector))
    ssd = isinstance(detector, DefaultBoxes)
    logits = np.round(rng.normal(0, 1, (*places, CLASSES + ssd)), 1)  # with many ties
    logits[-1, :, ssd:] = -20
    given = [logits, rng.normal(0, 0.5, (*places, 4)), *([rng.normal(0, 1, places)] if detector.middles else [])]
    sizes = {"image": IMAGE, "maps": maps, "detector": detector}
    expected = find(*given, **sizes)._asdict()
    assert 0 < (expected["classes"] >= 0).sum() < expected["classes"].size
    torchs = torch_onestage.find(*map(torch.from_numpy, given), **sizes, suppress=torch_native.suppressed)
    for found in (torchs, keras_onestage.find(*map(tf.constant, given), **sizes)):
        np.testing.assert_array_equal(found["classes"], expected["classes"])
        for name in ("boxes", "scores"):
            np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-11)


def test_scores_that_float32_makes_equal_keep_their_order():
    boxes = np.array([[[0, 0, 10, 10], [0, 0, 10, 10.5], [20, 0, 30, 10]]])
    given = boxes, np.array([[[0.3, 0.3 + 1e-10, 0.2]]]), np.ones((1, 1, 3), bool)
    for kept in (
        torch_native.suppressed(*map(torch.from_numpy, given), 0.5),
        keras_native.suppressed(*map(tf.constant, given), 0.5),
    ):
        assert kept.numpy().tolist() == [[[False, True, True]]]


def test_what_boxes_are_cut_out_of_in_keras():
    rois = {name: x[:20] for name, x in torch_rois(*first_stage(FEW), FEW).items()}
    options = {"count": PICTURES, "image": IMAGE, "maps": MAPS, "detector": FEW}
    expected = cuts(rois["rois"], rois["pictures"], rois["maps"], **options)
    given = {name: tf.constant(x) for name, x in rois.items()}
    found = keras_native.cuts(given, **{**options, "count": tf.constant(PICTURES, tf.int64)})
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-12)
    flat = tf.constant(generator(2, "native").normal(size=(PICTURES * 1600, 5)))
    summed, alone = (cut(flat, *found, bins=FEW.roi_size) for cut in (keras_native.gathered, boxes.summed))
    np.testing.assert_allclose(alone.numpy(), summed.numpy(), rtol=0, atol=1e-13)


def test_a_network_that_decides_on_the_host_alone_is_refused():
    class Deciding(torch.nn.Module):
        def forward(self, x):
            return torch.from_numpy(torch_boxes.host(x))

    with pytest.raises(RecipeError, match="decides about its boxes in NumPy, which no file holds"):
        torch.export.export(Deciding(), (torch.zeros(2),))
    model = keras.Sequential([keras.Input((2,)), boxes.Decides(FEW)])
    with pytest.raises(RecipeError, match="decides about its boxes in NumPy, which no file holds"):
        native_decisions(model).__enter__()
