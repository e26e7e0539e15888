"""What a training step learns from: anchors and proposals, drawn, each with what it is to say.

Source: torchvision/models/detection/{rpn,roi_heads}.py.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ft.metrics.boxes import iou
from ft.network.boxes.anchors import Shape, grid_anchors
from ft.network.boxes.coding import encode
from ft.network.boxes.levels import levels
from ft.network.boxes.matching import BACKGROUND, NEITHER, match
from ft.network.boxes.proposals import Proposals, propose
from ft.network.boxes.sampling import picture_key, sample
from ft.network.boxes.sizes import Sizes, largest
from ft.zoo.detector import Detector, Four

RPN, ROI = 0, 1  # purposes of the draws


class Lesson(NamedTuple):
    """S anchors and K boxes of a whole batch, float64 but for int64 numbers.

    anchors: places (S,) in the anchors of all pictures, one picture after the other; objects (S,): 1 where there is
    one; anchor_boxes (S, 4): what to say of it, 0 where there is none. rois (K, 4): boxes; pictures, maps (K,): which
    they are cut out of; classes (K,): 0 for background; roi_boxes (K, 4): what to say of them; matched (K,): the row of
    its object among its picture's boxes, -1 for background.
    """

    anchors: np.ndarray
    objects: np.ndarray
    anchor_boxes: np.ndarray
    rois: np.ndarray
    pictures: np.ndarray
    maps: np.ndarray
    classes: np.ndarray
    roi_boxes: np.ndarray
    matched: np.ndarray


def lesson(
    objectness: np.ndarray,
    deltas: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    *,
    image: Shape,
    maps: Sequence[Shape],
    detector: Detector,
    clock: tuple[int, int, int],
    sizes: Sizes = None,
) -> Lesson:
    """Return what a step learns from. boxes (N, M, 4), labels (N, M): the pictures' own, -1 where there is no box.

    objectness, deltas: see `propose`; clock: the layer's key, the step, the position of the first picture.
    """
    key, step, first = (int(part) for part in clock)
    anchors = grid_anchors(image, tuple(maps), detector.sizes, detector.ratios)
    rows = propose(objectness, deltas, image=image, maps=maps, detector=detector, training=True, sizes=sizes)
    early, late = [], []
    for place, proposals in enumerate(rows):
        own = labels[place] >= 0
        truth, classes = boxes[place][own].astype(np.float64), labels[place][own] + 1
        keys = [picture_key(key, step, purpose, first + place) for purpose in (RPN, ROI)]
        early.append(anchor_lesson(anchors, truth, keys[RPN], detector))
        *drawn, objects_of = roi_lesson(with_truth(proposals, truth, len(anchors)), truth, classes, keys[ROI], detector)
        late.append((*drawn, np.append(np.flatnonzero(own), BACKGROUND)[objects_of]))
    chosen, objects, anchor_boxes = zip(*early, strict=True)
    rois, numbers, roi_boxes, matched = zip(*late, strict=True)
    return Lesson(
        anchors=np.concatenate([len(anchors) * place + own for place, own in enumerate(chosen)]),
        objects=np.concatenate(objects),
        anchor_boxes=np.concatenate(anchor_boxes),
        **cut_out(rois, image=image, maps=maps, detector=detector, sizes=sizes),
        classes=np.concatenate(numbers),
        roi_boxes=np.concatenate(roi_boxes),
        matched=np.concatenate(matched),
    )


def cut_out(
    rows: Sequence[np.ndarray], *, image: Shape, maps: Sequence[Shape], detector: Detector, sizes: Sizes = None
) -> dict[str, np.ndarray]:
    """Return the boxes of all pictures as `Lesson` has them: "rois", "pictures" and "maps"."""
    rois = np.concatenate(rows)
    return {
        "rois": rois,
        "pictures": np.repeat(np.arange(len(rows)), [len(own) for own in rows]),
        "maps": levels(rois, largest(image, sizes), maps[: detector.maps]),
    }


def with_truth(proposals: Proposals, truth: np.ndarray, first: int) -> Proposals:
    """Return proposals and the objects themselves, which are numbered from `first` on."""
    numbers = np.arange(first, first + len(truth))
    return Proposals(np.concatenate([proposals.boxes, truth]), np.concatenate([proposals.anchors, numbers]))


def anchor_lesson(
    anchors: np.ndarray, truth: np.ndarray, key: np.int64, detector: Detector
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the places of the drawn anchors of a picture, whether each is an object, and what to say of it."""
    matches = matched(anchors, truth, low=detector.rpn_low, high=detector.rpn_high, rescue=True)
    labels = np.where(matches == NEITHER, -1, matches >= 0)
    chosen = sample(labels, key, count=detector.rpn_samples, positive=detector.rpn_positive)
    wanted = said(anchors, truth, matches, chosen, detector.rpn_weights)
    return chosen, (matches[chosen] >= 0).astype(np.float64), wanted


def roi_lesson(
    proposals: Proposals, truth: np.ndarray, classes: np.ndarray, key: np.int64, detector: Detector
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the drawn proposals of a picture, the class of each, 0 for background, what to say of it, and the number
    of its object, -1 for background.
    """
    boxes = proposals.boxes
    matches = matched(boxes, truth, low=detector.roi_low, high=detector.roi_high)
    own = np.append(classes, 0)[np.where(matches >= 0, matches, len(classes))]
    labels, share = np.where(matches == NEITHER, -1, own), detector.roi_positive
    chosen = sample(labels, key, count=detector.roi_samples, positive=share, numbers=proposals.anchors)
    objects = np.where(matches[chosen] >= 0, matches[chosen], BACKGROUND)
    return boxes[chosen], own[chosen], said(boxes, truth, matches, chosen, detector.roi_weights), objects


def matched(boxes: np.ndarray, truth: np.ndarray, *, low: float, high: float, rescue: bool = False) -> np.ndarray:
    """Return `match` of boxes with the objects of a picture; without any, all is background."""
    if not len(truth):
        return np.full(len(boxes), BACKGROUND)
    return match(iou(truth, boxes), low=low, high=high, rescue=rescue)


def said(boxes: np.ndarray, truth: np.ndarray, matches: np.ndarray, chosen: np.ndarray, weights: Four) -> np.ndarray:
    """Return what to say of the chosen boxes (K, 4), 0 of those that are no object."""
    wanted = np.zeros((len(chosen), 4))
    objects = np.flatnonzero(matches[chosen] >= 0)
    own = chosen[objects]
    if len(own):
        wanted[objects] = encode(truth[matches[own]], boxes[own], weights)
    return wanted
