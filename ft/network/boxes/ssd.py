"""What SSD decides by what it says: which boxes of background a step learns from, and what is found.

Source: torchvision/models/detection/ssd.py.
"""

import numpy as np

from ft.network.boxes.anchors import Shape
from ft.network.boxes.coding import clip, decode
from ft.network.boxes.detections import Found, softmax
from ft.network.boxes.suppression import best_first, suppress
from ft.zoo.detector import DefaultBoxes


def shares(losses: np.ndarray, classes: np.ndarray, ratio: float) -> np.ndarray:
    """Return how often the loss of the class of each box counts (N, A).

    losses, classes (N, A): below 0 is background. Boxes of objects count once, and so do, for each of them in the
    picture, `ratio` of the background that have the largest losses, of equal ones the first. Where there is less
    background than that, boxes of objects fill it up in their order and count twice, as they do in torchvision.
    """
    objects = classes >= 0
    counted = objects.astype(np.float64)
    for own, hard, found in zip(counted, np.where(objects, -np.inf, losses), objects.sum(1), strict=True):
        own[best_first(hard, int(ratio * found))] += 1
    return counted


def of_classes(
    logits: np.ndarray, said: np.ndarray, anchors: np.ndarray, image: Shape, detector: DefaultBoxes
) -> Found:
    """Return what is found in one picture by logits (A, C + 1), class 0 for background, and what is said (A, 4)."""
    scores = softmax(logits)[:, 1:]
    row, column = best_of_classes(scores, detector.score, detector.candidates)
    boxes = clip(decode(said[row].astype(np.float64), anchors[row], detector.weights), image)
    own = suppress(boxes, scores[row, column], column, detector.nms)[: detector.detections]
    return Found(boxes[own], scores[row, column][own], column[own])


def best_of_classes(scores: np.ndarray, least: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes and classes of the largest scores (A, C) above the least one, class by class, so many of each."""
    rows = []
    for own in scores.T:
        places = np.flatnonzero(own > least)
        rows.append(places[best_first(own[places], count)])
    return np.concatenate(rows), np.repeat(np.arange(len(rows)), [len(own) for own in rows])
