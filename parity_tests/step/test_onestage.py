"""Every detector of one stage, whole, in float64 and both wings: what it finds, each loss, every gradient.

The oracle is torchvision's own network. Sides that no stride divides, a picture without boxes.
"""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import torch

import ft_tf.layers.boxes as keras_boxes
import ft_torch
from ft.backend.contract import Learner
from ft.data import Batch
from ft.network.boxes.onestage import anchors_of, lesson
from ft.parity.arrays import ZERO, Tensors, compare, require_equal
from ft.tasks import TASKS
from ft.zoo import Card, cards, find_card
from ft.zoo.detector import DefaultBoxes, OneStage
from ft_tf.tasks import onestage as tf_losses
from ft_torch.tasks import onestage as torch_losses
from ft_torch.weights import to_array
from parity_tests.support.detectors import SIDES, boxes_batch, told
from parity_tests.support.networks import marks_of
from parity_tests.support.onestage import stock_found, stock_losses, stock_of
from parity_tests.support.pairs import CLASSES, FORWARD, STEP, Case, drawn_tensors, learners

QUICK = {"retinanet_mobilenet_v2_fpn", "fcos_mobilenet_v2_fpn"}
LEARNS = "ssdlite320_mobilenet_v2"  # its BatchNorms do, and its parts are not its whole
CARDS = [card for card in cards("detection") if isinstance(card.detector, OneStage)]
CASES = [
    pytest.param(card, id=card.name, marks=[] if card.name in {*QUICK, LEARNS} else marks_of(card)) for card in CARDS
]


def pair_of(card: Card, freeze: str = "none", **fields) -> dict[str, Learner]:
    size = max(96, card.min_size)
    case = Case(card.name, freeze, {"image_size": size, "weights": "none", "batch_size": 2, **fields})
    return learners(case, tensors=start_of(card))


def start_of(card: Card) -> Tensors:
    """Return drawn weights. Those of the head are so large that anchors differ, and no box of FCOS is empty."""
    with torch.device("meta"):
        shapes = ft_torch.weight_shapes(ft_torch.build_model(card.name, num_classes=CLASSES))
    tensors = drawn_tensors(card, shapes, seed=0)
    for name, tensor in tensors.items():
        if name.startswith("head.") and tensor.ndim == 4:
            tensors[name] = tensor * (3.0 if tensor.shape[0] == tensor.shape[1] else 1.0)
    if card.family == "fcos":
        tensors["head.regression_head.bbox_reg.bias"] += 2
    return tensors


def sides_for(card: Card) -> tuple[int, int]:
    """Return height and width: what the network takes at least."""
    return (card.min_size + 3, card.min_size) if card.min_size > 1 else SIDES


def first_class(card: Card) -> int:
    """Return the number of the first class in the network: 1 behind a background."""
    return int(isinstance(card.detector, DefaultBoxes))


def nchw(batch: Batch) -> torch.Tensor:
    return torch.from_numpy(batch.inputs).permute(0, 3, 1, 2)


@pytest.mark.parametrize("card", CASES)
def test_network(card, say):
    say(told(card, measured(card)))


def measured(card: Card) -> dict[str, float]:
    """Return how far apart the wings are, which are torchvision's own."""
    pair, sides = pair_of(card), sides_for(card)
    batch = boxes_batch(0, count=8 if card.family == "ssdlite" else 2, classes=CLASSES, sides=sides)
    ours, theirs = (pair[name].outputs(batch.inputs) for name in ("torch", "tf"))
    np.testing.assert_array_equal(ours["classes"], theirs["classes"])
    inference = require_equal(ours, theirs, bar=FORWARD, what="inference")
    assert ours["boxes"].shape == (len(batch), card.detector.detections, 4)
    require_found_as_stock(card, ours, batch)

    found = {name: learner.gradients(batch, step=7) for name, learner in pair.items()}
    (loss, outputs, gradients), (other, their_outputs, their_gradients) = found["torch"], found["tf"]
    np.testing.assert_array_equal(outputs["classes"], their_outputs["classes"])
    assert outputs["classes"].shape[1] == len(anchors_of(sides, card.detector.maps(sides), card.detector))
    assert (outputs["classes"] >= 0).sum() > 10
    require_equal(outputs, their_outputs, bar=STEP, what="training")
    require_equal({"loss": np.array(loss)}, {"loss": np.array(other)}, bar=STEP)
    result = require_equal(gradients, their_gradients, bar=STEP, zero=ZERO, what="gradients")
    require_learnt_as_stock(card, outputs, gradients, batch, pair["torch"].get_weights())
    for name, learner in pair.items():
        learner.update(found[name][2], lr=np.float64(0.01))
    weights = (pair[name].get_weights() for name in ("torch", "tf"))
    step = require_equal(*weights, bar=STEP, what="step")
    apart = {"inference": inference, "gradients": result, "step": step}
    return {**{part: each.largest for part, each in apart.items()}, "zero gradients": len(result.zeros)}


