"""What a detector of one stage decides: what each anchor is to say, and what is found by what all of them say.

Source: torchvision/models/detection/{retinanet,fcos,ssd}.py. What anchors are to say depends on no output of the
network.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ft.metrics.boxes import area, iou
from ft.network.boxes.anchors import Shape, counts, grid_anchors
from ft.network.boxes.coding import clip, decode, encode
from ft.network.boxes.defaults import default_boxes
from ft.network.boxes.detections import Found, filled
from ft.network.boxes.matching import BACKGROUND, NEITHER, match_each
from ft.network.boxes.proposals import sigmoid
from ft.network.boxes.sizes import Sizes, size_of
from ft.network.boxes.ssd import of_classes
from ft.network.boxes.suppression import best_first, suppress
from ft.network.boxes.training import matched
from ft.zoo.detector import DefaultBoxes, OneStage

MARGIN = 1e-3  # of logits: below the least that counts by this much none need be looked at


class Lesson(NamedTuple):
    """What N pictures with A anchors each are to say; F anchors are of objects. float64 but for int64 numbers.

    classes (N, A): -1 for background, -2 for what does not count; places (F,): in the anchors of all pictures, one
    picture after the other; anchor_corners (F, 4): these; boxes (F, 4): what to say of them, or the objects where boxes
    are compared; middles (F,): how near each is to the middle of its object, from 0 to 1, where the network says that.
    """

    classes: np.ndarray
    places: np.ndarray
    anchor_corners: np.ndarray
    boxes: np.ndarray
    middles: np.ndarray


def lesson(boxes: np.ndarray, labels: np.ndarray, *, image: Shape, maps: Sequence[Shape], detector: OneStage) -> Lesson:
    """Return what a step learns from. boxes (N, M, 4), labels (N, M): the pictures' own, -1 where there is no box."""
    anchors = anchors_of(image, maps, detector)
    classes, places, own, truths = [], [], [], []
    for place, (corners, numbers) in enumerate(zip(boxes, labels, strict=True)):
        there = numbers >= 0
        truth = corners[there].astype(np.float64)
        matches = MATCHING[detector.kind](anchors, truth, maps, detector)
        found = np.flatnonzero(matches >= 0)
        classes.append(np.append(numbers[there], [NEITHER, BACKGROUND])[matches])
        places.append(len(anchors) * place + found)
        own.append(anchors[found])
        truths.append(truth[matches[found]])
    chosen, theirs = np.concatenate(own), np.concatenate(truths)
    return Lesson(
        classes=np.stack(classes).astype(np.int64),
        places=np.concatenate(places),
        anchor_corners=chosen,
        boxes=theirs if detector.giou else encode(theirs, chosen, detector.weights),
        middles=nearness(chosen, theirs) if detector.middles else np.zeros(len(chosen)),
    )


def objects(boxes: np.ndarray, labels: np.ndarray, *, image: Shape, detector: OneStage) -> np.ndarray:
    """Return how many anchors of each picture are of objects (N,). boxes, labels: see `lesson`."""
    found = lesson(boxes, labels, image=image, maps=detector.maps(image), detector=detector)
    return (found.classes >= 0).sum(1).astype(np.float64)


def anchors_of(image: Shape, maps: Sequence[Shape], detector: OneStage) -> np.ndarray:
    """Return the anchors (A, 4) of all maps."""
    if isinstance(detector, DefaultBoxes):
        return default_boxes(image, tuple(maps), detector.scales, detector.shapes, detector.steps)
    return grid_anchors(image, tuple(maps), detector.sizes, detector.ratios)


def by_overlap(anchors: np.ndarray, truth: np.ndarray, maps: Sequence[Shape], detector: OneStage) -> np.ndarray:
    """Return the number of the object that each anchor overlaps (A,), see `match`; the best of an object always do."""
    return matched(anchors, truth, low=detector.low, high=detector.high, rescue=True)


def by_middle(anchors: np.ndarray, truth: np.ndarray, maps: Sequence[Shape], detector: OneStage) -> np.ndarray:
    """Return the number of the object in which each anchor's middle lies (A,), of several the smallest.

    Near its middle, and if the object is of the size that is the map's: its farthest side 4 to 8 anchors away, in the
    first map also nearer, in the last also farther.
    """
    if not len(truth):
        return np.full(len(anchors), BACKGROUND)
    sizes, ends = anchors[:, 2] - anchors[:, 0], np.cumsum(counts(maps, detector.anchors))
    points, middles = ((own[:, :2] + own[:, 2:]) / 2 for own in (anchors, truth))
    near = np.abs(points[:, None] - middles[None]).max(2) < detector.radius * sizes[:, None]
    sides = np.concatenate([points[:, None] - truth[None, :, :2], truth[None, :, 2:] - points[:, None]], 2)
    least, most, farthest = sizes * 4, sizes * 8, sides.max(2)
    least[: ends[0]], most[ends[-2] if len(ends) > 1 else 0 :] = 0, np.inf
    fits = near & (sides.min(2) > 0) & (farthest > least[:, None]) & (farthest < most[:, None])
    areas = np.where(fits, area(truth)[None], np.inf)
    return np.where(fits.any(1), areas.argmin(1), BACKGROUND)


