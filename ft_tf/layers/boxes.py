"""Between a network and what is decided about its boxes on the host; boxes cut out of maps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import KerasTensor

from ft.errors import RecipeError
from ft.network.boxes.anchors import Shape
from ft.network.boxes.detections import detect
from ft.network.boxes.onestage import find
from ft.network.boxes.onestage import lesson as anchor_lesson
from ft.network.boxes.proposals import propose
from ft.network.boxes.roi import cuts as cuts_of
from ft.network.boxes.ssd import shares
from ft.network.boxes.training import cut_out, lesson
from ft.zoo.detector import Detector, OneStage, one_stage_of
from ft_tf.layers.base import ForLiteRT, register, sizes
from ft_tf.layers.native import cuts, found, gathered, proposals
from ft_tf.layers.native_onestage import find as native_find
from ft_tf.layers.noise import Noise

Maps = dict[str, tf.Tensor]
FLOATS = (
    *("objects", "anchor_boxes", "rois", "roi_boxes", "boxes", "scores", "row_weights", "column_weights", "wanted"),
    *("anchor_corners", "middles", "counted", "keypoints", "heights"),
)
FOUND = ("boxes", "scores", "classes")
OF_FOUR = ("anchor_boxes", "rois", "roi_boxes", "anchor_corners", "boxes")


class Native(keras.layers.Layer):
    """A layer that hands tensors to the host, or tells it apart from what fills up, and has no tensors of its own.

    native: it decides in the graph, see ft_tf/layers/native.py, for maps and pictures of known sizes in inference;
    can_be_native: it knows how.
    """

    native, can_be_native = False, False


class Decides(Noise, ForLiteRT, Native):
    """A layer that decides by the numbers of a detector with two stages."""

    def __init__(self, detector: Detector | Mapping[str, Any], **base: Any) -> None:
        base.pop("p", None)
        super().__init__(0.0, **base)
        self.detector = detector if isinstance(detector, Detector) else Detector(**as_tuples(detector))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "detector": asdict(self.detector)}


@register
class Decisions(Decides):
    """What a detector decides, by ft/network/boxes: [objectness, deltas, images, *maps] -> proposals.

    Proposals are "rois" (K, 4), "pictures" and "maps" (K,). Outside of `noise(...)` samples are drawn from Keras's
    generator.
    """

    can_be_native = True

    def call(self, inputs: list[tf.Tensor]) -> Maps:
        objectness, deltas, images, *maps = inputs
        if self.native:
            return proposals(objectness, deltas, **shapes_of(images, maps), detector=self.detector)
        return self.rois(objectness, deltas, maps_of(maps), maps_of([images])[0], sizes_of(images))

    def compute_output_spec(self, inputs: list[KerasTensor]) -> dict[str, KerasTensor]:
        whole = {name: KerasTensor((None,), "int64") for name in ("pictures", "maps")}
        return {"rois": KerasTensor((None, 4), inputs[0].dtype), **whole}

    def rois(
        self, objectness: tf.Tensor, deltas: tf.Tensor, maps: tf.Tensor, image: tf.Tensor, sizes: tf.Tensor
    ) -> Maps:
        """Return the proposals. maps, image: heights and widths (L, 2) and (2,); sizes: of the pictures (N, 2)."""

        def decide(*given: np.ndarray) -> dict[str, np.ndarray]:
            scores, said, maps, image, sizes = given
            options = {"image": pair_of(image), "maps": pairs_of(maps), "detector": self.detector, "sizes": sizes}
            proposals = propose(scores, said, **options, training=False)
            return cut_out([own.boxes for own in proposals], **options)

        names = ("rois", "pictures", "maps")
        return of_any_number(on_host(decide, [objectness, deltas, maps, image, sizes], names, objectness.dtype))

    def lesson(
        self,
        objectness: tf.Tensor,
        deltas: tf.Tensor,
        maps: tf.Tensor,
        image: tf.Tensor,
        sizes: tf.Tensor,
        targets: Maps,
    ) -> Maps:
        """Return what a step learns from, see `Lesson`; the others: see `rois`."""

        def decide(*given: np.ndarray) -> dict[str, np.ndarray]:
            *arrays, maps, image, sizes, clock = given
            options = {"image": pair_of(image), "maps": pairs_of(maps), "detector": self.detector, "sizes": sizes}
            return lesson(*arrays, **options, clock=tuple(clock.tolist()))._asdict()

        truth = targets["boxes"], targets["box_labels"]
        names = ("anchors", "objects", "anchor_boxes", "rois", "pictures", "maps", "classes", "roi_boxes", "matched")
        given = [objectness, deltas, *truth, maps, image, sizes, self.moment()]
        return of_any_number(on_host(decide, given, names, objectness.dtype))

    def moment(self) -> tf.Tensor:
        """Return the key of the draws, the step, and the position of the first picture, int64 (3,)."""
        if self.clock is None:
            return tf.stack([tf.random.uniform((), maxval=2**62, dtype=tf.int64), 0, 0])
        return tf.concat([tf.constant([self.key], tf.int64), self.clock], 0)


@register
class Detections(Decides):
    """What a detector finds: [logits, said, rois, pictures, images] -> "boxes", "scores" and "classes", see `Found`.

    sizes: of the pictures themselves (N, 2), where they are padded.
    """

    can_be_native = True

    def call(self, inputs: list[tf.Tensor], sizes: tf.Tensor | None = None) -> Maps:
        *said, images = inputs
        if self.native:
            return found(*said, image=shapes_of(images, [])["image"], detector=self.detector)

        def decide(*given: np.ndarray) -> dict[str, np.ndarray]:
            logits, deltas, rois, pictures, image, sizes = given
            options = {"count": len(sizes), "image": pair_of(image), "detector": self.detector, "sizes": sizes}
            return detect(logits, deltas, rois.astype(np.float64), pictures, **options)._asdict()

        given = [*said, maps_of([images])[0], sizes_of(images) if sizes is None else sizes]
        detections = on_host(decide, given, FOUND, said[0].dtype)
        return shaped(detections, images.shape[0], self.detector.detections)

    def compute_output_spec(
        self, inputs: list[KerasTensor], sizes: KerasTensor | None = None
    ) -> dict[str, KerasTensor]:
        return found_spec(inputs[-1].shape[0], self.detector.detections, inputs[0].dtype)


@register
class AnchorDetections(Native):
    """What a detector of one stage finds: [logits, said, images, *maps] -> see `Detections`. It has no tensors.

    Behind `said` may stand what is said of middles (N, A). sizes: see `Detections`.
    """

    can_be_native = True

    def __init__(self, detector: OneStage | Mapping[str, Any], **base: Any) -> None:
        super().__init__(**base)
        self.detector = detector if isinstance(detector, OneStage) else one_stage_of(as_tuples(detector))

    def call(self, inputs: list[tf.Tensor], sizes: tf.Tensor | None = None) -> Maps:
        said, images, maps = self.parts(inputs)
        if self.native:
            return native_find(*said, **shapes_of(images, maps), detector=self.detector)

        def decide(*given: np.ndarray) -> dict[str, np.ndarray]:
            *arrays, maps, image, sizes = given
            options = {"image": pair_of(image), "maps": pairs_of(maps), "detector": self.detector}
            return find(*arrays, **options, sizes=sizes)._asdict()

        given = [*said, maps_of(maps), maps_of([images])[0], sizes_of(images) if sizes is None else sizes]
        return shaped(on_host(decide, given, FOUND, said[0].dtype), images.shape[0], self.detector.detections)

    def compute_output_spec(
        self, inputs: list[KerasTensor], sizes: KerasTensor | None = None
    ) -> dict[str, KerasTensor]:
        return found_spec(inputs[0].shape[0], self.detector.detections, inputs[0].dtype)

    def parts(self, inputs: list[Any]) -> tuple[list[Any], Any, list[Any]]:
        """Return what is said, the images, and the maps."""
        count = 2 + self.detector.middles
        return inputs[:count], inputs[count], inputs[count + 1 :]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "detector": asdict(self.detector)}


def shaped(detections: Maps, images: int | None, count: int) -> Maps:
    """Return what is found, its axes known."""
    shapes = {"boxes": (images, count, 4), "scores": (images, count), "classes": (images, count)}
    return {name: tf.ensure_shape(x, shapes[name]) for name, x in detections.items()}


def found_spec(images: int | None, count: int, dtype: str) -> dict[str, KerasTensor]:
    """Return of which shapes and types what is found will be."""
    return {
        "boxes": KerasTensor((images, count, 4), dtype),
        "scores": KerasTensor((images, count), dtype),
        "classes": KerasTensor((images, count), "int64"),
    }


def lesson_of_anchors(x: tf.Tensor, targets: Maps, *, image: tf.Tensor, maps: tf.Tensor, detector: OneStage) -> Maps:
    """Return what a step of a detector of one stage learns from, see `onestage.Lesson`. x: of the same type, (N, A)."""

    def decide(boxes: np.ndarray, labels: np.ndarray, maps: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        return anchor_lesson(boxes, labels, image=pair_of(image), maps=pairs_of(maps), detector=detector)._asdict()

    names, truth = (
        ("classes", "places", "anchor_corners", "boxes", "middles"),
        (targets["boxes"], targets["box_labels"]),
    )
    found = on_host(decide, [*truth, maps, image], names, x.dtype)
    classes = tf.ensure_shape(found.pop("classes"), x.shape[:2])
    return {"classes": classes, **of_any_number(found)}


def count_of_losses(losses: tf.Tensor, classes: tf.Tensor, ratio: float) -> tf.Tensor:
    """Return how often the loss of the class of each box counts (N, A), see `shares`."""

    def decide(losses: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
        return {"counted": shares(losses, classes, ratio)}

    return tf.ensure_shape(on_host(decide, [losses, classes], ("counted",), losses.dtype)["counted"], losses.shape)


@register
class PoolBoxes(Decides):
    """What is cut out of maps for boxes: [images, *maps, rois, pictures, numbers] -> (K, bins, bins, C).

    RoIAlign is one product with a sparse matrix: every number of a bin is a sum over a few pixels of one map.
    """

    can_be_native = True

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        images, *maps, rois, pictures, numbers = inputs
        boxes = {"rois": rois, "pictures": pictures, "maps": numbers}
        if self.native:
            sizes = {"count": tf.shape(images, tf.int64)[0], **shapes_of(images, maps)}
            parts = cuts(boxes, **sizes, detector=self.detector)
            sums = gathered if self.for_litert else summed
            return sums(flat_of(maps[: self.detector.maps]), *parts, bins=self.detector.roi_size)
        return self.cut(maps, boxes, maps_of([images])[0])

    def compute_output_spec(self, inputs: list[KerasTensor]) -> KerasTensor:
        bins = self.detector.roi_size
        return KerasTensor((None, bins, bins, inputs[1].shape[-1]), inputs[1].dtype)

    def cut(self, maps: Sequence[tf.Tensor], rois: Maps, image: tf.Tensor) -> tf.Tensor:
        """Return what is cut out of the first maps of a pyramid (N, h, w, C) for boxes of pictures of that size."""
        own = maps[: self.detector.maps]
        dtype = tf.float32 if own[0].dtype == tf.bfloat16 else own[0].dtype
        flat = flat_of(own)

        def decide(boxes: np.ndarray, pictures: np.ndarray, numbers: np.ndarray, maps: np.ndarray, size: np.ndarray):
            options = {"count": int(size[0]), "image": pair_of(size[1:]), "maps": pairs_of(maps)}
            return cuts_of(boxes.astype(np.float64), pictures, numbers, **options, detector=self.detector)._asdict()

        size = tf.concat([tf.shape(own[0])[:1], image], 0)
        names = ("rows", "row_weights", "columns", "column_weights")
        weighed = on_host(decide, [rois["rois"], rois["pictures"], rois["maps"], maps_of(own), size], names, dtype)
        points = self.detector.roi_size * self.detector.roi_points * 2
        parts = [tf.ensure_shape(weighed[name], (None, points)) for name in names]
        cut = summed(tf.cast(flat, dtype), *parts, bins=self.detector.roi_size)
        return tf.cast(cut, flat.dtype)


def flat_of(maps: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the pixels (P, C) of maps (N, h, w, C), one map after the other."""
    return tf.concat([tf.reshape(x, [-1, x.shape[-1]]) for x in maps], 0)


