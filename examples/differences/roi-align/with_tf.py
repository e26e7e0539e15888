"""Two boxes cut out of a map by crop_and_resize and 2 x 2 means; and by two matrices a box and a product."""

import json

import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
maps = rng.normal(size=(1, 2, 13, 17)).transpose(0, 2, 3, 1)
boxes = np.array([[8.0, 12, 100, 70], [30.0, 5, 60, 90]]) / 8
unit = boxes[:, [1, 0, 3, 2]] / np.array([12, 16, 12, 16])  # y before x, over the last pixel's place
cut = tf.image.crop_and_resize(maps, unit, [0, 0], (6, 6))
default = tf.transpose(tf.nn.avg_pool2d(cut, 2, 2, "VALID"), [0, 3, 1, 2])


def weights(starts, ends, size):
    """Return what each bin takes of each pixel along one axis, (K, 3, size)."""
    points = starts[:, None] + (np.arange(6) + 0.5) * np.maximum(ends - starts, 1)[:, None] / 6
    points = np.clip(points, 0, size - 1)[..., None]
    return tf.constant(np.maximum(0, 1 - np.abs(points - np.arange(size))).reshape(-1, 3, 2, size).mean(2))


down, across = weights(boxes[:, 1], boxes[:, 3], 13), weights(boxes[:, 0], boxes[:, 2], 17)
mended = tf.einsum("kpy,yxc,kqx->kcpq", down, tf.constant(maps[0]), across)
print(json.dumps({"default": default.numpy().tolist(), "mended": mended.numpy().tolist()}))
