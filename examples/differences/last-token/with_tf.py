"""The last token of padded texts in TensorFlow: the last place, which may be padding; and by the mask."""

import json

import numpy as np
import tensorflow as tf

x = tf.constant(np.arange(24.0).reshape(2, 4, 3))  # two texts, four places, three channels
mask = tf.constant([[1, 1, 1, 1], [1, 1, 0, 0]])  # the second text has two tokens
place = x[:, -1]

at = tf.argmax(mask * tf.range(4), 1)
last = tf.gather(x, at, axis=1, batch_dims=1)
print(json.dumps({"default": place.numpy().tolist(), "mended": last.numpy().tolist()}))
