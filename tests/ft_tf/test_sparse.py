"""A convolution that goes back from few places has the gradients of a plain one."""

import numpy as np
import pytest
import tensorflow as tf

from ft_tf.layers import Conv2d, SparseConv2d


@pytest.mark.parametrize("share", [0.0, 0.05, 0.9])
def test_gradients_are_those_of_a_plain_convolution(share):
    rng, found = np.random.default_rng(0), []
    x, g = (tf.constant(rng.normal(size=(2, 9, 7, c))) for c in (4, 6))
    g *= rng.random((2, 9, 7, 1)) < share
    tensors = [rng.normal(size=(3, 3, 4, 6)), rng.normal(size=6)]
    for kind in (SparseConv2d, Conv2d):
        layer = kind(6, 3, padding=1, dtype="float64")
        layer.build(x.shape)
        layer.set_weights(tensors)
        given = [x, layer.kernel.value, layer.bias.value]
        with tf.GradientTape() as tape:
            tape.watch(given)
            total = tf.reduce_sum((layer(x, training=True) if kind is SparseConv2d else layer(x)) * g)
        found.append([y.numpy() for y in tape.gradient(total, given)])
    for own, expected in zip(*found, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-12, atol=1e-13)
