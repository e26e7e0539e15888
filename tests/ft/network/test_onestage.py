"""What a detector of one stage decides, next to torchvision's own parts, ties and edges included."""

from dataclasses import replace

import numpy as np
import pytest

from ft.backend.objective import Objective
from ft.data import Batch
from ft.metrics.boxes import area
from ft.network.boxes import onestage
from ft.network.boxes.matching import BACKGROUND, NEITHER
from ft.network.boxes.onestage import anchors_of, find, lesson, objects
from ft.noise import generator
from ft.recipe import Recipe
from ft.training.accumulation import parts_of
from ft.zoo.detector import OneStage
from ft.zoo.fcos import NUMBERS as FCOS
from ft.zoo.retinanet import BOXES
from ft.zoo.retinanet import NUMBERS as RETINANET
from tests.oracle import needs_torch, torch

IMAGE = (150, 190)  # neither side is divided by a stride
MAPS = RETINANET.maps(IMAGE)
TRUTH = np.array(
    [
        [[20, 30, 90, 100], [20, 30, 90, 100], [40, 50, 60.5, 71.25], [0, 0, 190, 150], [100, 3, 130, 9]],
        [[0] * 4] * 5,
    ],
    np.float64,
)
LABELS = np.array([[4, 1, 2, 0, 3], [-1] * 5])


def said(detector: OneStage, classes: int) -> tuple[np.ndarray, ...]:
    """Return what two pictures' anchors say, of the second little; some scores are equal, many below the least."""
    rng, count = generator(3, "said"), len(anchors_of(IMAGE, MAPS, detector))
    logits = rng.normal(-3, 2, (2, count, classes))
    logits[:, 5] = logits[:, 9]
    logits[1] -= 4
    deltas = np.maximum(rng.normal(1, 0.5, (2, count, 4)), 0)
    return logits, deltas, rng.normal(size=(2, count))


def stock(detector: OneStage) -> "torch.nn.Module":
    """Return torchvision's network around a backbone that is never run."""
    from torchvision.models.detection import FCOS as StockFCOS
    from torchvision.models.detection import RetinaNet

    backbone = torch.nn.Identity()
    backbone.out_channels = 32
    return (StockFCOS if detector.middles else RetinaNet)(backbone, 5).eval()


@needs_torch
@pytest.mark.parametrize("detector", [RETINANET, FCOS], ids=["retinanet", "fcos"])
def test_found_as_torchvision_finds(detector):
    logits, deltas, middles = said(detector, 5)
    ours = find(logits, deltas, *([middles] if detector.middles else []), image=IMAGE, maps=MAPS, detector=detector)
    counts = [height * width * detector.anchors for height, width in MAPS]
    outputs = {"cls_logits": logits, "bbox_regression": deltas, "bbox_ctrness": middles[..., None]}
    split = {name: list(torch.from_numpy(x).split(counts, 1)) for name, x in outputs.items()}
    anchors = list(torch.from_numpy(anchors_of(IMAGE, MAPS, detector).copy()).split(counts))
    for place, own in enumerate(stock(detector).postprocess_detections(split, [anchors] * 2, [IMAGE] * 2)):
        count = len(own["scores"])
        assert count == detector.detections if place == 0 else 10 < count < detector.detections
        np.testing.assert_array_equal(ours.classes[place, :count], own["labels"].numpy())
        np.testing.assert_allclose(ours.scores[place, :count], own["scores"].numpy(), rtol=1e-14)
        np.testing.assert_allclose(ours.boxes[place, :count], own["boxes"].numpy(), rtol=0, atol=1e-12)


def test_nothing_is_found_in_silence():
    logits, deltas, _ = said(RETINANET, 5)
    found = find(np.full_like(logits, -20), deltas, image=IMAGE, maps=MAPS, detector=RETINANET)
    assert (found.classes == -1).all()
    assert found.boxes.shape == (2, 300, 4)


