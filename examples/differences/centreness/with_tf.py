"""The same by the paper's formula, the product; and its root."""

import json

import numpy as np
import tensorflow as tf

classes, middles = tf.constant(np.random.default_rng(0).normal(size=(2, 6)))
scores = tf.sigmoid(classes) * tf.sigmoid(middles)
print(json.dumps({"default": scores.numpy().tolist(), "mended": tf.sqrt(scores).numpy().tolist()}))
