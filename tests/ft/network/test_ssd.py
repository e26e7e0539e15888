"""What SSD decides about boxes, next to torchvision's own parts: the same bits where nothing is computed."""

from types import SimpleNamespace

import numpy as np
import pytest

from ft.network.boxes.defaults import default_boxes
from ft.network.boxes.matching import match_each
from ft.network.boxes.onestage import anchors_of, find, lesson
from ft.network.boxes.ssd import shares
from ft.noise import generator
from ft.zoo import find_card
from tests.oracle import needs_torch, torch

VGG, LITE = (find_card(name).detector for name in ("ssd300_vgg16", "ssdlite320_mobilenet_v3_large"))
BOTH = pytest.mark.parametrize("detector", [VGG, LITE], ids=["vgg", "lite"])
IMAGE = (268, 331)
CLASSES = 4


def generator_of(detector):
    from torchvision.models.detection.anchor_utils import DefaultBoxGenerator

    ratios, steps = list(map(list, detector.shapes)), list(detector.steps) if detector.steps else None
    if steps is None:
        return DefaultBoxGenerator(ratios, min_ratio=0.2, max_ratio=0.95)
    return DefaultBoxGenerator(ratios, scales=list(detector.scales), steps=steps)


@needs_torch
@BOTH
@pytest.mark.parametrize("image", [(300, 300), IMAGE, (320, 320)])
def test_default_boxes(detector, image):
    from torchvision.models.detection.image_list import ImageList

    stock, maps = generator_of(detector), detector.maps(image)
    images = ImageList(torch.zeros(1, 3, *image), [image])
    (theirs,) = stock(images, [torch.zeros(1, 1, *shape, dtype=torch.float64) for shape in maps])
    np.testing.assert_array_equal(anchors_of(image, maps, detector), theirs.numpy())
    assert detector.scales == tuple(stock.scales)
    assert detector.classes_of(stock.num_anchors_per_location()[-1] * (CLASSES + 1)) == CLASSES


def test_maps_of_published_sizes():
    assert [height for height, _ in VGG.maps((300, 300))] == [38, 19, 10, 5, 3, 1]
    assert [height for height, _ in LITE.maps((320, 320))] == [20, 10, 5, 3, 2, 1]
    least = find_card("ssd300_vgg16").min_size
    assert [VGG.maps((side, side))[-1] for side in (least, least - 1)] == [(1, 1), (0, 0)]
    assert len(default_boxes((300, 300), VGG.maps((300, 300)), VGG.scales, VGG.shapes, VGG.steps)) == 8732


@needs_torch
def test_every_object_has_its_best_box_and_the_last_of_several_wins():
    from torchvision.models.detection._utils import SSDMatcher

    overlaps = np.round(generator(0, "overlaps").random((30, 50)), 1)  # many are equal
    assert len(set(overlaps.argmax(1))) < 30
    stock = SSDMatcher(0.5)(torch.from_numpy(overlaps)).numpy()
    np.testing.assert_array_equal(match_each(overlaps, low=0.5), stock)


