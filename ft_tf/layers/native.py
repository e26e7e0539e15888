"""What a detector decides in inference, by the rules of ft/network/boxes, in the graph itself: for exported files.

It computes in the network's type, where the host takes float64. Every picture has equally many proposals, so that a
graph knows all sizes but the number of pictures: what fills them up is of no picture and no map, and finds nothing.
"""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import tensorflow as tf

from ft.network.boxes.anchors import Shape, counts, grid_anchors
from ft.network.boxes.coding import LARGEST
from ft.network.boxes.detections import NOTHING
from ft.network.boxes.levels import CANONICAL_LEVEL, CANONICAL_SIZE, EPS, scales
from ft.zoo.detector import Detector, Four
from ft_tf.layers.base import sizes

Maps = dict[str, tf.Tensor]
NONE = -1  # picture and map of what fills up
LEAST = -1e38  # a score of TensorFlow's non_max_suppression that takes all; it knows float32 alone


def proposals(
    objectness: tf.Tensor, deltas: tf.Tensor, *, image: Shape, maps: Sequence[Shape], detector: Detector
) -> Maps:
    """Return the proposals: "rois" (N * P, 4), "pictures" and "maps" (N * P,)."""
    each, numbers = detector.rpn_after[1], counts(maps, detector.anchors).tolist()
    anchors = tf.constant(grid_anchors(image, tuple(maps), detector.sizes, detector.ratios), objectness.dtype)
    places, level = best_of_maps(objectness, numbers, detector.rpn_before[1])
    scores, said = at_places(objectness, places), at_places(deltas, places)
    boxes = clip(decode(said, tf.gather(anchors, places), detector.rpn_weights), image)
    there = large(boxes, detector.rpn_min_size) & (tf.sigmoid(scores) >= detector.rpn_score)
    by_level = there[:, None] & (level == np.arange(len(maps))[:, None])
    kept = suppressed(boxes, tf.repeat(scores[:, None], len(maps), axis=1), by_level, detector.rpn_nms)
    there = tf.reduce_any(kept, 1)
    best = best_first(scores, there, each)
    rois, there, behind = at_places(boxes, best), at_places(there, best), [[0, 0], [0, each - sizes(best)[1]]]
    pictures = tf.range(tf.shape(rois, tf.int64)[0])[:, None]
    own = (tf.where(there, x, NONE) for x in (pictures, levels(rois, image, maps[: detector.maps])))
    pictures, level = (tf.reshape(tf.pad(x, behind, constant_values=NONE), [-1]) for x in own)
    return {"rois": tf.reshape(tf.pad(rois, [*behind, [0, 0]]), [-1, 4]), "pictures": pictures, "maps": level}


def levels(boxes: tf.Tensor, image: Shape, maps: Sequence[Shape]) -> tf.Tensor:
    """Return the number of the map for each box (..., 4)."""
    first, *_, last = (int(-np.log2(scale)) for scale in (*scales(image, maps), scales(image, maps)[-1]))
    area = tf.reduce_prod(boxes[..., 2:] - boxes[..., :2], -1)
    wanted = CANONICAL_LEVEL + tf.math.log(tf.sqrt(area) / CANONICAL_SIZE) / np.log(2) + EPS
    return tf.cast(tf.clip_by_value(tf.floor(wanted), first, last), tf.int64) - first


def found(
    logits: tf.Tensor, said: tf.Tensor, rois: tf.Tensor, pictures: tf.Tensor, *, image: Shape, detector: Detector
) -> Maps:
    """Return what is found in the pictures, see `Found`."""
    classes, each = sizes(logits)[1] - 1, detector.rpn_after[1]
    said = tf.reshape(said, [-1, classes + 1, 4])[:, 1:]
    boxes, scores = clip(decode(said, rois[:, None], detector.roi_weights), image), tf.nn.softmax(logits)[:, 1:]
    there = (pictures != NONE)[:, None] & (scores > detector.score) & large(boxes, detector.min_size)
    rows = [tf.reshape(x, [-1, each, classes, *x.shape[2:]]) for x in (boxes, scores, there)]
    boxes, scores, there = (tf.reshape(tf.experimental.numpy.swapaxes(x, 1, 2), [-1, each, *x.shape[3:]]) for x in rows)
    kept = suppressed(boxes, scores[:, None], there[:, None], detector.nms)
    kept = tf.transpose(tf.reshape(kept, [-1, classes, each]), [0, 2, 1])
    boxes, scores, kept = (tf.reshape(x, [-1, each * classes, *x.shape[3:]]) for x in (*rows[:2], kept))
    kinds = tf.constant(np.tile(np.arange(classes), each))
    return best_of_pictures(boxes, scores, kept, kinds, size=detector.detections)


