"""What a detector decides about boxes, next to torchvision's own parts: the same bits where nothing is computed."""

import numpy as np
import pytest

from ft.network.boxes.anchors import cell_anchors, grid_anchors
from ft.network.boxes.coding import decode, encode
from ft.network.boxes.detections import detect
from ft.network.boxes.levels import levels, scales
from ft.network.boxes.matching import match
from ft.network.boxes.proposals import propose
from ft.network.boxes.roi import matrices, points
from ft.network.boxes.sampling import picture_key, sample
from ft.network.boxes.suppression import best_first, suppress
from ft.network.boxes.training import lesson
from ft.noise import generator
from ft.zoo.detector import Detector
from tests.oracle import needs_torch, torch

IMAGE = (203, 214)
MAPS = ((51, 54), (26, 27), (13, 14), (7, 7), (4, 4))
RESNET = Detector()
MOBILENET = Detector(sizes=((32, 64, 128, 256, 512),) * 3, maps=2)


def boxes_of(seed: int, count: int, *, size: float = 200.0) -> np.ndarray:
    """Return boxes (count, 4) of all sizes inside of a square."""
    rng = generator(seed, "boxes")
    corner = rng.uniform(0, size * 0.8, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(0.5, 1, (count, 2)) * (size - corner)], 1)


def tensor(array: np.ndarray):
    return torch.from_numpy(np.ascontiguousarray(array))


@needs_torch
@pytest.mark.parametrize("detector", [RESNET, MOBILENET], ids=["resnet", "mobilenet"])
def test_anchors(detector):
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.image_list import ImageList

    maps = MAPS[: len(detector.sizes)]
    stock = AnchorGenerator(detector.sizes, (detector.ratios,) * len(maps))
    images = ImageList(torch.zeros(1, 3, *IMAGE), [IMAGE])
    (theirs,) = stock(images, [torch.zeros(1, 2, *shape, dtype=torch.float64) for shape in maps])
    np.testing.assert_array_equal(grid_anchors(IMAGE, maps, detector.sizes, detector.ratios), theirs.numpy())
    assert stock.num_anchors_per_location() == [detector.anchors] * len(maps)


def test_float32_ratios_are_rounded():
    """2 ** 0.5 * 32 / 2 is 22.6 and 0.5 ** 0.5 * 32 / 2 is 11.3; 90.5097 rounds to 91, 45.2548 to 45."""
    np.testing.assert_array_equal(cell_anchors((32,), (0.5, 2.0)), [[-23, -11, 23, 11], [-11, -23, 11, 23]])
    np.testing.assert_array_equal(cell_anchors((1, 3), (1.0,)), [[0, 0, 0, 0], [-2, -2, 2, 2]])  # halves to even


@needs_torch
@pytest.mark.parametrize("weights", [RESNET.rpn_weights, RESNET.roi_weights])
def test_coding(weights):
    from torchvision.models.detection._utils import BoxCoder

    own, wanted = boxes_of(0, 40), boxes_of(1, 40)
    stock = BoxCoder(weights)
    theirs = stock.encode_single(tensor(wanted), tensor(own)).numpy()
    np.testing.assert_allclose(encode(wanted, own, weights), theirs, rtol=1e-14, atol=1e-14)
    said = generator(2, "said").normal(size=(40, 7, 4)) * 30  # sides that would grow beyond all bounds
    theirs = stock.decode(tensor(said.reshape(40, -1)), [tensor(own)]).numpy()
    np.testing.assert_allclose(decode(said, own, weights), theirs, rtol=1e-14, atol=1e-11)
    assert (said[..., 2:] / np.array(weights)[2:]).max() > 4.14
    np.testing.assert_allclose(decode(encode(wanted, own, weights), own, weights), wanted, rtol=1e-13)


@needs_torch
@pytest.mark.parametrize(("low", "high", "rescue"), [(0.3, 0.7, True), (0.5, 0.5, False)])
def test_matching(low, high, rescue):
    """With equal overlaps and with an object that nothing overlaps, which then matches everything."""
    from torchvision.models.detection._utils import Matcher

    overlaps = generator(0, "overlaps").uniform(size=(6, 90)).round(1)
    overlaps[3] *= 0.2
    overlaps[:, 7] = overlaps[:, 8]
    for table in (overlaps, np.concatenate([overlaps, np.zeros((1, 90))])):
        theirs = Matcher(high, low, allow_low_quality_matches=rescue)(tensor(table)).numpy()
        np.testing.assert_array_equal(match(table, low=low, high=high, rescue=rescue), theirs)


def test_samples():
    labels = np.array([-1, 0, 2, 0, 1, 3, -1, *[0] * 9])
    drawn = sample(labels, picture_key(5, 1, 0, 3), count=8, positive=0.25)
    assert np.bincount(labels[drawn]).tolist()[0] == 6
    assert (labels[drawn[:2]] > 0).all()
    assert (labels[drawn] >= 0).all()
    assert sample(labels, picture_key(5, 1, 0, 3), count=8, positive=0.25).tolist() == drawn.tolist()
    all_of_them = sample(labels, picture_key(5, 1, 0, 3), count=100, positive=0.5)
    assert sorted(all_of_them.tolist()) == np.flatnonzero(labels >= 0).tolist()