def stock_with(card: Card) -> torch.nn.Module:
    """Torchvision's network takes the weights strictly."""
    network = stock_of(card, CLASSES)
    network.load_state_dict({name: torch.from_numpy(np.array(x)) for name, x in start_of(card).items()}, strict=True)
    return network


def require_found_as_stock(card: Card, ours: Tensors, batch: Batch):
    """Torchvision's network finds the same."""
    for place, own in enumerate(stock_found(stock_with(card).eval(), nchw(batch))):
        count = len(own["scores"])
        assert (ours["classes"][place] >= 0).sum() == count > 10
        np.testing.assert_array_equal(ours["classes"][place, :count], own["labels"].numpy() - first_class(card))
        said = {name: x[place, :count] for name, x in ours.items() if name != "classes"}
        require_equal(said, {name: own[name].numpy() for name in said}, bar=FORWARD, what="stock")


def require_learnt_as_stock(card: Card, outputs: Tensors, gradients: Tensors, batch: Batch, after: Tensors):
    """Each loss of torchvision's, every gradient of their sum, and what BatchNorms that learn keep of the batch."""
    stock, objective = stock_with(card).train(), TASKS["detection"].objective(Case(card.name, "none").recipe(), None)
    losses = stock_losses(stock, nchw(batch), stock_targets(batch, first_class(card)))
    ours = torch_losses.losses({name: torch.from_numpy(x) for name, x in outputs.items()}, objective)
    theirs = tf_losses.losses({name: tf.constant(x) for name, x in outputs.items()}, objective)
    share = 1 / max((outputs["classes"] >= 0).sum(), 1) if objective.summed else 1.0
    expected = {name: x.detach().numpy() for name, x in losses.items()}
    require_equal({name: x.numpy() * share for name, x in ours.items()}, expected, bar=STEP, what="losses")
    require_equal({name: x.numpy() * share for name, x in theirs.items()}, expected, bar=STEP, what="Keras's losses")
    weights = dict(stock.named_parameters())
    found = torch.autograd.grad(torch.stack(list(losses.values())).sum(), list(weights.values()))
    named = {name: to_array(g) for name, g in zip(weights, found, strict=True)}
    require_equal(gradients, named, bar=STEP, zero=ZERO, what="stock's gradients")
    moved = {name: to_array(x) for name, x in stock.named_buffers()}
    require_equal({name: after[name] for name in moved}, moved, bar=STEP, what="stock's buffers")


def stock_targets(batch: Batch, first: int) -> list[dict[str, torch.Tensor]]:
    """Return the boxes of each picture as torchvision takes them. first: the number of the first class."""
    rows = zip(batch.targets["boxes"], batch.targets["box_labels"], strict=True)
    return [{"boxes": torch.from_numpy(b[k >= 0]), "labels": torch.from_numpy(k[k >= 0] + first)} for b, k in rows]


