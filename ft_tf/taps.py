"""A network for segmentation or detection in two: the backbone, which gives maps by tap, and the head for these."""

from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf
from keras import KerasTensor

from ft.zoo import Card
from ft.zoo.card import under
from ft.zoo.detector import OneStage
from ft_tf.layers import lesson_of_anchors, maps_of, of_class, resize_bilinear, sizes

Maps = dict[str, tf.Tensor]


class TapHead:
    """The heads of a network, its own layers: maps by tap -> logits (N, *size, K) by name, "out" and "aux".

    auxiliary: whether the auxiliary head takes part.
    """

    def __init__(self, model: keras.Model, maps: Mapping[str, KerasTensor]) -> None:
        # before they are resized, by the layers that bear the outputs' names
        logits = {name: model.get_layer(name).input[0] for name in model.output}
        inputs, self.taps = list(maps.values()), tuple(maps)
        self.model, self.alone = (keras.Model(inputs, outputs) for outputs in (logits, {"out": logits["out"]}))

    def __call__(
        self,
        features: Mapping[str, tf.Tensor],
        size: tuple[int, int],
        *,
        training: bool = False,
        auxiliary: bool = True,
    ) -> Maps:
        logits = (self.model if auxiliary else self.alone)([features[tap] for tap in self.taps], training=training)
        return {name: resize_bilinear(x, size) for name, x in logits.items()}


def split_at_taps(model: keras.Model, card: Card) -> tuple[keras.Model, Callable[..., Maps]]:
    """Return the network as two callables: images (N, H, W, C) -> maps by the card's taps, and the head, which takes
    these and the images' size.
    """
    maps = {tap: map_at(model, path) for tap, path in card.taps.items()}
    one, other = isinstance(card.detector, OneStage), BoxHead if card.detector else TapHead
    return keras.Model(model.inputs[0], maps), (AnchorHead if one else other)(model, maps)


def map_at(model: keras.Model, path: str) -> KerasTensor:
    """Return what the module at a path gives: the output of the last layer below it."""
    return [layer for layer in model.layers if under(layer.name, (path,))][-1].output


class BoxHead:
    """What is behind the body of a detector, its own layers: maps by tap -> outputs, or what a step learns from."""

    def __init__(self, model: keras.Model, maps: Mapping[str, KerasTensor]) -> None:
        self.taps, names = tuple(maps), ("decisions", "pool_boxes", "detections")
        self.decisions, self.pool, self.detections = map(model.get_layer, names)
        objectness, deltas, _, *levels = self.decisions.input
        self.proposals = keras.Model(list(maps.values()), [objectness, deltas, *levels])
        self.says = keras.Model(self.pool.output, self.detections.input[:2])
        heads = {"masks": MaskHead, "keypoints": PointHead}
        self.more = next((head(model) for name, head in heads.items() if name in model.output), None)

    def __call__(
        self,
        features: Mapping[str, tf.Tensor],
        size: tuple[int, int],
        *,
        training: bool = False,
        targets: Maps | None = None,
        **_: bool,
    ) -> Maps:
        objectness, deltas, *levels = self.proposals([features[tap] for tap in self.taps], training=training)
        whole = tf.tile(tf.stack(size)[None], (tf.shape(levels[0])[0], 1))
        own = tf.cast(features["sizes"], tf.int32) if "sizes" in features else whole
        shapes = maps_of(levels), tf.stack(size), own
        image = tf.reduce_max(own, 0)  # by which a map's scale is told
        if targets is None:
            rois = self.decisions.rois(objectness, deltas, *shapes)
            logits, said = self.says(self.pool.cut(levels, rois, image), training=training)
            found = self.detections([logits, said, rois["rois"], rois["pictures"], features["images"]], sizes=own)
            return found | (self.more.found(levels, found, shapes[0], image) if self.more else {})
        lesson = self.decisions.lesson(objectness, deltas, *shapes, targets)
        logits, said = self.says(self.pool.cut(levels, lesson, image), training=training)
        return {
            "objectness": tf.gather(tf.reshape(objectness, [-1]), lesson["anchors"]),
            "deltas": tf.gather(tf.reshape(deltas, [-1, 4]), lesson["anchors"]),
            "class_logits": logits,
            "box_deltas": tf.reshape(said, [-1, logits.shape[-1], 4]),
            **{name: lesson[name] for name in ("objects", "anchor_boxes", "classes", "roi_boxes")},
            **(self.more.learnt(levels, lesson, targets, image, own, training=training) if self.more else {}),
        }


