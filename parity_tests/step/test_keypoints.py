"""Every Keypoint R-CNN, whole, in float64 and both wings: keypoints found and learnt, each loss, every gradient.

The oracle is torchvision's own network with our draws injected; it gives the keypoints that it finds in float32 alone.
Sides that no stride divides, a picture without boxes, keypoints beside their box, on its far edge, and not marked.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ft.backend import contract as backend
from ft.backend.contract import Learner
from ft.network.boxes import points
from ft.noise import generator
from ft.parity.arrays import ZERO, Tensors, require_equal
from ft.tasks import TASKS
from ft.training.build import new_learner
from ft.zoo import Card, cards, find_card
from ft_tf.tasks import keypoints as tf_losses
from ft_torch.layers import boxes
from ft_torch.tasks import keypoints as torch_losses
from parity_tests.step.test_detection import FIELDS, SEED, STEP_NUMBER, load, nchw
from parity_tests.support.detectors import (
    SIDES,
    pointed_batch,
    recorded_anchors,
    require_losses,
    require_one_step,
    stock_pass,
    stock_point_targets,
    stock_points,
    told,
    with_our_draws,
)
from parity_tests.support.networks import marks_of
from parity_tests.support.pairs import CLASSES, FORWARD, STEP, Case, drawn_tensors

KEYPOINTS = 5  # another number than the card's
QUICK = {"keypointrcnn_mobilenet_v2_fpn"}
CASES = [
    pytest.param(replace(card, keypoints=KEYPOINTS), id=card.name, marks=[] if card.name in QUICK else marks_of(card))
    for card in cards("keypoints")
]


def learner_of(wing: str, card: Card, tensors: Tensors, **fields: int) -> Learner:
    recipe = Case(card.name, "none", {**FIELDS, **fields}).recipe()
    plan = {"card": card, "surgery": None, "objective": TASKS[card.task].objective(recipe, None)}
    learner = new_learner(recipe, backend.load(wing), **plan, classes=CLASSES, image_size=96, device="cpu")[0]
    learner.set_weights(tensors)
    return learner


def start_of(card: Card) -> Tensors:
    """Return drawn weights, by which proposals differ and do not fill the picture."""
    tensors = drawn_tensors(
        card, {name: tuple(x.shape) for name, x in stock_points(card, CLASSES, KEYPOINTS).state_dict().items()}, seed=0
    )
    for name in ("rpn.head.cls_logits.weight", "rpn.head.bbox_pred.weight"):
        tensors[name] = tensors[name] * (1.0 if "resnet" in card.name else 10.0)
    return tensors


def batch_of():
    return pointed_batch(0, KEYPOINTS, count=2, classes=CLASSES, sides=SIDES)


@pytest.mark.parametrize("card", CASES)
def test_network(card, say):
    say(told(card, measured(card)))


def measured(card: Card) -> dict[str, float]:
    """Return how far apart the wings are, which are torchvision's own."""
    start, batch = start_of(card), batch_of()
    pair = {wing: learner_of(wing, card, start) for wing in ("torch", "tf")}
    ours, theirs = (pair[name].outputs(batch.inputs) for name in ("torch", "tf"))
    np.testing.assert_array_equal(ours["classes"], theirs["classes"])
    inference = require_equal(ours, theirs, bar=FORWARD, what="inference")
    assert ours["keypoints"].shape == (2, card.detector.detections, KEYPOINTS, 2)
    require_found_as_stock(card, start, ours, nchw(batch))

    with recorded_anchors() as anchors:
        found = {name: learner.gradients(batch, step=STEP_NUMBER) for name, learner in pair.items()}
    (_, outputs, gradients), (_, their_outputs, _) = found["torch"], found["tf"]
    np.testing.assert_array_equal(outputs["cells"], their_outputs["cells"])
    assert 5 < len(outputs["cells"]) < (outputs["classes"] > 0).sum() * KEYPOINTS
    require_learnt_as_stock(card, start, outputs, gradients, anchors[:2])
    return {"inference": inference.largest, **require_one_step(pair, found)}