def summed(
    flat: tf.Tensor,
    rows: tf.Tensor,
    row_weights: tf.Tensor,
    columns: tf.Tensor,
    column_weights: tf.Tensor,
    *,
    bins: int,
) -> tf.Tensor:
    """Return bins (K, bins, bins, C) as sums over pixels (P, C), see `Cuts`."""
    places = spread(rows, bins, down=True) + spread(columns, bins, down=False)
    weights = tf.reshape(spread(row_weights, bins, down=True) * spread(column_weights, bins, down=False), [-1])
    count, inner = tf.shape(rows, tf.int64)[0] * bins**2, tf.shape(places, tf.int64)[-1]
    bin_of = tf.repeat(tf.range(count), inner)
    cells = tf.stack([bin_of, tf.reshape(places, [-1])], 1)
    matrix = tf.SparseTensor(cells, weights, tf.stack([count, tf.shape(flat, tf.int64)[0]]))
    return tf.reshape(times(matrix, flat), [-1, bins, bins, flat.shape[-1]])


def spread(x: tf.Tensor, bins: int, *, down: bool) -> tf.Tensor:
    """Return what belongs to each bin's pixels, rows or columns (K, P) as (K, bins, bins, p * p), p of P a bin."""
    inner = sizes(x)[1] // bins
    x = tf.reshape(x, [-1, bins, 1, inner, 1] if down else [-1, 1, bins, 1, inner])
    shape = tf.stack([tf.shape(x)[0], bins, bins, inner, inner])
    return tf.reshape(tf.broadcast_to(x, shape), [-1, bins, bins, inner**2])


