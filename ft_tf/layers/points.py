"""Keypoints of boxes: which places of heatmaps are learnt, and which are found, on the host."""

import keras
import numpy as np
import tensorflow as tf
from keras import KerasTensor

from ft.network.boxes.points import point_lesson, points_in
from ft_tf.layers.base import register, sizes
from ft_tf.layers.boxes import Decides, Maps, on_host
from ft_tf.layers.native import by_picture
from ft_tf.layers.resize import resize_bilinear


@register
class Enlarge(keras.layers.Layer):
    """Bilinear resizing to twice the size: (N, h, w, C) -> (N, 2h, 2w, C)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        _, height, width, _ = sizes(x)
        return resize_bilinear(x, (2 * height, 2 * width))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        images, height, width, channels = input_shape
        return (images, 2 * height, 2 * width, channels)


@register
class FoundHeatmaps(keras.layers.Layer):
    """Heatmaps of all rows of detections: [heatmaps (N * D, S, S, K), classes (N, D)] -> (N, D, K, S, S).

    0 where no detection is. Places in them come of each box's own size, and a graph has but one.
    """

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        heatmaps, classes = inputs
        return by_picture(tf.transpose(heatmaps, [0, 3, 1, 2]), classes)

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        (_, height, width, count), classes = input_shape
        return (*classes, count, height, width)


@register
class FoundPoints(Decides):
    """What is said of detections: [heatmaps (R, S, S, K), rois (R, 4), classes (N, D)] -> their keypoints.

    "keypoints" (N, D, K, 2) in pixels of the picture, "heights" (N, D, K) of the heatmaps there; 0 where none is.
    """

    def call(self, inputs: list[tf.Tensor]) -> Maps:
        heatmaps, rois, classes = inputs

        def decide(maps: np.ndarray, boxes: np.ndarray) -> dict[str, np.ndarray]:
            points, heights = points_in(maps, boxes)
            return {"keypoints": points, "heights": heights}

        given = [tf.transpose(heatmaps, [0, 3, 1, 2]), rois]
        said, count = on_host(decide, given, ("keypoints", "heights"), heatmaps.dtype), heatmaps.shape[3]
        places, shape = tf.where(classes >= 0), tf.shape(classes, tf.int64)
        ends = {"keypoints": (count, 2), "heights": (count,)}
        return {
            name: tf.ensure_shape(
                tf.scatter_nd(places, tf.ensure_shape(said[name], (None, *end)), tf.concat([shape, end], 0)),
                (*classes.shape, *end),
            )
            for name, end in ends.items()
        }

    def compute_output_spec(self, inputs: list[KerasTensor]) -> dict[str, KerasTensor]:
        heatmaps, _, classes = inputs
        count, dtype = heatmaps.shape[-1], heatmaps.dtype
        return {
            "keypoints": KerasTensor((*classes.shape, count, 2), dtype),
            "heights": KerasTensor((*classes.shape, count), dtype),
        }

    def lesson(self, lesson: Maps, points: tf.Tensor) -> Maps:
        """Return what a step learns of keypoints, see `PointLesson`."""

        def decide(*arrays: np.ndarray) -> dict[str, np.ndarray]:
            return point_lesson(*arrays, detector=self.detector)._asdict()

        names = ("places", "heatmaps", "cells")
        drawn = [lesson[name] for name in ("rois", "pictures", "classes", "matched")]
        own = on_host(decide, [*drawn, points], names, lesson["rois"].dtype)
        return {name: tf.ensure_shape(own[name], (None,)) for name in names}