def require_found_as_stock(card: Card, start: Tensors, ours: Tensors, images: torch.Tensor):
    """Torchvision's network takes the weights strictly and says the same keypoints of the same boxes."""
    stock = stock_points(card, CLASSES, KEYPOINTS).eval()
    load(stock, start)
    with torch.no_grad():
        found, _ = stock_pass(stock, images)
    for place, own in enumerate(found):
        count = len(own["scores"])
        assert (ours["classes"][place] >= 0).sum() == count > 10
        said = {name: ours[name][place, :count] for name in ("boxes", "scores")}
        require_equal(said, {name: own[name].numpy() for name in ("boxes", "scores")}, bar=FORWARD, what="stock")
        np.testing.assert_allclose(ours["keypoints"][place, :count], own["keypoints"][..., :2], rtol=1e-6)
        heights = own["keypoints_scores"].numpy()
        np.testing.assert_allclose(ours["heights"][place, :count], heights, atol=1e-6 * abs(heights).max())
        assert not ours["keypoints"][place, count:].any()


def require_learnt_as_stock(card: Card, start: Tensors, outputs: Tensors, gradients: Tensors, anchors: list):
    """Each loss of torchvision's, and every gradient of their sum, where its samplers draw what ours draw."""
    batch, draws = batch_of(), {"seed": SEED, "step": STEP_NUMBER, "anchors": anchors}
    stock = with_our_draws(stock_points(card, CLASSES, KEYPOINTS), card.detector, **draws).train()
    load(stock, start)
    _, losses = stock_pass(stock, nchw(batch), stock_point_targets(batch.targets))
    assert len(losses) == 5
    require_losses(stock, losses, (torch_losses, tf_losses), outputs, gradients)


def without_far_edge(given):
    """Return a batch's keypoints, those on a far edge a hair further out."""
    *arrays, own = given
    return *arrays, own + 1e-9


def of_first(given):
    """Return what is drawn, each box with its picture's first object."""
    return *given[:3], np.zeros_like(given[3]), given[4]


@pytest.mark.parametrize("fault", [without_far_edge, of_first])
def test_a_fault_is_seen(fault, monkeypatch):
    card = replace(find_card("keypointrcnn_mobilenet_v2_fpn"), keypoints=KEYPOINTS)
    start = start_of(card)
    plain = points.point_lesson
    monkeypatch.setattr(boxes, "point_lesson", lambda *given, **options: plain(*fault(given), **options))
    with recorded_anchors() as anchors:
        _, outputs, gradients = learner_of("torch", card, start).gradients(batch_of(), step=STEP_NUMBER)
    with pytest.raises(AssertionError, match="loss_keypoint"):
        require_learnt_as_stock(card, start, outputs, gradients, anchors)


def test_heatmaps_say_the_places_that_torchvision_finds():
    """Boxes below a pixel and larger than the heatmap, to the last bit that torchvision's float32 keeps."""
    from torchvision.models.detection.roi_heads import heatmaps_to_keypoints

    rng = generator(0, "heatmaps")
    maps, corners = rng.normal(size=(20, 3, 56, 56)), rng.uniform(0, 50, (20, 2))
    rois = np.concatenate([corners, corners + np.geomspace(0.2, 300, 40).reshape(20, 2)], 1)
    places, heights = points.points_in(maps, rois)
    theirs, scores = heatmaps_to_keypoints(torch.from_numpy(maps), torch.from_numpy(rois))
    np.testing.assert_allclose(places, theirs[..., :2], rtol=1e-6)
    np.testing.assert_allclose(heights, scores, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("wing", ["torch", "tf"])
def test_parts_add_up_to_the_whole_batch(wing):
    """In parts of one picture each; keypoints are divided by all that the drawn boxes show."""
    card, batch = replace(find_card("keypointrcnn_mobilenet_v2_fpn"), keypoints=KEYPOINTS), batch_of()
    tensors = start_of(card)
    whole, parts = (learner_of(wing, card, tensors, **fields) for fields in ({}, {"batch_size": 1, "accumulate": 2}))
    expected, found = (learner.gradients(batch, step=STEP_NUMBER) for learner in (whole, parts))
    assert found[0] == pytest.approx(expected[0], rel=STEP)
    require_equal(found[2], expected[2], bar=STEP, zero=ZERO, what="gradients")