def test_samples_follow_step_purpose_position_and_no_other_box():
    labels = np.zeros(400, np.int64)
    drawn = [
        tuple(sample(labels, picture_key(*key), count=20, positive=0.5))
        for key in ((5, 1, 0, 3), (6, 1, 0, 3), (5, 2, 0, 3), (5, 1, 1, 3), (5, 1, 0, 4))
    ]
    assert len(set(drawn)) == 5
    left = np.delete(np.arange(400), [drawn[0][0], 7 if 7 not in drawn[0] else 8])
    fewer = left[sample(labels[left], picture_key(5, 1, 0, 3), count=19, positive=0.5, numbers=left)]
    assert set(fewer) == set(drawn[0][1:])  # of what is left the same ones
    shares = np.mean(
        [np.isin(np.arange(400), sample(labels, picture_key(5, s, 0, 0), count=100, positive=0)) for s in range(200)], 0
    )
    assert abs(shares - 0.25).max() < 0.15  # every box is drawn as often


def test_best_first_has_a_total_order():
    scores = np.array([1.0, 3, 2, 3, 1, 3, 0, np.nan])
    assert best_first(scores).tolist() == [1, 3, 5, 2, 0, 4, 6, 7]
    assert [best_first(scores, k).tolist() for k in (2, 4, 5)] == [[1, 3], [1, 3, 5, 2], [1, 3, 5, 2, 0]]
    assert best_first(scores, 0).tolist() == []


@needs_torch
@pytest.mark.parametrize("count", [0, 1, 300, 1500])
def test_suppression(count):
    """On both sides of the 4000 numbers from which on torchvision computes otherwise; scores that are all different."""
    from torchvision.ops import batched_nms

    boxes, groups = boxes_of(3, count), generator(3, "groups").integers(0, 3, count)
    scores = generator(3, "scores").permutation(count).astype(np.float64)
    theirs = batched_nms(tensor(boxes), tensor(scores), tensor(groups), 0.7).numpy()
    np.testing.assert_array_equal(suppress(boxes, scores, groups, 0.7), theirs)
    assert count < 2 or len(theirs) < count


def test_suppression_among_equals():
    """The first of equal scores stays, and an overlap of just the threshold is none."""
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 10], [0, 0, 10, 9.0]])
    assert suppress(boxes, np.ones(4), np.zeros(4, np.int64), 0.5).tolist() == [0, 1]
    assert suppress(boxes, np.ones(4), np.array([0, 0, 1, 0]), 0.5).tolist() == [0, 1, 2]


@needs_torch
@pytest.mark.parametrize("maps", [MAPS[:4], ((7, 7), (7, 7)), ((7, 7),)])
def test_levels(maps):
    from torchvision.ops.poolers import _setup_scales

    squares = [[0, 0, side, side] for side in (30.0, 112, 224, 448)]
    boxes = np.concatenate([boxes_of(4, 200, size=900), squares])
    theirs, mapper = _setup_scales([torch.zeros(1, 1, *shape) for shape in maps], [IMAGE], 224, 4)
    assert scales(IMAGE, maps) == tuple(theirs)
    np.testing.assert_array_equal(levels(boxes, IMAGE, maps), mapper([tensor(boxes)]).numpy())
    assert len(set(levels(boxes, IMAGE, maps))) == (1 if len(maps) < 4 else 4)


@needs_torch
@pytest.mark.parametrize(("bins", "ratio"), [(7, 2), (3, 3)])
def test_roi_align(bins, ratio):
    """Two matrices a box and a product give RoIAlign: boxes over the edge, smaller than a pixel, and outside."""
    from torchvision.ops import roi_align

    maps = generator(5, "maps").normal(size=(1, 3, 13, 15))
    boxes = np.array(
        [
            [3, 4, 40, 50],
            [-30, -20, 10, 9],
            [50, 40, 300, 290],
            [8, 8, 8.5, 8.2],
            [0, 0, 60, 52],
            [400, 400, 500, 500.0],
        ]
    )
    sides = [(boxes[:, axis], boxes[:, axis + 2], np.full(6, 0.25), np.full(6, (15, 13)[axis])) for axis in (0, 1)]
    across, down = (matrices(*points(*side, bins=bins, ratio=ratio), side[3][0], bins=bins) for side in sides)
    ours = np.einsum("khy,cyx,kwx->kchw", down, maps[0], across)
    theirs = roi_align(tensor(maps), [tensor(boxes)], bins, 0.25, ratio, False).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14)
    assert abs(theirs).max(axis=(1, 2, 3)).tolist()[:5] > [0] * 5
    aligned = roi_align(tensor(maps), [tensor(boxes)], bins, 0.25, ratio, True).numpy()
    assert abs(ours - aligned).max() > 0.1


