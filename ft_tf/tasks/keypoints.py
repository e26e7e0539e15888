"""Objects with keypoints: the losses of detection, and one more of keypoints, of what a step drew: torchvision's.

The mean, over the keypoints that the drawn boxes of objects show, of the cross-entropy over the places of a heatmap;
without one it is 0.
"""

from collections.abc import Mapping

import tensorflow as tf

from ft.backend.objective import Objective
from ft_tf.tasks import detection
from ft_tf.tasks.detection import count_of, right

__all__ = ["loss", "losses", "right"]


def loss(outputs: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor], objective: Objective) -> tf.Tensor:
    """Return the sum of the losses. outputs: what the network says where it was asked, and what it is to say."""
    return tf.add_n(list(losses(outputs).values()))


def losses(outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Return the five losses by the names that torchvision gives them."""
    terms = tf.nn.sparse_softmax_cross_entropy_with_logits(outputs["cells"], outputs["heatmaps"])
    return {**detection.losses(outputs), "loss_keypoint": tf.reduce_sum(terms) / count_of(terms)}
