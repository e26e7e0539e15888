"""The same box cut out with half a pixel taken off, as detectron2 does; and without."""

import json

import numpy as np
import tensorflow as tf

maps = tf.constant(np.random.default_rng(0).normal(size=(1, 2, 13, 17)))
box = np.array([8.0, 12, 100, 70]) / 8


def weights(start, end, size):
    """Return what each bin takes of each pixel along one axis, (3, size)."""
    points = np.clip(start + (np.arange(6) + 0.5) * (end - start) / 6, 0, size - 1)[:, None]
    return tf.constant(np.maximum(0, 1 - np.abs(points - np.arange(size))).reshape(3, 2, size).mean(1))


def cut(box):
    down, across = weights(box[1], box[3], 13), weights(box[0], box[2], 17)
    return tf.einsum("py,kcyx,qx->kcpq", down, maps, across).numpy().tolist()


print(json.dumps({"default": cut(box - 0.5), "mended": cut(box)}))
