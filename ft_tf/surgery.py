"""Surgery on a Keras model: its graph is made anew, with the layers that stay and with others in place of the rest."""

from typing import Any

import keras
from keras import KerasTensor

from ft.network.surgery import Misfit, Shapes, Surgery, first_convolution
from ft.recipe.changes import Change, padding_of
from ft.zoo.card import under
from ft_tf.head import GlobalPool, build_head
from ft_tf.layers import Conv2d, WithAuxiliary, pair
from ft_tf.precision import type_policy
from ft_tf.shapes import fitting, images_like, stage_shapes
from ft_tf.weights import note_layouts, weight_shapes


def alter(model: keras.Model, surgery: Surgery, *, image_size: int) -> keras.Model:
    """Return the network after surgery, its new weights not set yet; the model given is used up.

    image_size: pixels a side, for the shapes. RecipeError where they do not fit each other.
    """
    before = weight_shapes(model)
    with type_policy(model.inputs[0].dtype):
        changes = surgery.changes or model.inputs[0].shape[-1] != surgery.in_channels
        if changes:
            model = with_changes(model, surgery)
            require_other_shapes_alike(before, weight_shapes(model), surgery)
        if surgery.start is not None or surgery.pool is not None or surgery.head is not None:
            model = with_end(model, surgery)
            note_layouts(model)
        if changes:  # behind a cut nothing has to fit
            stage_shapes(model, surgery.card, image_size=image_size, channels=surgery.in_channels)
    for name, shape in weight_shapes(model).items():
        if surgery.is_own_head(name) and before.get(name, shape) != shape:
            raise surgery.head_misfit(name.rpartition(".")[0])
    return model


def with_changes(model: keras.Model, surgery: Surgery) -> keras.Model:
    """Return the network with other windows, strides and dilations, on images of the channels that are asked for."""
    changes = surgery.changed_convolutions(weight_shapes(model))

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if layer.name in changes:
            assert isinstance(layer, Conv2d)
            config |= changed(layer, changes[layer.name])
        return type(layer).from_config(config)

    images = images_like(model, surgery.in_channels)
    clone_of = keras.models.clone_model(model, input_tensors=images, clone_function=clone, call_function=fitting)
    return network_of(images, clone_of.outputs, model.name)


def require_other_shapes_alike(before: Shapes, after: Shapes, surgery: Surgery) -> None:
    """Raise Misfit where a tensor of no changed convolution has another shape, as Keras's table of positions would."""
    changed = (first_convolution(before), *surgery.changed_convolutions(before))
    if any(before[name] != shape and not under(name, changed) for name, shape in after.items()):
        raise Misfit(surgery.original.name)


def changed(conv: Conv2d, change: Change) -> dict[str, Any]:
    """Return what a change sets in a convolution's configuration."""
    numbers = {key: value for key in ("kernel", "dilation") if (value := getattr(change, key)) is not None}
    padding = conv.padding
    if not isinstance(padding, str):
        sides = zip(conv.kernel_size, pair(padding), strict=True)
        padding = tuple(padding_of(numbers, kernel=k, dilation=conv.dilation, padding=p) for k, p in sides)
    return {
        "kernel_size": pair(change.kernel or conv.kernel_size),
        "stride": change.stride or conv.stride,
        "padding": padding,
        "dilation": change.dilation or conv.dilation,
    }


def with_end(model: keras.Model, surgery: Surgery) -> keras.Model:
    """Return the network up to the cut, and from there on fresh layers: the pooling and the head."""
    card, classes = surgery.original, model.outputs[0].shape[-1]
    first = (surgery.start,) if surgery.start else (card.tail or card.stages["head"])[:1]
    x = layers_under(model, first)[0].input
    if isinstance(x, list):  # what a dense block's layer takes: without it, the block itself concatenates them
        x = keras.layers.Concatenate(name=f"{first[0].rpartition('.')[0]}.cat")(x)
    for name in card.tail:
        pools = surgery.pool is not None and name == card.pool
        x = GlobalPool(str(surgery.pool), name=name)(x) if pools else again(model.get_layer(name))(x)
    if surgery.head is not None:
        x = build_head(x, surgery.head, classes=classes, path=surgery.card.head)
    else:
        for layer in layers_under(model, card.stages["head"]):
            x = again(layer)(x)
    others = model.outputs[1:] if surgery.keeps_auxiliary else []
    return network_of(model.inputs[0], [x, *others], model.name)


def network_of(images: KerasTensor, outputs: list[KerasTensor], name: str) -> keras.Model:
    """Return the network from images to logits, with auxiliary ones behind them if it has any."""
    return WithAuxiliary(images, outputs, name=name) if len(outputs) > 1 else keras.Model(images, outputs[0], name=name)


def layers_under(model: keras.Model, prefixes: tuple[str, ...]) -> list[keras.layers.Layer]:
    """Return the layers at and below these paths, in the order in which they run."""
    return [layer for layer in model.layers if under(layer.name, prefixes)]


def again(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return a fresh layer with the same settings."""
    return type(layer).from_config(layer.get_config())
