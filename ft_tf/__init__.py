"""The Keras wing: ports of torchvision's networks, the written optimizer, one native step. Lazy throughout."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ft.system.lazy import lazy_names, once_imported

if TYPE_CHECKING:
    from ft_tf.average import Average
    from ft_tf.export import export_model, open_exported, run_exported
    from ft_tf.freeze import apply_freeze, set_training_mode
    from ft_tf.frozen import split
    from ft_tf.layers import seed_noise
    from ft_tf.learner import Learner
    from ft_tf.models import build_model
    from ft_tf.models.text import build_text, split_text
    from ft_tf.optim import LARS, SGD, Adagrad, Adam, AdamW, RMSprop, clip_gradients, make_optimizer
    from ft_tf.penalty import Penalty
    from ft_tf.ranks import connect
    from ft_tf.runtime import count_gpus, is_out_of_memory, prepare
    from ft_tf.shapes import stage_shapes
    from ft_tf.stranger import Stranger
    from ft_tf.surgery import alter
    from ft_tf.tasks.classification import binary_cross_entropy, cross_entropy, focal_loss
    from ft_tf.trace import recording
    from ft_tf.weights import (
        building_empty,
        get_weights,
        own_names,
        parameters,
        set_weights,
        weight_shapes,
        write_weights,
    )

# before Keras or TensorFlow are imported: this wing is native TensorFlow, and its import messages are not for users
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__all__ = [
    "LARS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Average",
    "Learner",
    "Penalty",
    "RMSprop",
    "Stranger",
    "alter",
    "apply_freeze",
    "binary_cross_entropy",
    "build_model",
    "build_text",
    "building_empty",
    "clip_gradients",
    "connect",
    "count_gpus",
    "cross_entropy",
    "export_model",
    "focal_loss",
    "get_weights",
    "is_out_of_memory",
    "make_optimizer",
    "open_exported",
    "own_names",
    "parameters",
    "prepare",
    "recording",
    "run_exported",
    "seed_noise",
    "set_training_mode",
    "set_weights",
    "split",
    "split_text",
    "stage_shapes",
    "weight_shapes",
    "write_weights",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "LARS": "optim",
        "SGD": "optim",
        "Average": "average",
        "Penalty": "penalty",
        "Adagrad": "optim",
        "Adam": "optim",
        "AdamW": "optim",
        "RMSprop": "optim",
        "clip_gradients": "optim",
        "make_optimizer": "optim",
        "Learner": "learner",
        "Stranger": "stranger",
        "alter": "surgery",
        "apply_freeze": "freeze",
        "build_model": "models",
        "build_text": "models.text",
        "building_empty": "weights",
        "binary_cross_entropy": "tasks.classification",
        "cross_entropy": "tasks.classification",
        "export_model": "export",
        "focal_loss": "tasks.classification",
        "get_weights": "weights",
        "is_out_of_memory": "runtime",
        "own_names": "weights",
        "parameters": "weights",
        "connect": "ranks",
        "count_gpus": "runtime",
        "prepare": "runtime",
        "recording": "trace",
        "open_exported": "export",
        "run_exported": "export",
        "seed_noise": "layers",
        "set_training_mode": "freeze",
        "set_weights": "weights",
        "split": "frozen",
        "split_text": "models.text",
        "stage_shapes": "shapes",
        "weight_shapes": "weights",
        "write_weights": "weights",
    },
)

# what a saved model may be made of, by the module of the wing that it stands in
REGISTERED = {
    "head": ("GlobalPool",),
    "layers": (
        *("AdaptiveAvgPool2d", "AvgPool2d", "BatchNorm2d", "Conv2d", "Dropout", "Flatten", "Gelu", "InlineFlatten"),
        *("LayerNorm", "Linear", "MaxPool2d", "Normalization", "Resize", "StochasticDepth", "WithAuxiliary"),
        *("AnchorDetections", "ConvTranspose2d", "Decisions", "Detections", "Enlarge", "FoundHeatmaps", "FoundMasks"),
        *("FoundPoints", "FoundRois", "FrozenBatchNorm2d", "GroupNorm", "PoolBoxes", "ResizeNearest"),
        *("SparseConv2d", "AdditiveMask", "Affine", "AttentionContext", "AttentionDropout", "AttentionWeights"),
        *("GeluNew", "PoolTokens", "Positions", "SplitThree", "TiedEmbedding", "TiedLogits", "TokenEmbedding"),
    ),
    "models.convnext": ("LayerScale",),
    "models.maxvit": ("Departition", "Partition", "RelativeAttention"),
    "models.ssd": ("ScaledNorm",),
    "models.shufflenetv2": ("ChannelShuffle", "Split"),
    "models.swin_transformer": ("Neighbours", "WindowAttentionV1", "WindowAttentionV2"),
    "models.vision_transformer": ("ClassToken", "FirstToken", "MultiheadAttention", "PositionEmbedding", "Tokens"),
}


class Registered:
    """Stands for a registered class until a saved model asks for it: Keras imports no module of others by itself."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def from_config(self, config: dict[str, Any]) -> Any:
        return getattr(import_module(f"{__name__}.{self.module}"), self.name).from_config(config)


def register_all() -> None:
    """Tell Keras of every class of this wing that a saved model may name, importing none of them."""
    import keras

    known = keras.saving.get_custom_objects()
    for module, names in REGISTERED.items():
        for name in names:
            known.setdefault(f"{__name__}>{name}", Registered(module, name))


once_imported("keras", register_all)