class AnchorHead:
    """What is behind the body of a detector of one stage, its own layers; see `BoxHead`."""

    def __init__(self, model: keras.Model, maps: Mapping[str, KerasTensor]) -> None:
        self.taps, self.detections = tuple(maps), model.get_layer("detections")
        said, _, levels = self.detections.parts(self.detections.input)
        taps = {id(x): tap for tap, x in maps.items()}
        self.levels = [taps.get(id(x)) for x in levels]  # None: one that is made of these
        made = [x for x, tap in zip(levels, self.levels, strict=True) if tap is None]
        self.says, self.said = keras.Model(list(maps.values()), [*said, *made]), len(said)

    def __call__(
        self,
        features: Mapping[str, tf.Tensor],
        size: tuple[int, int],
        *,
        training: bool = False,
        targets: Maps | None = None,
        **_: bool,
    ) -> Maps:
        given = self.says([features[tap] for tap in self.taps], training=training)
        (logits, *said), made = given[: self.said], iter(given[self.said :])
        levels = [next(made) if tap is None else features[tap] for tap in self.levels]
        if targets is None:
            return self.detections([logits, *said, features["images"], *levels], sizes=features.get("sizes"))
        options = {"image": tf.stack(size), "maps": maps_of(levels), "detector": self.detections.detector}
        lesson = lesson_of_anchors(logits, targets, **options)
        places, count = lesson.pop("places"), len(said)
        if count == 1:
            del lesson["middles"]
        flat = [tf.gather(tf.reshape(x, [-1, *x.shape[2:]]), places) for x in said]
        return {"class_logits": logits, **dict(zip(("said", "middle")[:count], flat, strict=True)), **lesson}


def rois_at(lesson: Maps, places: tf.Tensor) -> Maps:
    """Return some of the boxes that a step learns from."""
    return {name: tf.gather(lesson[name], places) for name in ("rois", "pictures", "maps")}


class MaskHead:
    """What says the masks of boxes, a network's own layers."""

    def __init__(self, model: keras.Model) -> None:
        self.rois, self.pool, self.answer = map(model.get_layer, ("found_rois", "pool_masks", "masks"))
        self.says = keras.Model(self.pool.output, self.answer.input[0])

    def found(self, levels: Sequence[tf.Tensor], found: Maps, maps: tf.Tensor, image: tf.Tensor) -> Maps:
        """Return "masks" (N, D, M, M) of detections, probabilities on a grid over the box; 0 where none is."""
        rois = self.rois.rois(found["boxes"], found["classes"], maps, image)
        logits = self.says(self.pool.cut(levels, rois, image), training=False)
        return {"masks": self.answer([logits, found["classes"]])}

    def learnt(
        self,
        levels: Sequence[tf.Tensor],
        lesson: Maps,
        targets: Maps,
        image: tf.Tensor,
        pictures: tf.Tensor,
        *,
        training: bool,
    ) -> Maps:
        """Return "mask_logits" and "masks" (P, M, M): what is said, and is to be said, of boxes of objects."""
        own = self.rois.lesson(lesson, targets["masks"], image, pictures)
        rois = rois_at(lesson, own["places"])
        logits = self.says(self.pool.cut(levels, rois, image), training=training)
        return {"mask_logits": of_class(logits, tf.gather(lesson["classes"], own["places"])), "masks": own["wanted"]}


class PointHead:
    """What says the keypoints of boxes, a network's own layers."""

    def __init__(self, model: keras.Model) -> None:
        self.rois, self.pool, self.answer = map(model.get_layer, ("found_rois", "pool_points", "points"))
        self.says = keras.Model(self.pool.output, self.answer.input[0])

    def found(self, levels: Sequence[tf.Tensor], found: Maps, maps: tf.Tensor, image: tf.Tensor) -> Maps:
        """Return "keypoints" (N, D, K, 2) of detections in pixels of the picture, and the "heights" (N, D, K) of their
        heatmaps there; 0 where no detection is.
        """
        rois = self.rois.rois(found["boxes"], found["classes"], maps, image)
        heatmaps = self.says(self.pool.cut(levels, rois, image), training=False)
        return self.answer([heatmaps, rois["rois"], found["classes"]])

    def learnt(
        self,
        levels: Sequence[tf.Tensor],
        lesson: Maps,
        targets: Maps,
        image: tf.Tensor,
        pictures: tf.Tensor,
        *,
        training: bool,
    ) -> Maps:
        """Return "heatmaps" (V, S * S), logits of the keypoints that boxes of objects show, and their "cells" (V,)."""
        own = self.answer.lesson(lesson, targets["points"])
        rois = rois_at(lesson, own["places"])
        heatmaps = tf.transpose(self.says(self.pool.cut(levels, rois, image), training=training), [0, 3, 1, 2])
        _, _, height, width = sizes(heatmaps)
        flat = tf.reshape(heatmaps, [-1, height * width])
        return {"heatmaps": tf.gather(flat, own["heatmaps"]), "cells": own["cells"]}
