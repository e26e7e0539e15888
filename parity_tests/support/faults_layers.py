"""Faults of layers, each planted in one wing at a place drawn from the generator."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import tensorflow as tf
import torch
from torch import Tensor
from torch.nn import functional as F

from ft.backend.contract import Learner
from ft.differences.depthwise_layout import regrouped
from ft_tf.layers import grouped_conv2d
from parity_tests.support.faults import Fault
from parity_tests.support.pairs import Case
from parity_tests.support.small_pair import SMALL

Pair = dict[str, Learner]
RESNET = Case("resnet18", "none", {"weights": "none"})
LITE = Case("efficientnet_lite0", "none", {"weights": "none", "dropout": 0.4, "stochastic_depth": 0.4})


def one_of(rng: np.random.Generator, *choices: Any) -> Any:
    """Return one of the choices."""
    return choices[rng.integers(len(choices))]


def one_wing(rng: np.random.Generator) -> str:
    """Return the wing that gets the fault."""
    return one_of(rng, "torch", "tf")


def layer_of(pair: Pair, wing: str, path: str) -> Any:
    """Return a native layer."""
    model = pair[wing].model
    return model.get_submodule(path) if wing == "torch" else model.get_layer(path)


@contextmanager
def computing(pair: Pair, wing: str, path: str, **formulas: Callable[..., Any]) -> Iterator[None]:
    """Let one layer of a wing compute the formula given under the wing's name."""
    name = {"torch": "forward", "tf": "call"}[wing]
    formula = formulas[wing]
    with patch.object(layer_of(pair, wing, path), name, lambda x, *rest, **named: formula(x)):
        yield


@contextmanager
def losing(wing: str, **formulas: Callable[..., Any]) -> Iterator[None]:
    """Let a wing's learner compute the loss by the formula under the wing's name, of logits, labels and smoothing."""
    with patch(f"ft_{wing}.tasks.classification.cross_entropy", formulas[wing]):
        yield


def set_weight(pair: Pair, wing: str, **tensors: np.ndarray) -> None:
    """Assign some of a wing's tensors."""
    learner = pair[wing]
    learner.set_weights({**learner.get_weights(), **tensors})


