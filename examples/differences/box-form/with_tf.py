"""The same boxes as COCO writes them, x, y, width and height, taken for corners; and turned into these."""

import json

import tensorflow as tf

boxes = tf.constant([[10.0, 20, 40, 60], [20, 25, 50, 50], [0, 30, 60, 60]], tf.float64)


def overlaps(boxes):
    first, last = tf.split(boxes, 2, axis=1)
    both = tf.minimum(last[0], last[1:]) - tf.maximum(first[0], first[1:])
    areas, both = tf.reduce_prod(last - first, 1), tf.reduce_prod(tf.maximum(both, 0), 1)
    return (both / (areas[0] + areas[1:] - both)).numpy().tolist()


corners = tf.concat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
print(json.dumps({"default": overlaps(boxes), "mended": overlaps(corners)}))
