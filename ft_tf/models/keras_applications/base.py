"""What all networks of keras.applications take to become ours: a place for the logits, names, and layouts."""

from collections.abc import Callable

import keras

from ft_tf.precision import type_policy
from ft_tf.weights import note_layouts


def application(
    make: Callable[..., keras.Model],
    *,
    num_classes: int,
    image_size: int,
    dtype: str,
    exchange: Callable[[keras.layers.Layer], keras.layers.Layer] | None = None,
) -> keras.Model:
    """Return a network that `make` builds: images (N, image_size, image_size, 3) -> logits (N, num_classes).

    exchange: gives a layer of this network for each of the stock one, which is then a copy.
    """
    with type_policy(dtype):
        images = keras.Input((image_size, image_size, 3), dtype=dtype, name="images")
        shape = (image_size, image_size, 3)
        model = make(
            weights=None, input_tensor=images, input_shape=shape, classes=num_classes, classifier_activation=None
        )
        if exchange is not None:
            model = keras.models.clone_model(model, clone_function=exchange)
    note_layouts(model)
    return model


def renamed(layer: keras.layers.Layer, name: str) -> keras.layers.Layer:
    """Return a fresh layer of the same kind and settings with another name."""
    return type(layer).from_config({**layer.get_config(), "name": name})
