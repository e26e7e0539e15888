"""The shapes at the ends of each stage of a Keras model, found by making its graph anew for one image size."""

import re
from typing import Any

import keras
from keras import KerasTensor

from ft.network.surgery import Misfit, too_small, unequal_maps, unequal_sum
from ft.zoo.card import Card, under
from ft_tf.layers import WithAuxiliary
from ft_tf.precision import type_policy


def stage_shapes(
    model: keras.Model, card: Card, *, image_size: int, channels: int
) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return what each stage takes and what it gives, for one image, in canonical order: (C, H, W), (T, C) or (F,).

    Nothing is computed. RecipeError where the shapes of two layers do not fit each other.
    """
    takes: dict[str, tuple[int, ...]] = {}
    gives: dict[str, tuple[int, ...]] = {}

    def call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        output = fitting(layer, *args, **kwargs)
        stage = next((stage for stage, prefixes in card.stages.items() if under(layer.name, prefixes)), None)
        if stage and isinstance(args[0], KerasTensor):  # lists of tensors come and go inside of a stage
            takes.setdefault(stage, shape_of(args[0]))
        if stage and isinstance(output, KerasTensor):
            gives[stage] = shape_of(output)
        return output

    main = model.main if isinstance(model, WithAuxiliary) else model
    images = images_like(model, channels, image_size=image_size)
    with type_policy(images.dtype):
        given = images if isinstance(main.input, KerasTensor) else [images]
        keras.models.clone_model(main, input_tensors=given, call_function=call)
    return {stage: (taken, gives[stage]) for stage, taken in takes.items()}


def fitting(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
    """Return what a layer makes of its inputs. Misfit where it cannot, or where a sum would have to be broadcast."""
    path = re.sub(r"\.(add|cat|mul)(\.\d+)?$", "", layer.name)  # the block, whose code adds up in PyTorch
    merges = {keras.layers.Add: unequal_sum, keras.layers.Concatenate: unequal_maps}
    if (why := merges.get(type(layer))) and (reason := why(map(shape_of, args[0]))):
        raise Misfit(path, reason)
    try:
        output = layer(*args, **kwargs)
    except (ValueError, TypeError):
        raise Misfit(path) from None
    if isinstance(output, KerasTensor) and any(size is not None and size < 1 for size in output.shape[1:]):
        raise Misfit(path, too_small(shape_of(args[0])))
    return output


def shape_of(x: KerasTensor) -> tuple[int, ...]:
    """Return the canonical shape of one sample."""
    shape = tuple(x.shape[1:])
    return (shape[2], *shape[:2]) if len(shape) == 3 else shape


def images_like(model: keras.Model, channels: int, *, image_size: int | None = None) -> KerasTensor:
    """Return an input like the model's, for images of other channels or of a size."""
    images = model.inputs[0]
    height, width = (image_size, image_size) if image_size else images.shape[1:3]
    return keras.Input((height, width, channels), dtype=images.dtype, name="images")
