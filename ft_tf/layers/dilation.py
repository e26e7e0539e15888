"""Dilated convolutions: TensorFlow's CPU kernels have no gradients of them."""

from collections.abc import Callable
from itertools import product

import tensorflow as tf

from ft_tf.layers.base import sizes

Convolve = Callable[[tf.Tensor, tf.Tensor, list[int], str], tf.Tensor]


def dilated_conv2d(convolve: Convolve, x: tf.Tensor, kernel: tf.Tensor, dilation: int, padding: str) -> tf.Tensor:
    """Convolve, `dilation` pixels between neighbours in the kernel and a stride of 1, by a convolution without.

    The pixels that meet are made neighbours, as tf.nn.convolution does. On a map that is not large against the
    dilation that is mostly padding; there products are 2 to 40 times as fast.
    """
    if convolve is tf.nn.conv2d and padding == "SAME" and reaches_far(x, kernel, dilation):
        return by_products(x, kernel, dilation)
    return tf.nn.with_space_to_batch(
        x,
        [dilation, dilation],
        padding,
        lambda batches, _, inner: convolve(batches, kernel, [1, 1, 1, 1], inner),
        filter_shape=kernel.shape[:2],
    )


def reaches_far(x: tf.Tensor, kernel: tf.Tensor, dilation: int) -> bool:
    """Tell whether products are the faster way: they are exact up to the type's own rounding, so not in bfloat16."""
    sides = [side for side in sizes(x)[1:3] if isinstance(side, int)]
    odd = all(size % 2 for size in sizes(kernel)[:2])
    return len(sides) == 2 and odd and x.dtype != tf.bfloat16 and 4 * dilation > min(sides)


def by_products(x: tf.Tensor, kernel: tf.Tensor, dilation: int) -> tf.Tensor:
    """Return the sum of what each place of a kernel makes of the pixels that it meets."""
    (_, height, width, _), (rows, columns, *_) = sizes(x), sizes(kernel)
    parts = []
    for row, column in product(range(rows), range(columns)):
        down, right = (row - rows // 2) * dilation, (column - columns // 2) * dilation
        if abs(down) < height and abs(right) < width:
            met = x[:, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
            around = [[0, 0], [max(-down, 0), max(down, 0)], [max(-right, 0), max(right, 0)], [0, 0]]
            parts.append(tf.pad(tf.tensordot(met, kernel[row, column], 1), around))
    return tf.add_n(parts)


def spread(kernel: tf.Tensor, dilation: int) -> tf.Tensor:
    """Return a kernel (H, W, ...) with dilation - 1 zeros between its rows and columns, for strided convolutions."""
    if dilation == 1:
        return kernel
    height, width, *channels = (int(size) for size in kernel.shape)
    between = [[0, 0], [0, dilation - 1], [0, 0], [0, dilation - 1], [0, 0], [0, 0]]
    spread = tf.reshape(tf.pad(kernel[:, None, :, None], between), [height * dilation, width * dilation, *channels])
    return spread[: (height - 1) * dilation + 1, : (width - 1) * dilation + 1]
