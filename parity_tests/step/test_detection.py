"""Every detector of two stages in float64 and both wings: what it finds, what a step draws, each loss, every gradient.

The oracle is torchvision's own network with our draws injected. Sides that no stride divides, a picture without boxes.
"""

import numpy as np
import pytest
import torch

import ft_torch
from ft.backend.contract import Learner
from ft.data import Batch
from ft.parity.arrays import Tensors, require_equal
from ft.zoo import Card, cards
from ft.zoo.detector import OneStage
from ft_tf.tasks import detection as tf_losses
from ft_torch.tasks import detection as torch_losses
from parity_tests.support.detectors import (
    SIDES,
    boxes_batch,
    recorded_anchors,
    require_losses,
    require_one_step,
    stock_of,
    stock_pass,
    stock_targets,
    told,
    with_our_draws,
)
from parity_tests.support.networks import marks_of
from parity_tests.support.pairs import CLASSES, FORWARD, Case, drawn_tensors, learners

STEP_NUMBER, SEED = 7, 5
FIELDS = {"seed": SEED, "image_size": 96, "weights": "none", "batch_size": 2}
QUICK = {"fasterrcnn_mobilenet_v2_fpn"}
CARDS = [card for card in cards("detection") if not isinstance(card.detector, OneStage)]
CASES = [pytest.param(card, id=card.name, marks=[] if card.name in QUICK else marks_of(card)) for card in CARDS]
DECIDED = ("objects", "anchor_boxes", "classes", "roi_boxes")


def pair_of(card: Card, freeze: str = "none", **fields) -> dict[str, Learner]:
    case = Case(card.name, freeze, {**FIELDS, **fields})
    return learners(case, tensors=start_of(card))


def start_of(card: Card) -> Tensors:
    """Return drawn weights. What is said of anchors is small, so that proposals differ and do not fill the picture.

    Where boxes are cut out of coarse maps alone the small anchors hold nothing: boxes below a pixel of the map in the
    picture's corner are one and the same to the network, and which of them is better is rounding.
    """
    with torch.device("meta"):
        shapes = ft_torch.weight_shapes(ft_torch.build_model(card.name, num_classes=CLASSES))
    tensors = drawn_tensors(card, shapes, seed=0)
    for name in ("rpn.head.cls_logits.weight", "rpn.head.bbox_pred.weight"):
        tensors[name] = tensors[name] * (1.0 if "resnet" in card.name else 10.0)
    if is_coarse(card):
        small = np.tile(np.array(card.detector.sizes[0]) < 100, len(card.detector.ratios))
        tensors["rpn.head.cls_logits.bias"][small] = -10
    return tensors


def is_coarse(card: Card) -> bool:
    """Tell whether every map has anchors of all sizes."""
    return len(card.detector.sizes[0]) > 1


def batch_for(card: Card) -> Batch:
    return boxes_batch(0, count=2, classes=CLASSES, sides=(165, 190) if is_coarse(card) else SIDES)


def nchw(batch: Batch) -> torch.Tensor:
    return torch.from_numpy(batch.inputs).permute(0, 3, 1, 2)


@pytest.mark.parametrize("card", CASES)
def test_network(card, say):
    say(told(card, measured(card)))


def measured(card: Card) -> dict[str, float]:
    """Return how far apart the wings are, which are torchvision's own."""
    pair, batch = pair_of(card), batch_for(card)
    ours, theirs = (pair[name].outputs(batch.inputs) for name in ("torch", "tf"))
    np.testing.assert_array_equal(ours["classes"], theirs["classes"])
    inference = require_equal(ours, theirs, bar=FORWARD, what="inference")
    assert ours["boxes"].shape == (2, card.detector.detections, 4)
    require_found_as_stock(card, ours, batch)

    with recorded_anchors() as anchors:
        found = {name: learner.gradients(batch, step=STEP_NUMBER) for name, learner in pair.items()}
    (_, outputs, gradients), (_, their_outputs, _) = found["torch"], found["tf"]
    for name in ("objects", "classes"):
        np.testing.assert_array_equal(outputs[name], their_outputs[name])
    require_learnt_as_stock(card, outputs, gradients, batch, anchors[:2])
    return {"inference": inference.largest, **require_one_step(pair, found)}


def require_found_as_stock(card: Card, ours: Tensors, batch: Batch):
    """Torchvision's network takes the weights strictly and finds the same."""
    stock = stock_of(card, CLASSES).eval()
    load(stock, start_of(card))
    with torch.no_grad():
        found, _ = stock_pass(stock, nchw(batch))
    for place, own in enumerate(found):
        count = len(own["scores"])
        assert (ours["classes"][place] >= 0).sum() == count > 10
        np.testing.assert_array_equal(ours["classes"][place, :count], own["labels"].numpy() - 1)
        pairs = [{name: x[place, :count] for name, x in ours.items() if name != "classes"}, dict(own)]
        del pairs[1]["labels"]
        require_equal(pairs[0], {name: x.numpy() for name, x in pairs[1].items()}, bar=FORWARD, what="stock")


def load(network: torch.nn.Module, tensors: Tensors):
    network.load_state_dict({name: torch.from_numpy(np.array(x)) for name, x in tensors.items()}, strict=True)


def require_learnt_as_stock(card: Card, outputs: Tensors, gradients: Tensors, batch: Batch, anchors: list[np.ndarray]):
    """Each loss of torchvision's, and every gradient of their sum, where its samplers draw what ours draw."""
    draws = {"seed": SEED, "step": STEP_NUMBER, "anchors": anchors}
    stock = with_our_draws(stock_of(card, CLASSES), card.detector, **draws).train()
    load(stock, start_of(card))
    _, losses = stock_pass(stock, nchw(batch), stock_targets(batch.targets))
    require_losses(stock, losses, (torch_losses, tf_losses), outputs, gradients)
