"""Detectors of one stage, ports of torchvision/models/detection; what they decide is decided in ft/network/boxes."""

from collections.abc import Callable, Sequence

import keras
from keras import KerasTensor

from ft.zoo.onestage import Shape
from ft_tf.layers import AnchorDetections, Conv2d, GroupNorm
from ft_tf.models.fasterrcnn import body_maps, merged
from ft_tf.precision import type_policy

HEAD, CONVS = "head", 4  # convolutions before the last of either half of it
BEYOND = "backbone.fpn.extra_blocks"
Layers = Sequence[Callable[[KerasTensor], KerasTensor]]
Say = Callable[[list[KerasTensor], Shape, int], list[KerasTensor]]


def one_stage(name: str, shape: Shape, say: Say, *, num_classes: int, dtype: str) -> keras.Model:
    """Return a network: the body, the pyramid, what a head says of the anchors, and what is found by that.

    say: maps -> logits (N, A, C), what is said (N, A, 4), and perhaps how near to the middle (N, A).
    """
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        levels = pyramid(body_maps(images, shape)[-len(shape.pyramid.maps) :], shape)
        said = say(levels, shape, num_classes)
        detections = AnchorDetections(shape.detector, name="detections")([*said, images, *levels])
        return keras.Model(images, detections, name=name)


def pyramid(maps: list[KerasTensor], shape: Shape) -> list[KerasTensor]:
    """Return maps of as many channels each, and two more beyond the last."""
    levels = merged(maps, shape.channels, norm=False)
    six = Conv2d(shape.channels, 3, stride=2, padding=1, name=f"{BEYOND}.p6")(maps[-1] if shape.top else levels[-1])
    rectified = keras.layers.ReLU(name=f"{BEYOND}.relu")(six)
    return [*levels, six, Conv2d(shape.channels, 3, stride=2, padding=1, name=f"{BEYOND}.p7")(rectified)]


def each(levels: list[KerasTensor], layers: Layers) -> list[KerasTensor]:
    """Return what the same layers make of each map."""
    maps = []
    for x in levels:
        for layer in layers:
            x = layer(x)
        maps.append(x)
    return maps


def of_anchors(maps: list[KerasTensor], numbers: int | None, name: str) -> KerasTensor:
    """Return what is said at all places as (N, A, numbers), or (N, A) for None."""
    shape = (-1,) if numbers is None else (-1, numbers)
    return keras.layers.Concatenate(axis=1, name=name)([keras.layers.Reshape(shape)(x) for x in maps])


def group_norm(shape: Shape, name: str) -> GroupNorm:
    """Return a GroupNorm of the head."""
    assert shape.groups is not None
    return GroupNorm(shape.groups, name=name)
