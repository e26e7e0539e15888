"""Pictures that keep their shape, padded in batches, in float64 and both wings: detections, losses, every gradient.

The oracle is torchvision's own network on the same list of pictures, with its own resizing, padding and way back.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ft.backend.contract import Learner
from ft.data import Batch, Padded
from ft.data.images.view import whole
from ft.data.inputs import frame_of
from ft.metrics.detection import Found
from ft.parity.arrays import ZERO, Tensors, compare, require_equal
from ft.tasks import TASKS
from ft.zoo import Card, find_card
from ft.zoo.detector import OneStage
from ft_torch.tasks import TASKS as TORCH
from ft_torch.weights import to_array
from parity_tests.step import test_detection, test_keypoints, test_onestage
from parity_tests.step.test_detection import SEED, STEP_NUMBER
from parity_tests.support import detectors, onestage
from parity_tests.support.detectors import recorded_anchors, require_one_step, with_our_draws
from parity_tests.support.pairs import CLASSES, FORWARD, STEP, Case
from parity_tests.support.pictures import (
    LONGEST,
    SHORT,
    SIDES,
    batch_of,
    found_in,
    pictures_of,
    resizing,
    targets_of,
)

KEYPOINTS = test_keypoints.KEYPOINTS
QUICK, SLOW = ("fasterrcnn", "fcos"), ("maskrcnn", "keypointrcnn", "retinanet")
NAMES = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


def card_of(family: str) -> Card:
    card = find_card(f"{family}_mobilenet_v2_fpn")
    return replace(card, keypoints=KEYPOINTS) if card.keypoints else card


def start_of(card: Card) -> Tensors:
    home = {"keypoints": test_keypoints, "instances": test_detection, "detection": test_detection}[card.task]
    return (test_onestage if isinstance(card.detector, OneStage) else home).start_of(card)


def pair_of(card: Card) -> dict[str, Learner]:
    if card.keypoints:
        start = start_of(card)
        return {wing: test_keypoints.learner_of(wing, card, start, batch_size=4) for wing in ("torch", "tf")}
    return (test_onestage if isinstance(card.detector, OneStage) else test_detection).pair_of(card, batch_size=4)


def stock_of(card: Card) -> torch.nn.Module:
    """Return torchvision's network with the same weights, which it takes strictly."""
    if isinstance(card.detector, OneStage):
        network = onestage.stock_of(card, CLASSES)
    elif card.keypoints:
        network = detectors.stock_points(card, CLASSES, KEYPOINTS)
    else:
        network = (detectors.stock_masks if card.task == "instances" else detectors.stock_of)(card, CLASSES)
    test_detection.load(network, start_of(card))
    return resizing(network)


def own_targets(card: Card) -> list[dict[str, torch.Tensor]]:
    """Return the targets as the network counts classes: from 1 behind a background."""
    first = int(not isinstance(card.detector, OneStage))
    targets = targets_of(CLASSES, keypoints=KEYPOINTS if card.keypoints else 0)
    return [{**own, "labels": own["labels"] + first} for own in targets]


def batch_for(card: Card, network: torch.nn.Module) -> Batch:
    return batch_of(network, pictures_of(), targets_of(CLASSES, keypoints=KEYPOINTS * bool(card.keypoints)), card.task)


@pytest.mark.parametrize("family", NAMES)
def test_network(family, say):
    card = card_of(family)
    pair, stock = pair_of(card), stock_of(card)
    batch = batch_for(card, stock)
    ours, theirs = (pair[name].outputs(batch.inputs) for name in ("torch", "tf"))
    np.testing.assert_array_equal(ours["classes"], theirs["classes"])
    inference = require_equal(ours, theirs, bar=FORWARD, what="inference")
    require_found_as_stock(stock, found_in(ours, batch, card.task), first=int(not isinstance(card.detector, OneStage)))

    with recorded_anchors() as anchors:
        found = {name: learner.gradients(batch, step=STEP_NUMBER) for name, learner in pair.items()}
    require_learnt_as_stock(card, found["torch"][1], found["torch"][2], anchors[: len(SIDES)])
    result = require_one_step(pair, found)
    say(f"{card.name}, sizes: inference {inference.largest:.1e}, gradients {result['gradients']:.1e}")