def test_an_anchor_of_two_objects_learns_the_first():
    found = lesson(TRUTH, LABELS, image=IMAGE, maps=MAPS, detector=RETINANET)
    assert sorted(set(found.classes[0])) == [NEITHER, BACKGROUND, 0, 2, 3, 4]
    assert (found.classes[1] == BACKGROUND).all()
    assert len(found.boxes) == (found.classes >= 0).sum()
    np.testing.assert_array_equal(found.places, np.flatnonzero(found.classes[0] >= 0))
    compared = lesson(TRUTH, LABELS, image=IMAGE, maps=MAPS, detector=BOXES)
    assert {tuple(box) for box in compared.boxes} == {tuple(box) for box in TRUTH[0]}


@needs_torch
def test_places_learn_as_torchvision_has_them():
    """Its own matching, up to where it hands its head the number of each place's object."""
    network, taken = stock(FCOS), []
    network.head.compute_loss = lambda targets, outputs, anchors, matched: taken.extend(matched)
    anchors = torch.from_numpy(anchors_of(IMAGE, MAPS, FCOS).copy())
    boxes = [{"boxes": torch.from_numpy(b[k >= 0])} for b, k in zip(TRUTH, LABELS, strict=True)]
    network.compute_loss(boxes, {}, [anchors] * 2, [height * width for height, width in MAPS])
    found = lesson(TRUTH, LABELS, image=IMAGE, maps=MAPS, detector=FCOS)
    for classes, matched, own in zip(found.classes, taken, LABELS, strict=True):
        np.testing.assert_array_equal(classes, np.where(matched.numpy() >= 0, own[matched.numpy()], BACKGROUND))
    assert {0, 2, 4} <= set(found.classes[0])
    assert ((found.middles > 0) & (found.middles <= 1)).all()


def test_a_sum_is_divided_by_the_objects_of_the_whole_batch():
    batch = Batch.of(np.zeros((2, *IMAGE, 3)), boxes=TRUTH, box_labels=LABELS)
    counted = objects(TRUTH, LABELS, image=IMAGE, detector=FCOS)
    assert counted[0] > 1
    assert counted[1] == 0
    objective = Objective("detection", "fcos", detector=FCOS)
    whole = parts_of(batch, Recipe(), objective)
    assert [part.share for part in whole] == [1 / counted[0]]
    halves = parts_of(batch, Recipe(batch_size=1, accumulate=2), objective)
    assert [part.share for part in halves] == [1 / counted[0]] * 2
    assert parts_of(batch, Recipe(), Objective("detection", "retinanet", detector=RETINANET))[0].share == 1


FOUND, LEARNT = test_found_as_torchvision_finds, test_places_learn_as_torchvision_has_them
FAULTS = [
    (RETINANET, {"score": 0.15}, FOUND),
    (RETINANET, {"candidates": 300}, FOUND),
    (RETINANET, {"nms": 0.6}, FOUND),
    (RETINANET, {"weights": (10.0, 10.0, 5.0, 5.0)}, FOUND),
    (FCOS, {"nms": 0.3}, FOUND),
    (FCOS, {"kind": "retinanet"}, FOUND),
    (FCOS, {"radius": 1.0}, LEARNT),
    (FCOS, {"sizes": FCOS.sizes[:4]}, LEARNT),
]


@needs_torch
@pytest.mark.parametrize(("detector", "fields", "check"), FAULTS, ids=lambda value: str(value)[:30])
def test_another_number_is_seen(monkeypatch, detector, fields, check):
    changed = replace(detector, **fields)
    monkeypatch.setitem(globals(), "FCOS", changed)
    with pytest.raises((AssertionError, ValueError, RuntimeError)):
        check(changed) if check is FOUND else check()


@needs_torch
def test_the_largest_object_is_seen(monkeypatch):
    monkeypatch.setattr(onestage, "area", lambda boxes: -area(boxes))
    with pytest.raises(AssertionError):
        LEARNT()
