"""What a detector finds in a picture: boxes, each with a class and a score, best first.

Source: torchvision/models/detection/roi_heads.py, postprocess_detections.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ft.network.boxes.anchors import Shape
from ft.network.boxes.coding import clip, decode, large
from ft.network.boxes.sizes import Sizes, size_of
from ft.network.boxes.suppression import suppress
from ft.zoo.detector import Detector

NOTHING = -1  # the class behind the last box


class Found(NamedTuple):
    """boxes (N, D, 4), scores (N, D), float64, 0 behind the last; classes (N, D) int64, -1 there."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


def detect(
    logits: np.ndarray,
    said: np.ndarray,
    rois: np.ndarray,
    pictures: np.ndarray,
    *,
    count: int,
    image: Shape,
    detector: Detector,
    sizes: Sizes = None,
) -> Found:
    """Return what is found in `count` pictures. logits (K, C + 1), class 0 for background; said (K, 4 * (C + 1)).

    image: height and width of what the network is given; sizes: of the pictures in that.
    """
    probabilities = softmax(logits)[:, 1:]
    boxes = decode(said.reshape(len(said), logits.shape[1], 4)[:, 1:].astype(np.float64), rois, detector.roi_weights)
    found = []
    for place in range(count):
        rows = pictures == place
        whole = clip(boxes[rows], size_of(place, image, sizes))
        found.append(of_picture(whole, probabilities[rows], detector))
    return filled(found, detector.detections)


def filled(rows: Sequence[Found], size: int) -> Found:
    """Return what is found in each picture as arrays of `size` rows a picture."""
    shape = (len(rows), size)
    detections = Found(np.zeros((*shape, 4)), np.zeros(shape), np.full(shape, NOTHING, np.int64))
    for place, own in enumerate(rows):
        for whole, part in zip(detections, own, strict=True):
            whole[place, : len(part)] = part
    return detections


def of_picture(boxes: np.ndarray, scores: np.ndarray, detector: Detector) -> Found:
    """Return what is found in one picture: every class of every box (K, C, 4) is a candidate with its score (K, C)."""
    row, column = np.nonzero(scores > detector.score)
    keep = large(boxes[row, column], detector.min_size)
    row, column = row[keep], column[keep]
    own = suppress(boxes[row, column], scores[row, column], column, detector.nms)[: detector.detections]
    return Found(boxes[row, column][own], scores[row, column][own], column[own])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities (K, C) in float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True, initial=-np.inf))
    return powers / powers.sum(1, keepdims=True)
