"""Weights of a network that starts from nothing, by rule on canonical names and shapes.

| tensor                                | start                             | as torch does                  |
|---------------------------------------|-----------------------------------|--------------------------------|
| `weight` of 4 axes (convolution)      | normal, std sqrt(2 / (O * H * W)) | kaiming_normal_, fan_out, relu |
| that of a pyramid, `backbone.fpn`     | uniform in +-sqrt(3 / (I * H * W)) | kaiming_uniform_, a=1          |
| that of proposals, `rpn.head`         | normal, std 0.01                  | torchvision/models/detection/rpn.py |
| that of a head of one stage           | normal, std 0.01                  | torchvision's retinanet.py, fcos.py |
| bias of its classes                   | -log(99): an object is rare       | torchvision's retinanet.py, fcos.py |
| that of SSD behind VGG, and its head  | uniform in +-sqrt(6 / (H * W * (I + O))) | xavier_uniform_         |
| that of SSDlite behind its body       | normal, std 0.03                  | torchvision's ssdlite.py       |
| `weight` of 2 axes (linear), its bias | uniform in +-1 / sqrt(in)         | nn.Linear's default            |
| `weight` of 1 axis (normalisation)    | 1                                 | nn.BatchNorm2d                 |
| other `bias`, `running_mean`          | 0                                 | torchvision/models/vgg.py      |
| `running_var`; `num_batches_tracked`  | 1; 0                              | nn.BatchNorm2d                 |
| `in_proj_weight`; `in_proj_bias`      | as linear weights; 0              | nn.MultiheadAttention          |
| position embeddings and bias tables   | normal, std 0.02                  | vision_transformer.py, swin    |
| `class_token`; `layer_scale`          | 0; 1e-6                           | vision_transformer.py, convnext |
| `logit_scale`                         | log(10)                           | swin_transformer.py (v2)       |
| `scale_weight`                        | 20                                | torchvision's ssd.py           |
| `p` of gem pooling                    | 3                                 | Radenovic et al., TPAMI 2019   |

Each tensor has a generator of its own, keyed by its name: adding a layer changes no other layer's start.
"""

import hashlib
import math
import re
from collections.abc import Mapping

import numpy as np

from ft.errors import WeightsError, listed
from ft.noise import generator
from ft.zoo.card import GEM_POWER
from ft.zoo.ssd import START

CONSTANTS = {
    "running_mean": 0.0,
    "running_var": 1.0,
    "in_proj_bias": 0.0,
    "class_token": 0.0,
    "layer_scale": 1e-6,
    "logit_scale": math.log(10),
    "p": GEM_POWER,
    "scale_weight": START,
}
VECTORS = ("running_mean", "running_var", "in_proj_bias", "p", "scale_weight")
SMALL = ("rpn.head.", "head.classification_head.", "head.regression_head.")  # where convolutions start
RARE = "head.classification_head.cls_logits.bias"
LITE = re.compile(r"head\.\w+_head\.module_list\.\d+\.\d(\.0)?\.weight|backbone\.extra\.\d\.\d\.0\.weight")
ON_VGG = re.compile(r"head\.\w+_head\.module_list\.\d+\.weight|backbone\.extra\.(0\.7|[1-4])\.\d\.weight")
EMBEDDINGS = ("pos_embedding", "relative_position_bias_table")


def initial_weights(shapes: Mapping[str, tuple[int, ...]], *, seed: int) -> dict[str, np.ndarray]:
    """Return a start for every name, float64 but for int64 counters. WeightsError lists names that no rule covers."""
    drawn = {name: draw(name, tuple(shape), shapes, seed) for name, shape in shapes.items()}
    tensors = {name: tensor for name, tensor in drawn.items() if tensor is not None}
    if len(tensors) < len(drawn):
        strangers = [f"{name} {tuple(shapes[name])}" for name in drawn if name not in tensors]
        raise WeightsError(
            f"no rule says how {listed(strangers)} starts; expected weights and biases of convolutions, "
            "linear layers and BatchNorm, so start from pretrained weights"
        )
    return tensors


def draw(name: str, shape: tuple[int, ...], shapes: Mapping[str, tuple[int, ...]], seed: int) -> np.ndarray | None:
    """Return the start of one tensor, or None where no rule covers it. A bias follows the weight beside it."""
    prefix, dot, leaf = name.rpartition(".")
    weight = tuple(shapes.get(f"{prefix}{dot}weight", ()))
    if leaf == "weight" and len(shape) == 4:
        return draw_convolution(name, shape, seed)
    if leaf in ("weight", "in_proj_weight") and len(shape) == 2:
        weight = shape
    if len(weight) == 2 and leaf in ("weight", "in_proj_weight", "bias"):
        bound = 1.0 / math.sqrt(weight[1])
        return random_numbers(name, seed).uniform(-bound, bound, shape)
    if leaf == "num_batches_tracked" and shape == ():
        return np.zeros(shape, np.int64)
    if leaf in CONSTANTS and (len(shape) == 1) == (leaf in VECTORS):
        return np.full(shape, CONSTANTS[leaf])
    if leaf in EMBEDDINGS:
        return random_numbers(name, seed).normal(0.0, 0.02, shape)
    if len(shape) == 1 and leaf == "weight":
        return np.ones(shape)
    if name == RARE:
        return np.full(shape, -math.log(99))
    if len(shape) == 1 and leaf == "bias" and len(weight) in (1, 4):
        return np.zeros(shape)
    return None


def draw_convolution(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return the start of a convolution's weight (O, I, H, W), by where it stands."""
    rng = random_numbers(name, seed)
    if name.startswith("backbone.fpn."):
        bound = math.sqrt(3.0 / math.prod(shape[1:]))
        return rng.uniform(-bound, bound, shape)
    if ON_VGG.fullmatch(name):
        bound = math.sqrt(6.0 / (sum(shape[:2]) * math.prod(shape[2:])))
        return rng.uniform(-bound, bound, shape)
    if LITE.fullmatch(name):
        return rng.normal(0.0, 0.03, shape)
    if name.startswith(SMALL):
        return rng.normal(0.0, 0.01, shape)
    return rng.normal(0.0, math.sqrt(2.0 / (shape[0] * shape[2] * shape[3])), shape)


def random_numbers(name: str, seed: int) -> np.random.Generator:
    """Return the generator of one tensor's start."""
    return generator(seed, "init", int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]))
