"""The same mask resized to the rounded box; and with a frame of 0 around it in a larger box, as torchvision does."""

import json

import numpy as np
import tensorflow as tf

mask, box = np.random.default_rng(0).random((1, 1, 4, 4))[0, 0, ..., None], np.array([2.3, 3.6, 11.2, 12.4])


def rows(mask, corners, sides):
    x, y = corners
    covered = tf.image.resize(mask, sides[::-1])[..., 0] > 0.5
    return tf.reduce_sum(tf.cast(tf.pad(covered, [[y, 16 - y - sides[1]], [x, 16 - x - sides[0]]]), tf.int64), 1)


whole = np.round(box).astype(int)
default = rows(mask, whole[:2], whole[2:] - whole[:2])
middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * 6 / 4
first, last = (middle - half).astype(int), (middle + half).astype(int)
mended = rows(np.pad(mask, [(1, 1), (1, 1), (0, 0)]), first, last - first + 1)
print(json.dumps({"default": default.numpy().tolist(), "mended": mended.numpy().tolist()}))
