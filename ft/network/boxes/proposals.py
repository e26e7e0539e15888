"""Boxes that may hold an object: the best anchors of every map, as the network moves them.

Source: torchvision/models/detection/rpn.py, filter_proposals.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ft.network.boxes.anchors import Shape, counts, grid_anchors
from ft.network.boxes.coding import clip, decode, large
from ft.network.boxes.sizes import Sizes, size_of
from ft.network.boxes.suppression import best_first, suppress
from ft.zoo.detector import Detector


class Proposals(NamedTuple):
    """Proposals of a picture, best first: boxes (P, 4), float64, and the numbers (P,) of the anchors they were."""

    boxes: np.ndarray
    anchors: np.ndarray


def propose(
    objectness: np.ndarray,
    deltas: np.ndarray,
    *,
    image: Shape,
    maps: Sequence[Shape],
    detector: Detector,
    training: bool,
    sizes: Sizes = None,
) -> list[Proposals]:
    """Return the proposals of each picture.

    objectness (N, A), deltas (N, A, 4): of the anchors of all maps. image: height and width of what the network is
    given; sizes: of the pictures in that.
    """
    anchors = grid_anchors(image, tuple(maps), detector.sizes, detector.ratios)
    ends = np.cumsum(counts(maps, detector.anchors))
    before, after = ((pair[0] if training else pair[1]) for pair in (detector.rpn_before, detector.rpn_after))
    proposals = []
    for place, (scores, said) in enumerate(zip(objectness, deltas, strict=True)):
        own = size_of(place, image, sizes)
        places, level = best_of_maps(scores, ends, before)
        boxes = clip(decode(said[places].astype(np.float64), anchors[places], detector.rpn_weights), own)
        keep = large(boxes, detector.rpn_min_size) & (sigmoid(scores[places]) >= detector.rpn_score)
        boxes, places, level = boxes[keep], places[keep], level[keep]
        best = suppress(boxes, scores[places], level, detector.rpn_nms)[:after]
        proposals.append(Proposals(boxes[best], places[best]))
    return proposals


def best_of_maps(scores: np.ndarray, ends: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the best anchors of each map, and the map's number. ends: where each map's anchors end."""
    starts = [0, *ends[:-1]]
    chosen = [start + best_first(scores[start:end], count) for start, end in zip(starts, ends, strict=True)]
    return np.concatenate(chosen), np.repeat(np.arange(len(chosen)), [len(places) for places in chosen])


def sigmoid(scores: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) in float64."""
    with np.errstate(over="ignore"):  # far below 0 it is 0
        return 1 / (1 + np.exp(-scores.astype(np.float64)))
