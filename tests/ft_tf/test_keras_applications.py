"""The networks of keras.applications against the package: same outputs, same training pass, same pixels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import ft_tf
from ft.zoo import find_card
from ft_tf.precision import type_policy

SIZE, CLASSES = 64, 7
MODES = {"caffe": "keras/resnet50", "tf": "keras/xception", "torch": "resnet50"}


@pytest.fixture(scope="module")
def twins():
    """Return our ResNet-50 and Keras's with the same weights, every BatchNorm tensor drawn."""
    rng = np.random.default_rng(0)
    ours = ft_tf.build_model("keras/resnet50", num_classes=CLASSES, dtype="float64", options={"image_size": SIZE})
    with type_policy("float64"):
        images = keras.Input((SIZE, SIZE, 3), dtype="float64")
        theirs = keras.applications.ResNet50(
            weights=None, input_tensor=images, input_shape=(SIZE, SIZE, 3), classes=CLASSES, classifier_activation=None
        )
    tensors = {
        name: rng.uniform(0.5, 1.5, shape) if len(shape) == 1 else rng.normal(0, 0.05, shape)
        for name, shape in ft_tf.weight_shapes(ours).items()
    }
    ft_tf.set_weights(ours, tensors)
    theirs.set_weights(ours.get_weights())
    return ours, theirs


@pytest.mark.parametrize("training", [False, True])
def test_resnet50_is_keras(twins, training):
    images = tf.constant(np.random.default_rng(1).normal(size=(3, SIZE, SIZE, 3)))
    ours, theirs = (model(images, training=training).numpy() for model in twins)
    assert ours.dtype == np.float64
    assert np.array_equal(ours, theirs)
    assert all(np.array_equal(a, b) for a, b in zip(*(model.get_weights() for model in twins), strict=True))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pixels_are_keras(mode, dtype):
    values = np.arange(256, dtype=np.uint8)
    pixels = np.stack([values, values[::-1], values ^ 85], 1).reshape(2, 8, 16, 3)
    preprocess = find_card(MODES[mode]).preprocess
    theirs = keras.applications.imagenet_utils.preprocess_input(pixels.astype(dtype), mode=mode)
    assert preprocess.mode == mode
    assert np.array_equal(preprocess.normalise(pixels, dtype), theirs)  # bit for bit: the same operations in order


def test_raw_pixels_stay():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    assert np.array_equal(find_card("keras/efficientnet_b0").preprocess.normalise(pixels), pixels.astype(np.float32))


def test_noise_is_the_shared_one():
    model = ft_tf.build_model(
        "keras/efficientnet_b0", num_classes=3, options=find_card("keras/efficientnet_b0").options()
    )
    rates = {layer.name: layer.p for layer in model.layers if isinstance(layer, ft_tf.layers.Noise)}
    stock = keras.applications.EfficientNetB0(weights=None, classes=3)
    assert rates == {layer.name: layer.rate for layer in stock.layers if isinstance(layer, keras.layers.Dropout)}
    assert not any(isinstance(layer, ft_tf.layers.KERAS_DROPOUT) for layer in model.layers)
