"""The same in the order of TensorFlow's object detection API, the second square last; and in torchvision's."""

import json

import numpy as np
import tensorflow as tf

scale, following = 0.2, 0.35
ratios = np.array([1, 2, 1 / 2, 3, 1 / 3])
widths, heights = scale * np.sqrt(ratios), scale / np.sqrt(ratios)
second = np.sqrt(scale * following)
sides = np.stack([np.append(widths, second), np.append(heights, second)], 1)


def corners(sides):
    half = tf.clip_by_value(tf.cast(tf.constant(sides, tf.float32), tf.float64), 0, 1) / 2  # float32, as torchvision's
    return (100 * tf.concat([0.5 - half, 0.5 + half], 1)).numpy().tolist()


print(json.dumps({"default": corners(sides), "mended": corners(sides[[0, 5, 1, 2, 3, 4]])}))