@contextmanager
def other_flatten_order(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Flatten in H, W, C order."""
    with computing(
        *(pair, one_wing(rng), "flatten"),
        torch=lambda x: x.permute(0, 2, 3, 1).flatten(1),
        tf=lambda x: tf.reshape(x, [tf.shape(x)[0], -1]),
    ):
        yield


@contextmanager
def tanh_gelu(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Approximate GELU by tanh, or in Keras take its own exact one, whose constant is a float32."""
    with computing(
        *(pair, one_wing(rng), "gelu"),
        torch=lambda x: F.gelu(x, approximate="tanh"),
        tf=one_of(rng, keras.ops.gelu, keras.activations.gelu),
    ):
        yield


@contextmanager
def other_slope(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Give a leaky ReLU another slope."""
    leaky = layer_of(pair, one_wing(rng), "leaky")
    with patch.object(leaky, "negative_slope", one_of(rng, 0.3, 0.2, 0.01)):
        yield


@contextmanager
def padding_left_out(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Divide an average at the border by the number of real pixels."""

    def average(x: tf.Tensor) -> tf.Tensor:
        around = [[0, 0], [1, 1], [1, 1], [0, 0]]
        sums, shares = (tf.nn.avg_pool2d(tf.pad(z, around), 3, 2, "VALID") for z in (x, tf.ones_like(x)))
        return sums / shares

    with computing(
        *(pair, one_wing(rng), "avgpool"),
        torch=lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        tf=average,
    ):
        yield


@contextmanager
def zeros_around_maximum(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Pad max pooling with zeros."""
    with computing(
        *(pair, one_wing(rng), "maxpool"),
        torch=lambda x: F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2),
        tf=lambda x: tf.nn.max_pool2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, "VALID"),
    ):
        yield


@contextmanager
def other_masks(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Drop other values, or at another rate, in the dropout of the small pair or in a late layer of Lite0."""
    small = hasattr(pair["torch"].model, "dropout")
    path = "dropout" if small else one_of(rng, "classifier.0", "features.6.3.stochastic_depth")
    wing = one_wing(rng)
    layer = layer_of(pair, wing, path)
    attribute = "keys" if wing == "torch" else "key"
    key = (int(rng.integers(1 << 40)),)
    with one_of(
        rng,
        patch.object(layer, "p", 0.6),
        patch.object(layer, attribute, key if wing == "torch" else key[0]),
    ):
        yield


@contextmanager
def other_channel_count(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Count the output channels of a depthwise convolution with a multiplier as m * I + i, in weight or use."""
    wing, path = one_wing(rng), "depthwise"
    weight = pair[wing].get_weights()[f"{path}.weight"]
    if one_of(rng, True, False):
        set_weight(pair, wing, **{f"{path}.weight": regrouped(weight, 6, 2)})
        yield
        return
    order, layer = regrouped(np.arange(12), 6, 2), layer_of(pair, wing, path)
    with computing(
        *(pair, wing, path),
        torch=lambda x: F.conv2d(x, layer.weight[order], padding=1, groups=6),
        tf=lambda x: grouped_conv2d(x, tf.gather(layer.kernel, order, axis=-1), [1, 1, 1, 1], "SAME"),
    ):
        yield


@contextmanager
def other_kernel_axes(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Change two axes of a 3 x 3 kernel of ResNet-18, in weight or use."""
    block = f"layer{rng.integers(1, 5)}.1"
    wing, path = one_wing(rng), f"{block}.conv{rng.integers(1, 3)}"
    axes = one_of(rng, (2, 3), (0, 1))
    layer, weight = layer_of(pair, wing, path), pair[wing].get_weights()[f"{path}.weight"]
    if one_of(rng, True, False):
        set_weight(pair, wing, **{f"{path}.weight": weight.swapaxes(*axes)})
        yield
        return
    with computing(
        *(pair, wing, path),
        torch=lambda x: F.conv2d(x, layer.weight.transpose(*axes), padding=1),
        tf=lambda x: tf.nn.conv2d(
            x, tf.transpose(layer.kernel, [1, 0, 2, 3] if axes == (2, 3) else [0, 1, 3, 2]), 1, "SAME"
        ),
    ):
        yield


@contextmanager
def own_starts(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Start a linear layer as nn.Linear does in one wing and as keras.layers.Dense does in the other."""
    path = "fc" if hasattr(pair["torch"].model, "fc") else one_of(rng, "hidden", "head")
    outputs, inputs = pair["torch"].get_weights()[f"{path}.weight"].shape
    torch.manual_seed(int(rng.integers(1 << 30)))
    linear = torch.nn.Linear(inputs, outputs, dtype=torch.float64)
    glorot = keras.initializers.GlorotUniform(seed=int(rng.integers(1 << 30)))
    kernel = np.asarray(glorot((inputs, outputs), "float64"))
    starts = [(linear.weight.detach().numpy(), linear.bias.detach().numpy()), (kernel.T, np.zeros(outputs))]
    for wing, (weight, bias) in zip(rng.permutation(["torch", "tf"]), starts, strict=True):
        set_weight(pair, wing, **{f"{path}.weight": weight, f"{path}.bias": bias})
    yield


@contextmanager
def other_limit(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Add a limit of 6 to a ReLU of ResNet-18, or take it from a ReLU6 of Lite0; values large enough to meet it."""
    resnet = hasattr(pair["torch"].model, "fc")
    block = f"layer{rng.integers(1, 5)}.{rng.integers(2)}" if resnet else f"features.{rng.integers(2, 7)}.0.block.0"
    norm, path = (f"{block}.bn1", f"{block}.relu") if resnet else (f"{block}.1", f"{block}.2")
    for name, learner in pair.items():
        set_weight(pair, name, **{f"{norm}.weight": 8 * learner.get_weights()[f"{norm}.weight"]})
    with computing(
        *(pair, one_wing(rng), path),
        torch=F.relu6 if resnet else F.relu,
        tf=tf.nn.relu6 if resnet else tf.nn.relu,
    ):
        yield


@contextmanager
def no_shortcut(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Leave out the shortcut of one block of ResNet-18: in one wing the sum is gone, in the other it has one term."""
    wing, path = one_wing(rng), f"layer{rng.integers(1, 5)}.1"
    if wing == "tf":
        with patch.object(layer_of(pair, wing, f"{path}.add"), "call", lambda inputs: inputs[0] * 1):
            yield
        return
    block = layer_of(pair, wing, path)

    def without(x: Tensor) -> Tensor:
        x = block.relu(block.bn1(block.conv1(x)))
        return block.relu(block.bn2(block.conv2(x)))

    with patch.object(block, "forward", without):
        yield


FAULTS = [
    Fault("flatten-order", SMALL, other_flatten_order),
    Fault("gelu-tanh", SMALL, tanh_gelu),
    Fault("leaky-relu-slope", SMALL, other_slope),
    Fault("average-pool-padding", SMALL, padding_left_out),
    Fault("max-pool-padding", SMALL, zeros_around_maximum),
    Fault("dropout-mask", SMALL, other_masks),
    Fault("dropout-mask", LITE, other_masks),
    Fault("depthwise-layout", SMALL, other_channel_count),
    Fault("kernel-layout", RESNET, other_kernel_axes),
    Fault("linear-init", SMALL, own_starts),
    Fault("linear-init", RESNET, own_starts),
    Fault("relu6", RESNET, other_limit),
    Fault("relu6", LITE, other_limit),
    Fault("dropped-residual", RESNET, no_shortcut),
]