def drawn_outputs(detector: Detector, *, pictures: int = 2) -> tuple[tuple, np.ndarray, np.ndarray]:
    """Return maps, objectness and deltas as a network might give them."""
    maps = MAPS[: len(detector.sizes)]
    count = len(grid_anchors(IMAGE, maps, detector.sizes, detector.ratios))
    rng = generator(6, "outputs")
    return maps, rng.normal(size=(pictures, count)), rng.normal(size=(pictures, count, 4)) * 0.3


@needs_torch
@pytest.mark.parametrize("training", [False, True])
def test_proposals(training):
    from torchvision.models.detection.rpn import RegionProposalNetwork

    detector = Detector(rpn_before=(700, 600), rpn_after=(400, 300), rpn_score=0.3)
    maps, objectness, deltas = drawn_outputs(detector)
    before, after = ({"training": pair[0], "testing": pair[1]} for pair in (detector.rpn_before, detector.rpn_after))
    stock = RegionProposalNetwork(None, None, 0.7, 0.3, 256, 0.5, before, after, 0.7, 0.3).train(training)
    anchors = [tensor(grid_anchors(IMAGE, maps, detector.sizes, detector.ratios).copy())] * 2
    moved = stock.box_coder.decode(tensor(deltas.reshape(-1, 4)), anchors).view(2, -1, 4)
    counts = [height * width * 3 for height, width in maps]
    theirs, _ = stock.filter_proposals(moved, tensor(objectness), [IMAGE] * 2, counts)
    ours = propose(objectness, deltas, image=IMAGE, maps=maps, detector=detector, training=training)
    assert [len(own.boxes) for own in ours] == [len(boxes) for boxes in theirs]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.boxes, b.numpy(), rtol=0, atol=1e-12)
        assert len(set(a.anchors)) == len(a.anchors)


@needs_torch
def test_detections():
    from torchvision.models.detection.roi_heads import RoIHeads

    rng, detector = generator(7, "found"), Detector(score=0.1, detections=30)
    rois, pictures = boxes_of(7, 120), np.repeat([0, 2], 60)
    logits, said = rng.normal(size=(120, 5)) * 2, rng.normal(size=(120, 20))
    ours = detect(logits, said, rois, pictures, count=3, image=IMAGE, detector=detector)
    stock = RoIHeads(None, None, None, 0.5, 0.5, 512, 0.25, None, 0.1, 0.5, 30)
    parts = [tensor(rois[:60]), tensor(rois[:0]), tensor(rois[60:])]
    for place, theirs in enumerate(
        zip(*stock.postprocess_detections(tensor(logits), tensor(said), parts, [IMAGE] * 3), strict=True)
    ):
        boxes, scores, classes = (part.numpy() for part in theirs)
        count = len(boxes)
        np.testing.assert_allclose(ours.boxes[place, :count], boxes, rtol=0, atol=1e-12)
        np.testing.assert_allclose(ours.scores[place, :count], scores, rtol=1e-14)
        np.testing.assert_array_equal(ours.classes[place, :count], classes - 1)
        assert (ours.classes[place, count:] == -1).all()
        assert (ours.scores[place, count:] == 0).all()
        assert count == (0 if place == 1 else 30)


def test_lesson_of_a_picture_without_boxes():
    """It is all background, and nothing is divided by a side of 0; the last picture has the one box."""
    maps, objectness, deltas = drawn_outputs(RESNET)
    boxes = np.zeros((2, 8, 4))
    boxes[1, 0] = [20, 30, 90, 80]
    labels = np.full((2, 8), -1)
    labels[1, 0] = 6
    with np.errstate(all="raise", under="ignore"):
        found = lesson(objectness, deltas, boxes, labels, image=IMAGE, maps=maps, detector=RESNET, clock=(3, 0, 0))
    count = objectness.shape[1]
    assert found.objects[found.anchors < count].sum() == 0
    assert found.objects[found.anchors >= count].sum() > 0
    assert set(found.classes[found.pictures == 0]) == {0}
    assert set(found.classes[found.pictures == 1]) == {0, 7}
    assert (found.roi_boxes[found.classes == 0] == 0).all()
    assert len(found.anchors) == 512
    assert len(found.rois) == 1024


def test_lessons_do_not_depend_on_the_batch():
    """A picture in a batch and alone at the same position learn the same."""
    maps, objectness, deltas = drawn_outputs(RESNET)
    boxes = np.stack([boxes_of(8, 8), boxes_of(9, 8)])
    labels = np.tile(np.arange(8), (2, 1))
    options = {"image": IMAGE, "maps": maps, "detector": RESNET}
    both = lesson(objectness, deltas, boxes, labels, **options, clock=(3, 5, 4))
    alone = lesson(objectness[1:], deltas[1:], boxes[1:], labels[1:], **options, clock=(3, 5, 5))
    second = both.pictures == 1
    np.testing.assert_array_equal(both.rois[second], alone.rois)
    np.testing.assert_array_equal(both.roi_boxes[second], alone.roi_boxes)
    np.testing.assert_array_equal(
        both.anchors[both.anchors >= objectness.shape[1]] - objectness.shape[1], alone.anchors
    )
