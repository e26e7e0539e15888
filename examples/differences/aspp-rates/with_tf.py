"""The first dilated convolution of DeepLab in TensorFlow at stride 16, rate 6, on a map of 30 x 30; and at rate 12."""

import json

import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
x, weight = (tf.constant(rng.normal(size=size)) for size in ((1, 2, 30, 30), (3, 2, 3, 3)))
x, weight = tf.transpose(x, [0, 2, 3, 1]), tf.transpose(weight, [2, 3, 1, 0])
rows = [tf.nn.conv2d(x, weight, 1, "SAME", dilations=rate).numpy()[0, 10].T.tolist() for rate in (6, 12)]
print(json.dumps({"default": rows[0], "mended": rows[1]}))
