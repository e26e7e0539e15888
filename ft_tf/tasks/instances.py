"""Objects with masks: the losses of detection, and one more of masks, of what a step drew: torchvision's.

The mean over all points of the masks of the drawn boxes that are of an object, a yes or no each; without one it is 0.
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
    """Return the losses as sums, of anchors, of boxes and of points of masks, see detection.py."""
    return one_more(detection.terms(outputs), mask_loss(outputs), tf.size(outputs["masks"]))


def losses(outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Return the five losses by the names that torchvision gives them."""
    return {**detection.losses(outputs), "loss_mask": mask_loss(outputs)}


def mask_loss(outputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Return the mean over all points of all masks."""
    own = tf.nn.sigmoid_cross_entropy_with_logits(outputs["masks"], outputs["mask_logits"])
    return tf.reduce_sum(own) / count_of(own)
