"""The places of the five best of ten scores, of which many are equal, by tf.math.top_k: the lowest first."""

import json

import tensorflow as tf

scores = tf.constant([0.0, 0, 1, 0, 1, 1, 1, 1, 0, 1])
places = tf.math.top_k(scores, 5).indices
print(json.dumps({"default": places.numpy().tolist(), "mended": places.numpy().tolist()}))