def found_rois(
    boxes: tf.Tensor, classes: tf.Tensor, *, image: Shape, maps: Sequence[Shape], detector: Detector
) -> Maps:
    """Return all rows of detections as boxes to cut out, see `proposals`."""
    pictures = tf.range(tf.shape(boxes, tf.int64)[0])[:, None]
    own = (tf.where(classes != NOTHING, x, NONE) for x in (pictures, levels(boxes, image, maps[: detector.maps])))
    pictures, level = (tf.reshape(x, [-1]) for x in own)
    return {"rois": tf.reshape(boxes, [-1, 4]), "pictures": pictures, "maps": level}


def by_picture(rows: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Return what is said of all rows of detections as (N, D, ...); 0 where classes (N, D) are NOTHING."""
    own = tf.reshape(rows, [-1, classes.shape[1], *rows.shape[1:]])
    there = tf.reshape(classes != NOTHING, [-1, classes.shape[1], *(1 for _ in rows.shape[1:])])
    return tf.where(there, own, 0)


def best_of_maps(scores: tf.Tensor, counts: Sequence[int], most: int) -> tuple[tf.Tensor, np.ndarray]:
    """Return the places (N, T) of the best anchors of each map, and the number of the map of each (T,)."""
    starts, maps = np.cumsum([0, *counts[:-1]]), tf.split(scores, list(counts), 1)
    chosen = [start + best_first(own, tf.constant(True), most) for start, own in zip(starts, maps, strict=True)]
    return tf.concat(chosen, 1), np.repeat(np.arange(len(chosen)), [min(most, count) for count in counts])


def best_of_pictures(boxes: tf.Tensor, scores: tf.Tensor, kept: tf.Tensor, kinds: tf.Tensor, *, size: int) -> Maps:
    """Return `size` detections of each picture, see `Found`: the best of boxes (N, T, 4) that are kept (N, T).

    kinds: their classes (N, T), or (T,) where they are those of every picture.
    """
    best = best_first(scores, kept, size)
    there, behind = at_places(kept, best), [[0, 0], [0, size - sizes(best)[1]]]
    own = tf.where(there[..., None], at_places(boxes, best), 0)
    own_kinds = at_places(tf.broadcast_to(kinds, tf.shape(kept)), best)
    return {
        "boxes": tf.pad(own, [*behind, [0, 0]]),
        "scores": tf.pad(tf.where(there, at_places(scores, best), 0), behind),
        "classes": tf.pad(tf.where(there, own_kinds, NOTHING), behind, constant_values=NOTHING),
    }


def best_first(scores: tf.Tensor, kept: tf.Tensor, most: int) -> tf.Tensor:
    """Return the places of the best scores of each row (N, T) that are kept, the others behind them, at most so many.

    Of equal ones the lower place comes first.
    """
    places = tf.math.top_k(tf.where(kept, scores, scores.dtype.min), min(most, scores.shape[1]))[1]
    return tf.cast(places, tf.int64)


def at_places(x: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Return rows of (N, A, ...) by their places (N, T)."""
    return tf.gather(x, places, batch_dims=1)


def decode(said: tf.Tensor, own: tf.Tensor, weights: Four) -> tf.Tensor:
    """Return what boxes `own` (..., 4) become by what is said of them."""
    factors, sides = tf.constant(weights, said.dtype), own[..., 2:] - own[..., :2]
    middle = said[..., :2] / factors[:2] * sides + (own[..., :2] + 0.5 * sides)
    half = 0.5 * (tf.exp(tf.minimum(said[..., 2:] / factors[2:], LARGEST)) * sides)
    return tf.concat([middle - half, middle + half], -1)


def clip(boxes: tf.Tensor, image: Shape) -> tf.Tensor:
    """Return boxes (..., 4) cut to an image of that height and width."""
    return tf.clip_by_value(boxes, 0, tf.constant([image[1], image[0]] * 2, boxes.dtype))


def large(boxes: tf.Tensor, side: float) -> tf.Tensor:
    """Tell which boxes (..., 4) have sides of at least that."""
    return tf.reduce_min(boxes[..., 2:] - boxes[..., :2], -1) >= side


def suppressed(boxes: tf.Tensor, scores: tf.Tensor, there: tf.Tensor, threshold: float) -> tf.Tensor:
    """Return which boxes are kept, bool (B, G, T): those that are there and that no better one of their group covers.

    boxes (B, T, 4); scores, there (B, G, T): of each in so many groups.
    """
    groups, count = there.shape[1:]
    masked = tf.where(there, scores, 2 * LEAST)

    def kept(given: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        own, scored = given
        best, order = tf.math.top_k(scored, count)
        # their order stands for the scores, which float32 would make equal where they are near each other;
        # LiteRT has no operator that gives as many places as there are: it would fill up with the first one
        places, number = tf.raw_ops.NonMaxSuppressionV4(
            boxes=tf.gather(own, order),
            scores=tf.where(best > LEAST, -tf.range(count, dtype=tf.float32), 2 * LEAST),
            max_output_size=count,
            iou_threshold=threshold,
            score_threshold=LEAST,
            pad_to_max_output_size=True,
        )
        places = tf.gather(order, places)[:, None]
        return tf.scatter_nd(places, tf.cast(tf.range(count) < number, tf.int32), [count]) > 0

    flat = tf.repeat(tf.cast(boxes, tf.float32), groups, axis=0), tf.reshape(masked, [-1, count])
    return tf.reshape(tf.map_fn(kept, flat, fn_output_signature=tf.TensorSpec((count,), tf.bool)), [-1, groups, count])


def cuts(
    rois: Mapping[str, tf.Tensor], *, count: tf.Tensor, image: Shape, maps: Sequence[Shape], detector: Detector
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return what boxes are made of, see ft/network/boxes/roi.py; those of no map of anything."""
    boxes, own = rois["rois"], np.array(maps[: detector.maps])
    pictures, numbers = (tf.maximum(rois[name], 0) for name in ("pictures", "maps"))
    scale = tf.gather(tf.constant(scales(image, maps[: detector.maps]), boxes.dtype), numbers)
    height, width = (tf.gather(own[:, axis], numbers) for axis in (0, 1))
    before = np.append(0, np.cumsum(own.prod(1)))[:-1]
    starts = tf.gather(before, numbers) * count + pictures * height * width
    options = {"bins": detector.roi_size, "ratio": detector.roi_points}
    rows, row_weights = points(boxes[:, 1], boxes[:, 3], scale, height, **options)
    columns, column_weights = points(boxes[:, 0], boxes[:, 2], scale, width, **options)
    return starts[:, None] + rows * width[:, None], row_weights, columns, column_weights


def points(
    starts: tf.Tensor, ends: tf.Tensor, scale: tf.Tensor, size: tf.Tensor, *, bins: int, ratio: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the pixels and their weights along one axis, see ft/network/boxes/roi.py."""
    start, last = starts * scale, tf.cast(size - 1, starts.dtype)[:, None]
    step = tf.maximum(ends * scale - start, 1) / bins
    places = (np.arange(bins)[:, None] + (np.arange(ratio) + 0.5) / ratio).ravel()
    place = start[:, None] + tf.constant(places, starts.dtype) * step[:, None]
    inside = tf.cast((place >= -1) & (place <= last + 1), starts.dtype)
    place = tf.clip_by_value(place, 0, last)
    low = tf.floor(place)
    pixels = tf.stack([low, tf.minimum(low + 1, last)], -1)
    weights = tf.stack([1 - (place - low), place - low], -1) * inside[..., None] / ratio
    return tuple(tf.reshape(x, [-1, bins * ratio * 2]) for x in (tf.cast(pixels, tf.int64), weights))


def gathered(
    flat: tf.Tensor,
    rows: tf.Tensor,
    row_weights: tf.Tensor,
    columns: tf.Tensor,
    column_weights: tf.Tensor,
    *,
    bins: int,
) -> tf.Tensor:
    """Return bins (K, bins, bins, C) as sums over pixels (P, C), see `Cuts`: one pixel of every bin after the other."""
    inner = sizes(rows)[1] // bins
    down = [tf.reshape(x, [-1, bins, 1, inner]) for x in (rows, row_weights)]
    across = [tf.reshape(x, [-1, 1, bins, inner]) for x in (columns, column_weights)]
    total = tf.zeros((), flat.dtype)
    for i, j in product(range(inner), repeat=2):
        weights = down[1][..., i] * across[1][..., j]
        total += tf.gather(flat, down[0][..., i] + across[0][..., j]) * weights[..., None]
    return total
