"""The fast path for a frozen base: its features are computed once, then only the head is trained."""

import keras

from ft.zoo import Card
from ft.zoo.card import under


def split(model: keras.Model, card: Card) -> tuple[keras.Model, keras.Model]:
    """Return the network as two models: images (N, H, W, C) -> what the head takes, and the head -> logits."""
    first = next(layer for layer in model.layers if under(layer.name, card.stages["head"]))
    return keras.Model(model.inputs, first.input), keras.Model(first.input, model.outputs[0])
