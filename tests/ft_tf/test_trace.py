"""The recorder sees every layer once a call, with the values of that moment, under the names that both wings use."""

import keras
import numpy as np
import tensorflow as tf

from ft_tf import recording
from ft_tf.layers import Conv2d, Linear


@keras.saving.register_keras_serializable("tests")
class Attention(keras.layers.Layer):
    """A layer with a sublayer that it never calls."""

    def __init__(self, **base):
        super().__init__(**base)
        self.out = keras.layers.Dense(3, name="out")

    def call(self, x):
        return x * tf.reduce_mean(x, [1, 2], keepdims=True)


def functional():
    images = keras.Input((4, 4, 3))
    y = Conv2d(3, 3, padding=1, name="stage.0.conv")(images)
    y = keras.layers.ReLU(name="stage.0.relu")(y)
    y = keras.layers.Add(name="stage.0.add")([y, images])
    y = keras.layers.ReLU(name="stage.0.relu.1")(y)
    y = keras.layers.Concatenate(name="stage.0.cat")([Attention(name="stage.0.attention")(y), y])
    y = keras.layers.GlobalAveragePooling2D(name="stage.0.mean")(y)
    return keras.Model(images, Linear(2, name="head")(y))


class Subclassed(keras.Model):
    """A model whose layers bear names inside of one another."""

    def __init__(self):
        super().__init__()
        self.body = keras.Sequential(
            [keras.layers.Dense(3, name="one"), keras.layers.Dense(2, name="two")], name="body"
        )

    def call(self, x):
        return self.body(x)


IMAGES = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)


def test_names_order_and_inputs():
    model = functional()
    with recording(model) as calls:
        model(IMAGES)
    kinds = {key: (call.kind, call.inputs) for key, call in calls.calls.items()}
    assert kinds == {
        "stage.0.conv": ("conv", ("",)),
        "stage.0.relu": ("relu", ("stage.0.conv",)),
        "stage.0.add": ("add", ("stage.0.relu", "")),
        "stage.0.relu#2": ("relu", ("stage.0.add",)),
        "stage.0.attention": ("attention", ("stage.0.relu#2",)),
        "stage.0.cat": ("cat", ("stage.0.attention", "stage.0.relu#2")),
        "stage.0.mean": ("avgpool", ("stage.0.cat",)),
        "head": ("linear", ("stage.0.mean",)),
    }
    assert calls.calls["stage.0.conv"].settings["kernel_size"] == [3, 3]


def test_arrays_are_those_of_the_layers():
    model = functional()
    with recording(model) as calls:
        logits = model(IMAGES)
    for key in ("stage.0.conv", "stage.0.add", "stage.0.cat"):
        part = keras.Model(model.input, model.get_layer(key).output)
        np.testing.assert_array_equal(calls.arrays[key], part(IMAGES))
    np.testing.assert_array_equal(calls.arrays["stage.0.conv<0"], IMAGES)
    np.testing.assert_array_equal(calls.arrays["head"], logits)


def test_a_compiled_function_is_seen_too_and_nothing_stays_behind():
    model, before = functional(), keras.layers.Layer.__call__
    run = tf.function(lambda x: model(x))
    with recording(model) as calls:
        run(tf.constant(IMAGES))
    assert "head" in calls.calls
    assert keras.layers.Layer.__call__ is before
    assert not tf.config.functions_run_eagerly()


def test_layers_inside_of_layers():
    model = Subclassed()
    with recording(model) as calls:
        model(IMAGES)
    assert list(calls.calls) == ["body.one", "body.two"]


def turning():
    """Maps that are turned, become tokens, and are pooled in either layout."""
    layers = keras.layers
    x = images = keras.Input((3, 4, 5))
    x = layers.Permute((2, 3, 1), name="turn")(x)
    x = Conv2d(4, 1, name="conv")(x)
    x = layers.Permute((2, 1, 3), name="swap")(x)
    x = layers.Activation("relu", name="act")(x)
    x = layers.Reshape((20, 4), name="tokens")(x)
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.AveragePooling1D(2, data_format="channels_first", name="pool")(x)
    return keras.Model(images, layers.GlobalAveragePooling1D(name="mean")(x))


def test_axes_are_said():
    model = turning()
    model.traced_images = "NCHW"
    with recording(model) as calls:
        model(np.ones((2, 3, 4, 5), np.float32))
    axes = {key: (call.axes, call.input_axes) for key, call in calls.calls.items()}
    assert axes == {
        "turn": ("NHWC", ("NCHW",)),
        "conv": ("NHWC", ("NHWC",)),
        "swap": ("NWHC", ("NHWC",)),
        "act": ("NWHC", ("NWHC",)),
        "tokens": ("NTC", ("NWHC",)),
        "norm": ("NTC", ("NTC",)),
        "pool": ("NCT", ("NTC",)),
        "mean": ("NC", ("NCT",)),
    }
