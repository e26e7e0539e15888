"""The same with the three hardest of the batch; and of the picture that has the object."""

import json

import numpy as np
import tensorflow as tf

logits = tf.constant(np.random.default_rng(0).normal(size=(2, 8, 3)))
classes = np.zeros((2, 8), np.int64)
classes[0, 1] = 2  # 0 is background
losses = tf.nn.sparse_softmax_cross_entropy_with_logits(classes, logits)
own, background = losses[0, 1], tf.where(classes == 0, losses, 0)
of_batch = tf.reduce_sum(tf.math.top_k(tf.reshape(background, [-1]), 3).values)
of_picture = tf.reduce_sum(tf.math.top_k(background[0], 3).values)
print(json.dumps({"default": [float(own + of_batch)], "mended": [float(own + of_picture)]}))
