"""What a detector of one stage finds, by the rules of ft/network/boxes, in the graph itself: see native.py."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from ft.network.boxes.anchors import Shape, counts
from ft.network.boxes.onestage import anchors_of
from ft.zoo.detector import DefaultBoxes, Four, OneStage
from ft_tf.layers.base import sizes
from ft_tf.layers.native import (
    Maps,
    at_places,
    best_first,
    best_of_maps,
    best_of_pictures,
    clip,
    decode,
    suppressed,
)


def find(
    logits: tf.Tensor,
    said: tf.Tensor,
    middles: tf.Tensor | None = None,
    *,
    image: Shape,
    maps: Sequence[Shape],
    detector: OneStage,
) -> Maps:
    """Return what is found, see `Found`. logits (N, A, C), said (N, A, 4), middles (N, A): of the anchors."""
    anchors = tf.constant(anchors_of(image, maps, detector), said.dtype)
    if isinstance(detector, DefaultBoxes):
        return by_class(logits, clip(decode(said, anchors, detector.weights), image), detector)
    scores, classes = tf.sigmoid(logits), sizes(logits)[2]
    if middles is not None:
        scores = tf.sqrt(scores * tf.sigmoid(middles)[..., None])
    flat, by_anchor = tf.reshape(scores, [-1, len(anchors) * classes]), counts(maps, detector.anchors) * classes
    places, _ = best_of_maps(flat, by_anchor.tolist(), detector.candidates)
    own, anchor, kind = at_places(flat, places), tf.math.floordiv(places, classes), tf.math.floormod(places, classes)
    boxes = clip(DECODING[detector.kind](at_places(said, anchor), tf.gather(anchors, anchor), detector.weights), image)
    there = (own > detector.score)[:, None] & (kind[:, None] == np.arange(classes)[:, None])
    kept = tf.reduce_any(suppressed(boxes, tf.repeat(own[:, None], classes, axis=1), there, detector.nms), 1)
    return best_of_pictures(boxes, own, kept, kind, size=detector.detections)


def by_class(logits: tf.Tensor, boxes: tf.Tensor, detector: DefaultBoxes) -> Maps:
    """Return what is found where class 0 is background, and each class has its candidates."""
    scores, (anchors, classes) = tf.nn.softmax(logits)[..., 1:], (sizes(boxes)[1], sizes(logits)[2] - 1)
    flat = tf.reshape(tf.transpose(scores, [0, 2, 1]), [-1, anchors])
    places = best_first(flat, flat > detector.score, detector.candidates)
    own, boxes = at_places(flat, places), at_places(tf.repeat(boxes, classes, axis=0), places)
    kept = suppressed(boxes, own[:, None], (own > detector.score)[:, None], detector.nms)
    each = sizes(places)[1]
    kind = tf.constant(np.repeat(np.arange(classes), each))
    boxes, own, kept = (tf.reshape(x, [-1, classes * each, *x.shape[2:]]) for x in (boxes, own, kept[:, 0]))
    return best_of_pictures(boxes, own, kept, kind, size=detector.detections)


def from_sides(said: tf.Tensor, own: tf.Tensor, weights: Four) -> tf.Tensor:
    """Return boxes (..., 4) by how far their sides are from the middles of anchors, in the anchors' own sizes."""
    middle, sides = 0.5 * (own[..., :2] + own[..., 2:]), own[..., 2:] - own[..., :2]
    return tf.concat([middle - said[..., :2] * sides, middle + said[..., 2:] * sides], -1)


DECODING: dict[str, Callable[[tf.Tensor, tf.Tensor, Four], tf.Tensor]] = {"retinanet": decode, "fcos": from_sides}