@pytest.mark.parametrize("name", [*sorted(QUICK), pytest.param("ssd300_vgg16", marks=pytest.mark.slow)])
def test_parts_add_up_to_the_whole_batch(name, say):
    """In parts of one picture each; the second has no object, and its background counts."""
    card = find_card(name)
    batch = boxes_batch(0, count=3, classes=CLASSES, sides=sides_for(card))
    whole = {wing: learner.gradients(batch, step=7) for wing, learner in pair_of(card, batch_size=3).items()}
    parts = pair_of(card, batch_size=1, accumulate=3)
    for wing, learner in parts.items():
        loss, _, gradients = learner.gradients(batch, step=7)
        assert loss == pytest.approx(whole[wing][0], rel=1e-13)
        found = require_equal(gradients, whole[wing][2], bar=STEP, zero=ZERO, what=wing)
        say(f"{name}, {wing}: gradients of parts {found.largest:.1e}")
    steps = [learner.fetch([learner.step(batch, step=7, lr=np.float64(0.01))]) for learner in parts.values()]
    np.testing.assert_allclose(*steps, rtol=1e-11)
    assert steps[0][0, 0] == pytest.approx(whole["torch"][0], rel=1e-13)


@pytest.fixture(scope="module", params=sorted(QUICK))
def base_pair(request) -> dict[str, Learner]:
    return pair_of(find_card(request.param), "base")


def small(seed: int, *, most: int = 8) -> Batch:
    return boxes_batch(seed, count=2, classes=CLASSES, sides=(64, 71), most=most)


def test_a_frozen_base_and_its_kept_maps(base_pair):
    """The base's maps in place of pictures give the same step, and the backbone neither trains nor moves."""
    given = small(1)
    found = {name: learner.gradients(given, step=3) for name, learner in base_pair.items()}
    require_equal(found["torch"][2], found["tf"][2], bar=STEP, zero=ZERO, what="gradients")
    assert not [name for name in found["torch"][2] if "backbone.body" in name]
    for name, learner in base_pair.items():
        kept = learner.features(given.inputs)
        from_maps = learner.gradients(replace(given, inputs=kept), step=3)
        require_equal(from_maps[2], found[name][2], bar=STEP, what=f"{name} from maps")
        require_equal(learner.outputs(kept), learner.outputs(given.inputs), bar=STEP, what=f"{name} found")


def test_pictures_without_boxes(base_pair):
    """Nothing is divided by nothing, and all anchors learn that they are background."""
    given = small(4)
    given.targets["box_labels"][:] = -1
    found = {name: learner.gradients(given, step=3) for name, learner in base_pair.items()}
    require_equal(found["torch"][2], found["tf"][2], bar=STEP, zero=ZERO, what="gradients")
    assert found["torch"][0] > 0
    assert found["tf"][2]["head.classification_head.cls_logits.weight"].any()
    assert not found["tf"][2]["head.regression_head.bbox_reg.weight"].any()


def test_steps_of_any_number_of_boxes_are_one_graph(base_pair):
    learner = base_pair["tf"]
    before = len(learner.run_step.others)
    for step, most in enumerate((8, 16, 24)):
        given, still = small(step, most=most), np.float64(0)  # the pair stays one
        probes = [own.fetch([own.step(given, step=step, lr=still)]) for own in base_pair.values()]
        np.testing.assert_allclose(*probes, rtol=STEP)
    graphs = list(learner.run_step.others.values())
    assert len(graphs) - before <= 1
    assert [graph.experimental_get_tracing_count() for graph in graphs] == [1]


def swapped(boxes, labels, **sizes):
    return lesson(boxes[..., [1, 0, 3, 2]], labels, **sizes)


def next_class(boxes, labels, **sizes):
    return lesson(boxes, np.where(labels >= 0, (labels + 1) % CLASSES, labels), **sizes)


FAULTS = {
    "swapped": (keras_boxes, "anchor_lesson", swapped),
    "background": (keras_boxes, "anchor_lesson", next_class),
    "alpha": (tf_losses, "ALPHA", 0.5),
    "uncounted": (tf_losses, "NEITHER", -3),
    "eps": (tf_losses, "EPS", 1e-3),
}
ONLY = {"uncounted": "retinanet", "eps": "fcos"}  # FCOS leaves out no anchor, RetinaNet compares no boxes


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_one_wing_is_seen(base_pair, monkeypatch, fault):
    kind, given = base_pair["tf"].card.family, small(3)
    sound = base_pair["torch"].gradients(given, step=3)
    monkeypatch.setattr(*FAULTS[fault])
    faulty = base_pair["tf"].gradients(given, step=3)
    seen = bool(compare(sound[2], faulty[2], bar=STEP, zero=ZERO).faults)
    assert seen == (ONLY.get(fault, kind) == kind)
