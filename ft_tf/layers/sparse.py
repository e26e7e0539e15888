"""A convolution whose gradient comes from few places, as that of the proposals does, which learn from drawn anchors."""

from collections.abc import Callable

import tensorflow as tf

from ft_tf.layers.base import register, sizes
from ft_tf.layers.conv import Conv2d

Gradients = tuple[tf.Tensor, tf.Tensor]
STEPS = [[0, row, column] for row in range(3) for column in range(3)]


@register
class SparseConv2d(Conv2d):
    """A 3x3 convolution of stride 1 that goes back in training from the places alone at which there is a gradient."""

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return super().call(x)
        return convolved(x, tf.convert_to_tensor(self.kernel)) + tf.convert_to_tensor(self.bias)


def convolved(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Return x (N, H, W, C) convolved with a kernel (3, 3, C, O), padded by one pixel."""

    @tf.custom_gradient
    def product(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], Gradients]]:
        return tf.nn.conv2d(x, kernel, 1, "SAME"), lambda g: gradients(g, x, kernel)

    return product(x, kernel)


def gradients(g: tf.Tensor, x: tf.Tensor, kernel: tf.Tensor) -> Gradients:
    """Return the gradients of x and of the kernel by that of what they make, from where it is not 0."""
    places = tf.where(tf.reduce_any(g != 0, -1))
    rows, around = tf.gather_nd(g, places), places[:, None] + tf.constant(STEPS, tf.int64)
    framed, channels = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), sizes(kernel)[2]
    flat = tf.reshape(kernel, [9 * channels, -1])
    patches = tf.reshape(tf.gather_nd(framed, around), [-1, 9 * channels])
    of_kernel = tf.reshape(tf.matmul(patches, rows, transpose_a=True), kernel.shape)
    shares = tf.reshape(tf.matmul(rows, flat, transpose_b=True), [-1, 9, channels])
    return tf.scatter_nd(around, shares, tf.shape(framed, tf.int64))[:, 1:-1, 1:-1], of_kernel