def times(matrix: tf.SparseTensor, x: tf.Tensor) -> tf.Tensor:
    """Return a sparse matrix times x, with the gradient of x alone: TensorFlow's makes that of each weight, too."""

    @tf.custom_gradient
    def product(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(y: tf.Tensor) -> tf.Tensor:
            return tf.sparse.sparse_dense_matmul(matrix, y, adjoint_a=True)

        return tf.sparse.sparse_dense_matmul(matrix, x), gradient

    return product(x)


def on_host(
    decide: Callable[..., Mapping[str, np.ndarray]], given: Sequence[tf.Tensor], names: Sequence[str], dtype: tf.DType
) -> Maps:
    """Return what a function of arrays gives by name, without a gradient. dtype: of what are no whole numbers.

    bfloat16 goes over as float32.
    """
    own = {name: dtype.as_numpy_dtype if name in FLOATS else np.int64 for name in names}

    def run(*arrays: np.ndarray) -> list[np.ndarray]:
        arrays_of = decide(*arrays)
        return [np.ascontiguousarray(arrays_of[name], own[name]) for name in names]

    tensors = [tf.cast(x, tf.float32) if x.dtype == tf.bfloat16 else x for x in map(tf.stop_gradient, given)]
    types = [dtype if name in FLOATS else tf.int64 for name in names]
    return dict(zip(names, tf.nest.flatten(tf.numpy_function(run, tensors, types)), strict=True))


def of_any_number(tensors: Maps) -> Maps:
    """Return what was decided of any number of boxes, its other axes known."""
    return {name: tf.ensure_shape(x, (None, 4) if name in OF_FOUR else (None,)) for name, x in tensors.items()}


def shapes_of(images: tf.Tensor, maps: Sequence[tf.Tensor]) -> dict[str, Any]:
    """Return height and width of pictures and of maps, which are known: "image" and "maps"."""
    image, *shapes = (tuple(x.shape[1:3]) for x in (images, *maps))
    return {"image": image, "maps": tuple(shapes)}


@contextmanager
def native_decisions(model: keras.Model) -> Iterator[None]:
    """Trace a network without the host. RecipeError where it decides what the graph has no way for."""
    layers = [layer for layer in model.layers if isinstance(layer, Native)]
    if not all(layer.can_be_native for layer in layers):
        raise RecipeError("export: this network decides about its boxes in NumPy, which no file holds; ask ft predict")
    try:
        for layer in layers:
            layer.native = True
        yield
    finally:
        for layer in layers:
            layer.native = False


def maps_of(maps: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return heights and widths of maps (N, H, W, C), int32 (L, 2)."""
    return tf.stack([tf.stack(sizes(x)[1:3]) for x in maps])


def sizes_of(images: tf.Tensor) -> tf.Tensor:
    """Return heights and widths of pictures that fill what a network is given, int32 (N, 2)."""
    shape = tf.shape(images)
    return tf.tile(shape[None, 1:3], [shape[0], 1])


def pair_of(size: np.ndarray) -> Shape:
    """Return height and width as numbers."""
    height, width = size.tolist()
    return height, width


def pairs_of(sizes: np.ndarray) -> tuple[Shape, ...]:
    """Return heights and widths as numbers."""
    return tuple(map(pair_of, sizes))


def as_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a detector's numbers as they were before they were written as JSON."""
    return {name: tuple_of(value) for name, value in values.items()}


def tuple_of(value: Any) -> Any:
    """Return lists, also those inside of lists, as tuples."""
    return tuple(map(tuple_of, value)) if isinstance(value, list | tuple) else value