def by_best(anchors: np.ndarray, truth: np.ndarray, maps: Sequence[Shape], detector: OneStage) -> np.ndarray:
    """Return the number of the object that each anchor overlaps (A,), see `match_each`."""
    return match_each(iou(truth, anchors), low=detector.low) if len(truth) else np.full(len(anchors), BACKGROUND)


MATCHING: Mapping[str, Callable[..., np.ndarray]] = {"retinanet": by_overlap, "fcos": by_middle, "ssd": by_best}


def nearness(anchors: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return how near anchors are to the middles of their objects (F,): the root of what sides have of their equals."""
    points = (anchors[:, :2] + anchors[:, 2:]) / 2
    sides = np.stack([points - truth[:, :2], truth[:, 2:] - points])
    return np.sqrt((sides.min(0) / sides.max(0)).prod(1))


def find(
    logits: np.ndarray,
    said: np.ndarray,
    middles: np.ndarray | None = None,
    *,
    image: Shape,
    maps: Sequence[Shape],
    detector: OneStage,
    sizes: Sizes = None,
) -> Found:
    """Return what is found. logits (N, A, C), said (N, A, 4), middles (N, A): of the anchors.

    image: height and width of what the network is given; sizes: of the pictures in that.
    """
    anchors = anchors_of(image, maps, detector)
    if isinstance(detector, DefaultBoxes):
        rows = [of_classes(*own, anchors, image, detector) for own in zip(logits, said, strict=True)]
        return filled(rows, detector.detections)
    ends = np.cumsum(counts(maps, detector.anchors))
    pictures = zip(logits, said, [None] * len(said) if middles is None else middles, strict=True)
    rows = [
        in_picture(*own, anchors, ends, size_of(place, image, sizes), detector) for place, own in enumerate(pictures)
    ]
    return filled(rows, detector.detections)


def in_picture(
    logits: np.ndarray,
    said: np.ndarray,
    middles: np.ndarray | None,
    anchors: np.ndarray,
    ends: np.ndarray,
    image: Shape,
    detector: OneStage,
) -> Found:
    """Return what is found in one picture: every class of every anchor is a candidate."""
    rows, columns, scores = [], [], []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        anchor, kind, score = candidates(logits[start:end], None if middles is None else middles[start:end], detector)
        best = best_first(score, detector.candidates)
        rows.append(start + anchor[best])
        columns.append(kind[best])
        scores.append(score[best])
    row, column, score = (np.concatenate(parts) for parts in (rows, columns, scores))
    boxes = clip(DECODING[detector.kind](said[row].astype(np.float64), anchors[row], detector.weights), image)
    own = suppress(boxes, score, column, detector.nms)[: detector.detections]
    return Found(boxes[own], score[own], column[own])


def candidates(logits: np.ndarray, middles: np.ndarray | None, detector: OneStage) -> tuple[np.ndarray, ...]:
    """Return anchors, classes and scores of what may be found in a map, in the order of the anchors.

    A score is the class's alone, or the root of it times how near the anchor is said to be to the middle.
    """
    least = detector.score if middles is None else detector.score**2
    anchor, kind = np.nonzero(logits > np.log(least / (1 - least)) - MARGIN)
    scores = sigmoid(logits[anchor, kind])
    if middles is not None:
        scores = np.sqrt(scores * sigmoid(middles[anchor]))
    keep = scores > detector.score
    return anchor[keep], kind[keep], scores[keep]


def from_sides(said: np.ndarray, own: np.ndarray, weights: object) -> np.ndarray:
    """Return boxes (N, 4) by how far their sides are from the middles of anchors, in the anchors' own sizes."""
    middle, sides = 0.5 * (own[:, :2] + own[:, 2:]), own[:, 2:] - own[:, :2]
    return np.concatenate([middle - said[:, :2] * sides, middle + said[:, 2:] * sides], axis=1)


DECODING: Mapping[str, Callable[..., np.ndarray]] = {"retinanet": decode, "fcos": from_sides}
