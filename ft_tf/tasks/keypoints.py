"""Objects with keypoints: the losses of detection, and one more of keypoints, of what a step drew: torchvision's.

The mean, over the keypoints that the drawn boxes of objects show, of the cross-entropy over the places of a heatmap;
without one it is 0.
"""

from collections.abc import Mapping

import tensorflow as tf

from ft.backend.objective import Objective
from ft_tf.drawn import Terms
from ft_tf.tasks import detection
from ft_tf.tasks.detection import count_of, one_more, right

__all__ = ["loss", "losses", "right", "terms"]


def loss(outputs: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor], objective: Objective) -> tf.Tensor:
    """Return the sum of the losses. outputs: what the network says where it was asked, and what it is to say."""
    return tf.add_n(list(losses(outputs).values()))


def terms(outputs: Mapping[str, tf.Tensor]) -> Terms:
    """Return the losses as sums, of anchors, of boxes and of keypoints, see detection.py."""
    return one_more(detection.terms(outputs), point_loss(outputs), tf.size(outputs["cells"]))


def losses(outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Return the five losses by the names that torchvision gives them."""
    return {**detection.losses(outputs), "loss_keypoint": point_loss(outputs)}


def point_loss(outputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Return the mean over all keypoints."""
    own = tf.nn.sparse_softmax_cross_entropy_with_logits(outputs["cells"], outputs["heatmaps"])
    return tf.reduce_sum(own) / count_of(own)
