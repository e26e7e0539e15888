"""Every Mask R-CNN, whole, in float64 and both wings: masks found, masks learnt, each loss, every gradient.

The oracle is torchvision's own network with our draws injected. Sides that no stride divides, a picture without boxes,
masks with holes that reach out of their boxes.
"""

import numpy as np
import pytest
import torch

from ft.network.boxes import masks
from ft.parity.arrays import ZERO, Tensors, require_equal
from ft.zoo import Card, cards, find_card
from ft_tf.tasks import instances as tf_losses
from ft_torch.layers import boxes
from ft_torch.models import maskrcnn
from ft_torch.tasks import instances as torch_losses
from parity_tests.step.test_detection import FIELDS, SEED, STEP_NUMBER, load, nchw, pair_of, start_of
from parity_tests.support.detectors import (
    SIDES,
    masked_batch,
    recorded_anchors,
    require_losses,
    require_one_step,
    stock_mask_targets,
    stock_masks,
    stock_pass,
    told,
    with_our_draws,
)
from parity_tests.support.networks import marks_of
from parity_tests.support.pairs import CLASSES, FORWARD, STEP, Case, one_learner

QUICK = {"maskrcnn_mobilenet_v2_fpn"}
CASES = [
    pytest.param(card, id=card.name, marks=[] if card.name in QUICK else marks_of(card)) for card in cards("instances")
]


@pytest.mark.parametrize("card", CASES)
def test_network(card, say):
    say(told(card, measured(card)))


def measured(card: Card) -> dict[str, float]:
    """Return how far apart the wings are, which are torchvision's own."""
    pair, batch = pair_of(card), masked_batch(0, count=2, classes=CLASSES, sides=SIDES)
    ours, theirs = (pair[name].outputs(batch.inputs) for name in ("torch", "tf"))
    np.testing.assert_array_equal(ours["classes"], theirs["classes"])
    inference = require_equal(ours, theirs, bar=FORWARD, what="inference")
    assert ours["masks"].shape == (2, card.detector.detections, 28, 28)
    require_found_as_stock(card, ours, nchw(batch))

    with recorded_anchors() as anchors:
        found = {name: learner.gradients(batch, step=STEP_NUMBER) for name, learner in pair.items()}
    _, outputs, gradients = found["torch"]
    assert len(outputs["masks"]) == (outputs["classes"] > 0).sum() > 5
    require_learnt_as_stock(card, outputs, gradients, batch, anchors[:2])
    return {"inference": inference.largest, **require_one_step(pair, found)}


def shifted(plain):
    """Return `along` as an aligned RoIAlign has it: half a pixel to the left."""
    return lambda start, end, *sizes: plain(start - 0.5, end - 0.5, *sizes)


def of_another(plain):
    """Return `of_class` of the channel below."""
    return lambda logits, classes: plain(logits, classes - 1)


def of_first(plain):
    """Return `mask_lesson` that takes every object for the picture's first."""
    return lambda *given, **options: plain(*given[:3], np.zeros_like(given[3]), *given[4:], **options)


def test_pictures_without_objects_teach_no_masks():
    """Nothing is cut out, and what says masks gets gradients of 0."""
    card = find_card("maskrcnn_mobilenet_v2_fpn")
    batch = masked_batch(0, count=2, classes=CLASSES, sides=SIDES).rows(slice(1, 2))
    pair = pair_of(card)
    found = {name: learner.gradients(batch, step=STEP_NUMBER) for name, learner in pair.items()}
    for _, outputs, gradients in found.values():
        assert outputs["masks"].shape == (0, 28, 28)
        assert not gradients["roi_heads.mask_predictor.conv5_mask.weight"].any()
    require_equal(found["torch"][2], found["tf"][2], bar=STEP, zero=ZERO)
    for learner in pair.values():
        learner.model.eval() if hasattr(learner.model, "eval") else None
        quiet = {name: x - 50 * name.endswith("cls_score.bias") for name, x in start_of(card).items()}
        quiet["roi_heads.box_predictor.cls_score.bias"][0] += 100
        learner.set_weights(quiet)
        outputs = learner.outputs(batch.inputs)
        assert (outputs["classes"] < 0).all()
        assert not outputs["masks"].any()


@pytest.mark.parametrize(
    ("home", "name", "fault"),
    [(masks, "along", shifted), (maskrcnn, "of_class", of_another), (boxes, "mask_lesson", of_first)],
)
def test_a_fault_is_seen(home, name, fault, monkeypatch):
    card = find_card("maskrcnn_mobilenet_v2_fpn")
    batch = masked_batch(0, count=2, classes=CLASSES, sides=SIDES)
    learner = one_learner("torch", Case(card.name, "none", FIELDS).recipe())
    learner.set_weights(start_of(card))
    monkeypatch.setattr(home, name, fault(getattr(home, name)))
    with recorded_anchors() as anchors:
        _, outputs, gradients = learner.gradients(batch, step=STEP_NUMBER)
    with pytest.raises(AssertionError, match="loss_mask"):
        require_learnt_as_stock(card, outputs, gradients, batch, anchors)


def require_found_as_stock(card: Card, ours: Tensors, images: torch.Tensor):
    """Torchvision's network takes the weights strictly and says the same masks of the same boxes."""
    stock = stock_masks(card, CLASSES).eval()
    load(stock, start_of(card))
    with torch.no_grad():
        found, _ = stock_pass(stock, images)
    for place, own in enumerate(found):
        count = len(own["scores"])
        assert (ours["classes"][place] >= 0).sum() == count > 10
        np.testing.assert_array_equal(ours["classes"][place, :count], own["labels"].numpy() - 1)
        said = {name: ours[name][place, :count] for name in ("boxes", "scores", "masks")}
        theirs = {name: own[name].numpy() for name in ("boxes", "scores")} | {"masks": own["masks"][:, 0].numpy()}
        require_equal(said, theirs, bar=FORWARD, what="stock")
        assert not ours["masks"][place, count:].any()


def require_learnt_as_stock(card: Card, outputs: Tensors, gradients: Tensors, batch, anchors: list[np.ndarray]):
    """Each loss of torchvision's, and every gradient of their sum, where its samplers draw what ours draw."""
    draws = {"seed": SEED, "step": STEP_NUMBER, "anchors": anchors}
    stock = with_our_draws(stock_masks(card, CLASSES), card.detector, **draws).train()
    load(stock, start_of(card))
    _, losses = stock_pass(stock, nchw(batch), stock_mask_targets(batch.targets, SIDES[1]))
    assert len(losses) == 5
    require_losses(stock, losses, (torch_losses, tf_losses), outputs, gradients)


@pytest.mark.slow
def test_parts_add_up_to_the_whole_batch():
    """In parts of one picture each, of which one has no object; its masks are divided by all that were drawn."""
    card, batch = find_card("maskrcnn_mobilenet_v2_fpn"), masked_batch(0, count=2, classes=CLASSES, sides=SIDES)
    whole = pair_of(card)["torch"].gradients(batch, step=STEP_NUMBER)
    for wing, learner in pair_of(card, batch_size=1, accumulate=2).items():
        loss, _, gradients = learner.gradients(batch, step=STEP_NUMBER)
        assert loss == pytest.approx(whole[0], rel=STEP)
        require_equal(gradients, whole[2], bar=STEP, zero=ZERO, what=wing)
