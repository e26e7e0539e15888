"""The Keras wing: ports of torchvision's networks, the written optimizer, one native step. Lazy throughout."""

import os
from typing import TYPE_CHECKING

from ft.lazy import lazy_names

if TYPE_CHECKING:
    from ft_tf.freeze import apply_freeze, set_training_mode
    from ft_tf.frozen import split
    from ft_tf.layers import seed_noise
    from ft_tf.learner import Learner
    from ft_tf.losses import cross_entropy
    from ft_tf.models import build_model
    from ft_tf.optim import SGD
    from ft_tf.runtime import prepare
    from ft_tf.shapes import stage_shapes
    from ft_tf.stranger import Stranger
    from ft_tf.surgery import alter
    from ft_tf.trace import recording
    from ft_tf.weights import get_weights, parameters, set_weights, weight_shapes

# before Keras or TensorFlow are imported: this wing is native TensorFlow, and its import messages are not for users
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__all__ = [
    "SGD",
    "Learner",
    "Stranger",
    "alter",
    "apply_freeze",
    "build_model",
    "cross_entropy",
    "get_weights",
    "parameters",
    "prepare",
    "recording",
    "seed_noise",
    "set_training_mode",
    "set_weights",
    "split",
    "stage_shapes",
    "weight_shapes",
]

__getattr__ = lazy_names(
    __name__,
    {
        "SGD": "optim",
        "Learner": "learner",
        "Stranger": "stranger",
        "alter": "surgery",
        "apply_freeze": "freeze",
        "build_model": "models",
        "cross_entropy": "losses",
        "get_weights": "weights",
        "parameters": "weights",
        "prepare": "runtime",
        "recording": "trace",
        "seed_noise": "layers",
        "set_training_mode": "freeze",
        "set_weights": "weights",
        "split": "frozen",
        "stage_shapes": "shapes",
        "weight_shapes": "weights",
    },
)
