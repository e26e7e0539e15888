"""A network for segmentation in two: the backbone, which gives maps by tap, and the head, which takes them."""

from collections.abc import Mapping

import keras
import tensorflow as tf
from keras import KerasTensor

from ft.zoo import Card
from ft.zoo.card import under
from ft_tf.layers import resize_bilinear

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


def split_at_taps(model: keras.Model, card: Card) -> tuple[keras.Model, TapHead]:
    """Return the network as two callables: images (N, H, W, C) -> maps by the card's taps, and the head, which takes
    these and the images' size.
    """
    maps = {tap: map_at(model, path) for tap, path in card.taps.items()}
    return keras.Model(model.inputs[0], maps), TapHead(model, maps)


def map_at(model: keras.Model, path: str) -> KerasTensor:
    """Return what the module at a path gives: the output of the last layer below it."""
    return [layer for layer in model.layers if under(layer.name, (path,))][-1].output
