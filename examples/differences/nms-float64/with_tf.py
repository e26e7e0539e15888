"""The same by tf.image.non_max_suppression, which takes float32 alone and keeps both; and written out in float64."""

import json

import numpy as np
import tensorflow as tf

boxes, scores = np.array([[0, 0, 10, 10], [0, 0, 10, 5 + 1e-9]]), np.array([2.0, 1])
kept = tf.image.non_max_suppression(boxes, scores, 2, 0.5).numpy()  # NumPy's float64 is narrowed without a word


def overlap(a, b):
    both = np.prod(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]))
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


mended = [0] if overlap(boxes[0], boxes[1]) > 0.5 else [0, 1]
print(json.dumps({name: [float(i in own) for i in range(2)] for name, own in (("default", kept), ("mended", mended))}))