def truths(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (count, 5, 4) and classes; the first picture has no box, the last one has two the same."""
    rng = generator(1, "truths")
    corners = rng.uniform(0, 150, (count, 5, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(8, 120, (count, 5, 2))], -1)
    labels = rng.integers(0, CLASSES, (count, 5))
    labels[0], boxes[-1, 1] = -1, boxes[-1, 0]
    return boxes, labels


@needs_torch
@BOTH
def test_loss(detector):
    """Torchvision's losses of the same logits are those that the shares and the lesson give."""
    from torch.nn import functional as F
    from torchvision.models.detection._utils import BoxCoder, SSDMatcher
    from torchvision.models.detection.ssd import SSD
    from torchvision.ops import box_iou

    (boxes, labels), maps = truths(3), detector.maps(IMAGE)
    anchors, rng = anchors_of(IMAGE, maps, detector), generator(2, "logits")
    logits = rng.normal(size=(3, len(anchors), CLASSES + 1)).round(1)
    logits[:, ::3] = logits[:, :1]  # equal losses
    said = rng.normal(size=(3, len(anchors), 4))
    own = lesson(boxes, labels, image=IMAGE, maps=maps, detector=detector)
    wanted = torch.from_numpy(own.classes + 1).flatten()
    terms = F.cross_entropy(torch.from_numpy(logits).flatten(0, 1), wanted, reduction="none")
    counted = shares(terms.numpy().reshape(3, -1), own.classes, detector.negatives)
    assert counted.sum(1).tolist() == ((own.classes >= 0).sum(1) * (1 + detector.negatives)).tolist()

    stock = SimpleNamespace(box_coder=BoxCoder(detector.weights), neg_to_pos_ratio=detector.negatives)
    places, truth = torch.tensor(anchors), zip(torch.from_numpy(boxes), torch.from_numpy(labels), strict=True)
    targets = [{"boxes": corners[kinds >= 0], "labels": kinds[kinds >= 0] + 1} for corners, kinds in truth]
    empty = torch.full((len(anchors),), -1)
    matches = [SSDMatcher(0.5)(box_iou(own["boxes"], places)) if len(own["boxes"]) else empty for own in targets]
    heads = {"bbox_regression": torch.from_numpy(said), "cls_logits": torch.from_numpy(logits)}
    theirs = SSD.compute_loss(stock, targets, heads, [places] * 3, matches)
    total = max((own.classes >= 0).sum(), 1)
    np.testing.assert_allclose((terms.numpy() * counted.ravel()).sum() / total, theirs["classification"], rtol=1e-14)
    told = torch.from_numpy(said.reshape(-1, 4)[own.places])
    away = F.smooth_l1_loss(told, torch.from_numpy(own.boxes), reduction="sum")
    np.testing.assert_allclose(away / total, theirs["bbox_regression"], rtol=1e-14)


def test_hard_negatives_have_a_total_order():
    """Three for each object, of equal ones the first; where background is short, objects count twice."""
    losses = np.array([[1.0, 2, 2, 2, 2, 9], [5, 4, 3, 2, 1, 0], [1, 1, 1, 1, 1, 1]])
    classes = np.array([[-1, -1, -1, -1, -1, 0], [2, 1, -1, -1, 0, -1], [-1, -1, -1, -1, -1, -1]])
    counted = shares(losses, classes, 3.0)
    assert counted.tolist() == [[0, 1, 1, 1, 0, 1], [2, 2, 1, 1, 2, 1], [0, 0, 0, 0, 0, 0]]


@needs_torch
@BOTH
def test_detections(detector):
    from torchvision.models.detection._utils import BoxCoder
    from torchvision.models.detection.ssd import SSD

    maps, rng = detector.maps(IMAGE), generator(3, "detections")
    anchors = anchors_of(IMAGE, maps, detector)
    logits = rng.normal(size=(2, len(anchors), CLASSES + 1)) * 3
    said = rng.normal(size=(2, len(anchors), 4))
    found = find(logits, said, np.zeros((2, 0)), image=IMAGE, maps=maps, detector=detector)
    stock = SimpleNamespace(
        box_coder=BoxCoder(detector.weights),
        score_thresh=detector.score,
        topk_candidates=detector.candidates,
        nms_thresh=detector.nms,
        detections_per_img=detector.detections,
    )
    heads = {"bbox_regression": torch.from_numpy(said), "cls_logits": torch.from_numpy(logits)}
    for place, own in enumerate(SSD.postprocess_detections(stock, heads, [torch.tensor(anchors)] * 2, [IMAGE] * 2)):
        assert len(own["scores"]) == detector.detections
        np.testing.assert_array_equal(found.classes[place], own["labels"].numpy() - 1)
        np.testing.assert_allclose(found.boxes[place], own["boxes"].numpy(), rtol=1e-13, atol=1e-11)
        np.testing.assert_allclose(found.scores[place], own["scores"].numpy(), rtol=1e-13)