def require_found_as_stock(stock: torch.nn.Module, ours: list[Found], *, first: int):
    """It finds the same in the pictures' own pixels; what is said of the padding alone, no box there, is left out."""
    with torch.no_grad():
        every = stock.eval()(pictures_of())
    there = [(own["boxes"][:, 2:] > own["boxes"][:, :2]).all(1) for own in every]
    theirs = [{name: x[kept] for name, x in own.items()} for own, kept in zip(every, there, strict=True)]
    assert sum(len(own["scores"]) for own in theirs) > 40
    for found, own in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(found.classes, own["labels"].numpy() - first)
        pair = (
            {"boxes": found.corners, "scores": found.scores},
            {name: own[name].numpy() for name in ("boxes", "scores")},
        )
        require_equal(*pair, bar=FORWARD, what="stock")
        if found.masks is not None:
            said = own["masks"][:, 0].numpy() > 0.5
            np.testing.assert_array_equal(np.stack([runs.mask for runs in found.masks]), said)
        if found.points is not None:
            np.testing.assert_allclose(found.points[..., :2], own["keypoints"][..., :2], rtol=1e-6)


def require_learnt_as_stock(card: Card, outputs: Tensors, gradients: Tensors, anchors: list[np.ndarray]):
    """Each loss, and every gradient of their sum, where its samplers draw what ours draw."""
    stock, objective = stock_of(card).train(), TASKS[card.task].objective(Case(card.name, "none").recipe(), None)
    if not isinstance(card.detector, OneStage):
        stock = with_our_draws(stock, card.detector, seed=SEED, step=STEP_NUMBER, anchors=anchors)
    losses = stock(pictures_of(), own_targets(card))
    given = {name: torch.from_numpy(x) for name, x in outputs.items()}
    more = (objective,) if isinstance(card.detector, OneStage) else ()
    ours = (TORCH["detection"].onestage if more else TORCH[card.task]).losses(given, *more)
    share = 1 / max((outputs["classes"] >= 0).sum(), 1) if objective.summed else 1.0
    expected = {name: x.detach().numpy() for name, x in losses.items()}
    require_equal({name: x.numpy() * share for name, x in ours.items()}, expected, bar=STEP, what="losses")
    weights = dict(stock.named_parameters())
    found = torch.autograd.grad(torch.stack(list(losses.values())).sum(), list(weights.values()))
    named = {name: to_array(g) for name, g in zip(weights, found, strict=True)}
    require_equal(gradients, named, bar=STEP, zero=ZERO, what="stock's gradients")


def test_pictures_are_resized_and_padded_as_torchvision_does():
    """Also those whose long side is bound: sizes and the frame as numbers, boxes but for its float32 ratios."""
    stock = resizing(torch.nn.Module())
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sides = [tuple(side) for side in rng.integers(20, 400, (3, 2)).tolist()]
        corners = [np.sort(rng.uniform(0, side[::-1], (2, 2)), 0).reshape(1, 4) for side in sides]
        pictures = [torch.zeros(3, *side) for side in sides]
        images, moved = stock.transform(pictures, [{"boxes": torch.from_numpy(own)} for own in corners])
        views = [whole(*side, SHORT, LONGEST) for side in sides]
        assert [view.frame for view in views] == [tuple(size) for size in images.image_sizes]
        assert frame_of(np.array([view.frame for view in views])) == tuple(images.tensors.shape[2:])
        for view, side, own, theirs in zip(views, sides, corners, moved, strict=True):
            np.testing.assert_allclose(view.boxes(own, *side)[0], theirs["boxes"], rtol=1e-6)


def test_batches_of_any_size_are_one_graph():
    """TensorFlow traces one for whole batches, whatever they are padded to, and one for those of any other number."""
    card = card_of("fasterrcnn")
    learner, stock = test_detection.pair_of(card, "base", batch_size=4)["tf"], stock_of(card)
    batch = batch_for(card, stock)
    assert isinstance(batch.inputs, Padded)
    for frame in ((96, 96), (128, 96), (96, 160)):
        given = replace(batch, inputs=batch.inputs.at_least(frame))
        for own in (given, given.rows(slice(0, 3)), given.rows(slice(0, 2))):
            learner.step(own, step=0, lr=np.float64(0))
            learner.outputs(own.inputs)
    for graphs in (learner.run_step, learner.run_forward):
        assert [graph.experimental_get_tracing_count() for graph in graphs.others.values()] == [1, 1]
        assert not graphs.whole


def test_a_square_is_what_it_was():
    """Pictures that fill what the network is given teach and find the same with their sizes and without."""
    card = card_of("fasterrcnn")
    batch = detectors.boxes_batch(0, count=2, classes=CLASSES, sides=(64, 96))
    sized = replace(batch, inputs=Padded(batch.inputs, np.array([[64, 96]] * 2)))
    for learner in test_detection.pair_of(card, "base").values():
        (_, _, plain), (_, _, other) = (learner.gradients(own, step=STEP_NUMBER) for own in (batch, sized))
        assert not compare(plain, other, bar=1e-14, zero=ZERO).faults
        for name, x in learner.outputs(batch.inputs).items():
            np.testing.assert_allclose(learner.outputs(sized.inputs)[name], x, atol=1e-12)
