"""Masks of boxes: which boxes are asked for theirs, on the host, and what each is said to be."""

import numpy as np
import tensorflow as tf
from keras import KerasTensor

from ft.network.boxes.masks import found_rois, mask_lesson
from ft_tf.layers import native
from ft_tf.layers.base import SameShape, register
from ft_tf.layers.boxes import Decides, Maps, Native, maps_of, of_any_number, on_host, pair_of, pairs_of, shapes_of

ROIS = ("rois", "pictures", "maps")


@register
class FoundRois(Decides):
    """Detections as boxes to cut out: [boxes, classes, images, *maps] -> proposals, see `Decisions`."""

    can_be_native = True

    def call(self, inputs: list[tf.Tensor]) -> Maps:
        boxes, classes, images, *maps = inputs
        if self.native:
            return native.found_rois(boxes, classes, **shapes_of(images, maps), detector=self.detector)
        return self.rois(boxes, classes, maps_of(maps), maps_of([images])[0])

    def compute_output_spec(self, inputs: list[KerasTensor]) -> dict[str, KerasTensor]:
        whole = {name: KerasTensor((None,), "int64") for name in ("pictures", "maps")}
        return {"rois": KerasTensor((None, 4), inputs[0].dtype), **whole}

    def rois(self, boxes: tf.Tensor, classes: tf.Tensor, maps: tf.Tensor, image: tf.Tensor) -> Maps:
        """Return the boxes. maps, image: heights and widths (L, 2) and (2,)."""

        def decide(boxes: np.ndarray, classes: np.ndarray, maps: np.ndarray, image: np.ndarray) -> Maps:
            options = {"image": pair_of(image), "maps": pairs_of(maps), "detector": self.detector}
            return found_rois(boxes, classes, **options)

        return of_any_number(on_host(decide, [boxes, classes, maps, image], ROIS, boxes.dtype))

    def lesson(self, lesson: Maps, masks: tf.Tensor, image: tf.Tensor, sizes: tf.Tensor) -> Maps:
        """Return what a step learns of masks, see `MaskLesson`."""

        def decide(*given: np.ndarray) -> dict[str, np.ndarray]:
            *arrays, size, sizes = given
            return mask_lesson(*arrays, image=pair_of(size), detector=self.detector, sizes=sizes)._asdict()

        drawn = [lesson[name] for name in ("rois", "pictures", "classes", "matched")]
        own = on_host(decide, [*drawn, masks, image, sizes], ("places", "wanted"), lesson["rois"].dtype)
        side = 2 * self.detector.mask_size
        return {
            "places": tf.ensure_shape(own["places"], (None,)),
            "wanted": tf.ensure_shape(own["wanted"], (None, side, side)),
        }


@register
class FoundMasks(SameShape, Native):
    """What is said of detections: [logits (K, M, M, C + 1), classes (N, D)] -> probabilities (N, D, M, M)."""

    can_be_native = True

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        logits, classes = inputs
        if self.native:
            own = tf.sigmoid(of_class(logits, tf.reshape(classes, [-1]) + 1))
            return native.by_picture(own, classes)
        places = tf.where(classes >= 0)
        own = tf.sigmoid(of_class(logits, tf.gather_nd(classes, places) + 1))
        shape = tf.concat([tf.shape(classes, tf.int64), tf.shape(own, tf.int64)[1:]], 0)
        return tf.ensure_shape(tf.scatter_nd(places, own, shape), (*classes.shape, *logits.shape[1:3]))

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        logits, classes = input_shape
        return (*classes, *logits[1:3])


def of_class(logits: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Return the logits (K, M, M) of each box's own class of (K, M, M, C + 1)."""
    return tf.gather(logits, classes, axis=3, batch_dims=1)
