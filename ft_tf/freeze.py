"""A freezing plan applied to a Keras model."""

import keras

from ft.network.freeze import Freeze


def apply_freeze(model: keras.Model, plan: Freeze) -> None:
    """Clear trainable of every layer that does not train; here that says nothing of BatchNorm's statistics."""
    for layer in model.layers:
        # Keras's own BatchNormalization runs in inference mode where it is not trainable, whatever it is called with
        by_mode = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = not (plan.is_still(layer.name) if by_mode else plan.is_frozen(layer.name))


def set_training_mode(model: keras.Model, plan: Freeze) -> None:
    """Mark the layers that run in inference mode even where the model is called with training=True."""
    for layer in model.layers:
        layer.frozen = plan.is_still(layer.name)
