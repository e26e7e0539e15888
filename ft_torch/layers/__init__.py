"""The few layers with which PyTorch speaks the recipe's semantics where its own differ from it."""

from ft_torch.layers.attention import additive_mask, pool_tokens, positions_of, with_shared_attention
from ft_torch.layers.boxes import Decider, Decisions, count_of_losses, find_boxes, lesson_of_anchors, pool_boxes
from ft_torch.layers.conv import Conv2dSame, SeparableConv2d, ZeroPad2dSame
from ft_torch.layers.linear import linear, with_products
from ft_torch.layers.native import Native, NativeDecider
from ft_torch.layers.noise import NOISE_CALLS, Dropout, Noise, StochasticDepth, noise, seed_noise, with_shared_noise
from ft_torch.layers.norm import KerasBatchNorm2d, Normalization
from ft_torch.layers.pool import FlattenHWC, MaxPool2dSame
from ft_torch.layers.resize import resize_bilinear
from ft_torch.layers.sparse import SparseConv2d
from ft_torch.layers.sync import learns, synchronised

__all__ = [
    "NOISE_CALLS",
    "Conv2dSame",
    "Decider",
    "Decisions",
    "Dropout",
    "FlattenHWC",
    "KerasBatchNorm2d",
    "MaxPool2dSame",
    "Native",
    "NativeDecider",
    "Noise",
    "Normalization",
    "SeparableConv2d",
    "SparseConv2d",
    "StochasticDepth",
    "ZeroPad2dSame",
    "additive_mask",
    "count_of_losses",
    "find_boxes",
    "learns",
    "lesson_of_anchors",
    "linear",
    "noise",
    "pool_boxes",
    "pool_tokens",
    "positions_of",
    "resize_bilinear",
    "seed_noise",
    "synchronised",
    "with_products",
    "with_shared_attention",
    "with_shared_noise",
]
