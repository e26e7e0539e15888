"""The layers with which Keras speaks torchvision's semantics: names, layouts, padding, BatchNorm, noise.

Activations are N, H, W, C here (TensorFlow's CPU kernels know nothing else); weights keep TensorFlow's layouts, and
each variable says by its `layout` how it becomes the canonical tensor. A layer bears its torchvision module path.
Saved models know each by "ft_tf" and its name, in whichever file it stands.
"""

from ft_tf.layers.attention import add_table, attend, relative_position_bias, roll, split_heads
from ft_tf.layers.base import ForLiteRT, Gelu, SameShape, WithAuxiliary, litert_operators, register, sizes
from ft_tf.layers.boxes import (
    AnchorDetections,
    Decisions,
    Detections,
    PoolBoxes,
    count_of_losses,
    lesson_of_anchors,
    maps_of,
    native_decisions,
    sizes_of,
)
from ft_tf.layers.conv import (
    Conv2d,
    ConvTranspose2d,
    Linear,
    conv_norm_activation,
    explicit_padding,
    grouped_conv2d,
    linear,
    pair,
    squeeze_excitation,
)
from ft_tf.layers.masks import FoundMasks, FoundRois, of_class
from ft_tf.layers.noise import KERAS_DROPOUT, Dropout, Noise, StochasticDepth, noise, seed_noise
from ft_tf.layers.norm import (
    BatchNorm2d,
    FrozenBatchNorm2d,
    GroupNorm,
    LayerNorm,
    Normalization,
    batch_norm,
    frozen_norms,
    norms_of,
)
from ft_tf.layers.points import Enlarge, FoundHeatmaps, FoundPoints
from ft_tf.layers.pool import AdaptiveAvgPool2d, AvgPool2d, Flatten, InlineFlatten, MaxPool2d
from ft_tf.layers.resize import Resize, ResizeNearest, resize_bilinear
from ft_tf.layers.sparse import SparseConv2d
from ft_tf.layers.sync import synchronised
from ft_tf.layers.text import (
    AdditiveMask,
    Affine,
    AttentionContext,
    AttentionDropout,
    AttentionWeights,
    GeluNew,
    PoolTokens,
    Positions,
    SplitThree,
    TiedEmbedding,
    TiedLogits,
    TokenEmbedding,
)

__all__ = [
    "KERAS_DROPOUT",
    "AdaptiveAvgPool2d",
    "AdditiveMask",
    "Affine",
    "AnchorDetections",
    "AttentionContext",
    "AttentionDropout",
    "AttentionWeights",
    "AvgPool2d",
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "Decisions",
    "Detections",
    "Dropout",
    "Enlarge",
    "Flatten",
    "ForLiteRT",
    "FoundHeatmaps",
    "FoundMasks",
    "FoundPoints",
    "FoundRois",
    "FrozenBatchNorm2d",
    "Gelu",
    "GeluNew",
    "GroupNorm",
    "InlineFlatten",
    "LayerNorm",
    "Linear",
    "MaxPool2d",
    "Noise",
    "Normalization",
    "PoolBoxes",
    "PoolTokens",
    "Positions",
    "Resize",
    "ResizeNearest",
    "SameShape",
    "SparseConv2d",
    "SplitThree",
    "StochasticDepth",
    "TiedEmbedding",
    "TiedLogits",
    "TokenEmbedding",
    "WithAuxiliary",
    "add_table",
    "attend",
    "batch_norm",
    "conv_norm_activation",
    "count_of_losses",
    "explicit_padding",
    "frozen_norms",
    "grouped_conv2d",
    "lesson_of_anchors",
    "linear",
    "litert_operators",
    "maps_of",
    "native_decisions",
    "noise",
    "norms_of",
    "of_class",
    "pair",
    "register",
    "relative_position_bias",
    "resize_bilinear",
    "roll",
    "seed_noise",
    "sizes",
    "sizes_of",
    "split_heads",
    "squeeze_excitation",
    "synchronised",
]
