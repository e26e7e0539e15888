"""The variance of 4 + 3 values on two replicas from sums of squares, as Keras has it; and from deviations."""

import json

import tensorflow as tf

x = 1e6 + tf.constant([0.1, 0.4, 0.2, 0.7, 0.3, 0.9, 0.5], tf.float64)
parts = x[:4], x[4:]
mean = tf.add_n([tf.reduce_sum(part) for part in parts]) / 7
squares = tf.add_n([tf.reduce_sum(tf.square(part)) for part in parts]) / 7
lost = tf.maximum(squares - tf.square(mean), 0)

deviations = tf.add_n([tf.reduce_sum(tf.square(part - mean)) for part in parts])
variance = deviations / 7 * (7 / 6)
print(json.dumps({"default": float(lost), "mended": float(variance)}))
