"""The same by tf.image.non_max_suppression, over all classes; and with classes moved apart."""

import json

import tensorflow as tf

boxes = tf.constant([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 1, 10, 11], [20, 20, 30, 30]])
scores, classes = tf.constant([0.9, 0.8, 0.7, 0.6]), tf.constant([0.0, 1, 0, 1])


def alive(boxes):
    kept = tf.image.non_max_suppression(boxes, scores, 4, 0.5).numpy().tolist()
    return [float(place in kept) for place in range(4)]


print(json.dumps({"default": alive(boxes), "mended": alive(boxes + 31 * classes[:, None])}))
