"""Faults of layers' modes and constants, of optimizers and of precision, each planted in a wing that is drawn."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, cast
from unittest.mock import patch

import keras
import numpy as np
import tensorflow as tf
import torch
from torch.nn import functional as F

from ft_tf.layers import explicit_padding
from ft_torch.layers import Conv2dSame, Dropout
from parity_tests.support.faults import Fault, Plant
from parity_tests.support.native_optimizers import OfKeras, OfTorch, Written, adam, clip_all, clip_each, sgd
from parity_tests.support.pairs import Case
from parity_tests.support.small_pair import SMALL

Pair = dict[str, Any]  # learners
WINGS = ("torch", "tf")
NORM = torch.nn.BatchNorm2d
RESNET = Case("resnet18", "none", {"weights": "none"})
FROZEN = Case("resnet18", "stem,layer1,layer2", {"weights": "none"})
LITE = Case("efficientnet_lite0", "none", {"weights": "none"})
SWIN = Case("swin_t", "none", {"weights": "none", "image_size": 32})  # maps have the channels last in PyTorch too
SMALL_FROZEN = Case("small", "none", {"freeze": "body"})
EXACT = 2**-10  # a rate that float32 holds


def drawn_layer(
    pair: Pair, rng: np.random.Generator, kinds: Any, *, has: Callable[[Any], bool] = lambda layer: True
) -> tuple[str, str, Any]:
    """Draw a wing and a layer, of these PyTorch types and with this property: the wing, the path and its layer."""
    wing = str(rng.choice(WINGS))
    modules = pair["torch"].model.named_modules()
    path = str(rng.choice([path for path, layer in modules if isinstance(layer, kinds) and has(layer)]))
    model = pair[wing].model
    return wing, path, model.get_submodule(path) if wing == "torch" else model.get_layer(path)


@contextmanager
def padding(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """A strided convolution or the max pooling pads as TensorFlow's "same" does."""
    padded = lambda layer: layer.stride in (2, (2, 2)) and layer.padding not in (0, (0, 0))  # noqa: E731
    wing, _, layer = drawn_layer(pair, rng, (torch.nn.Conv2d, torch.nn.MaxPool2d), has=padded)
    if wing == "tf":
        change = patch.object(layer, "padding", "same")
    elif isinstance(layer, torch.nn.MaxPool2d):
        change = patch.object(layer, "forward", lambda x: F.max_pool2d(F.pad(x, same_pads(x), value=-np.inf), 3, 2))
    else:
        change = patch.object(layer, "forward", partial(Conv2dSame.forward, layer))
    with change:
        yield


def same_pads(x: torch.Tensor) -> list[int]:
    """Return what "same" pads an image by for a window of 3 and stride 2: left, right, top, bottom."""
    totals = [(-(-side // 2) - 1) * 2 + 3 - side for side in x.shape[:1:-1]]
    return [pad for total in totals for pad in (total // 2, total - total // 2)]


@contextmanager
def batchnorm_eps(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """A BatchNorm has Keras's eps, or one in between."""
    _, _, layer = drawn_layer(pair, rng, NORM)
    with patch.object(layer, "eps", float(rng.choice([1e-3, 1e-4, 2e-5]))):
        yield


@contextmanager
def batchnorm_momentum(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """A BatchNorm takes Keras's share of the new statistics, or the share of the old ones for that of the new."""
    _, _, layer = drawn_layer(pair, rng, NORM)
    with patch.object(layer, "momentum", float(rng.choice([0.01, 0.9, 0.05]))):
        yield


@contextmanager
def batchnorm_variance(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """A BatchNorm keeps the biased variance."""
    wing, _, layer = drawn_layer(pair, rng, NORM)

    def forward(x: torch.Tensor) -> torch.Tensor:
        if layer.training:
            layer.running_mean.lerp_(x.detach().mean((0, 2, 3)), layer.momentum)
            layer.running_var.lerp_(x.detach().var((0, 2, 3), correction=0), layer.momentum)
            layer.num_batches_tracked.add_(1)
            return F.batch_norm(x, None, None, layer.weight, layer.bias, True, 0.0, layer.eps)
        return original(x)

    def call(x: tf.Tensor, training: bool = False) -> tf.Tensor:
        y = original(x, training=training)
        if training:
            count = tf.size(x).numpy() / x.shape[-1]
            layer.moving_variance.assign_sub(layer.momentum * tf.math.reduce_variance(x, [0, 1, 2]) / (count - 1))
        return y

    name, changed = ("forward", forward) if wing == "torch" else ("call", call)
    original = getattr(layer, name)
    with patch.object(layer, name, changed):
        yield


@contextmanager
def frozen_batchnorm(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """The frozen BatchNorms from one on use and move the statistics of the batch."""
    frozen = pair["torch"].plan.is_frozen
    paths = [path for path, layer in pair["torch"].model.named_modules() if isinstance(layer, NORM) and frozen(path)]
    paths = paths[int(rng.integers(len(paths))) :]
    if str(rng.choice(WINGS)) == "torch":
        with after_setting_the_mode(lambda model: [model.get_submodule(path).train() for path in paths]):
            yield
    else:
        with attribute([pair["tf"].model.get_layer(path) for path in paths], "frozen", False):
            yield


@contextmanager
def train_mode(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """The whole network trains in inference mode, or infers in training mode; or its dropout alone stands still."""
    wing, dropout, layer = drawn_layer(pair, rng, Dropout)
    what, learner = str(rng.choice(["trains in eval", "infers in train", "no dropout"])), pair[wing]
    with {
        ("torch", "trains in eval"): lambda: after_setting_the_mode(lambda model: model.eval()),
        ("torch", "infers in train"): lambda: patch.object(learner.model, "eval", learner.model.train),
        ("torch", "no dropout"): lambda: after_setting_the_mode(lambda model: model.get_submodule(dropout).eval()),
        ("tf", "trains in eval"): lambda: always(learner, training=False),
        ("tf", "infers in train"): lambda: always(learner, training=True),
        ("tf", "no dropout"): lambda: attribute([layer], "frozen", True),
    }[wing, what]():
        yield


def after_setting_the_mode(change: Callable[[torch.nn.Module], Any]) -> Any:
    """Do something to the PyTorch model whenever a step has put its layers in their modes."""
    from ft_torch import learner

    original = learner.set_training_mode

    def set_training_mode(model: torch.nn.Module, plan: Any) -> None:
        original(model, plan)
        change(model)

    return patch.object(learner, "set_training_mode", set_training_mode)


def always(learner: Any, *, training: bool) -> Any:
    """Call a Keras model in one mode, whatever is asked for."""
    original = learner.forward
    return patch.object(learner, "forward", lambda inputs, **_: original(inputs, training=training))


@contextmanager
def attribute(layers: list[Any], name: str, value: Any) -> Iterator[None]:
    """Set an attribute of several layers for a while."""
    with ExitStack() as changes:
        for layer in layers:
            changes.enter_context(patch.object(layer, name, value))
        yield


@contextmanager
def initial_weights_swapped(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """A conversion has put gamma where the variance belongs, or beta where the mean does."""
    wing, path, _ = drawn_layer(pair, rng, NORM)
    learner = pair[wing]
    leaves = [("weight", "running_var"), ("bias", "running_mean")][int(rng.integers(2))]
    one, other = (f"{path}.{leaf}" for leaf in leaves)
    tensors = learner.get_weights()
    learner.set_weights({**tensors, one: tensors[other], other: tensors[one]})
    yield


@contextmanager
def layernorm_eps(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """The LayerNorm has Keras's eps, or one in between."""
    _, _, layer = drawn_layer(pair, rng, torch.nn.LayerNorm)
    with patch.object(layer, "eps", float(rng.choice([1e-3, 1e-4, 1e-6]))):
        yield


@contextmanager
def precision(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """A layer's output is rounded to a shorter type, or a convolution's operands are rounded to TF32."""
    what, dense = str(rng.choice(["float32", "bfloat16", "TF32"])), lambda layer: getattr(layer, "groups", 1) == 1
    kinds = torch.nn.Conv2d if what == "TF32" else (torch.nn.Conv2d, NORM, torch.nn.Linear)
    wing, _, layer = drawn_layer(pair, rng, kinds, has=dense)
    name = "forward" if wing == "torch" else "call"
    original = getattr(layer, name)

    def rounded(x: Any, **options: Any) -> Any:
        y = original(x, **options)
        if wing == "torch":
            return y.to(getattr(torch, what)).to(y.dtype)
        return tf.cast(tf.cast(y, what), y.dtype)

    def with_short_operands(x: Any) -> Any:
        if wing == "torch":
            return F.conv2d(in_tf32(x), in_tf32(layer.weight), layer.bias, layer.stride, layer.padding)
        stride, pads = [1, layer.stride, layer.stride, 1], cast(Any, explicit_padding(layer.padding))
        y = tf.nn.conv2d(in_tf32(x), in_tf32(tf.convert_to_tensor(layer.kernel)), stride, pads)
        return y if layer.bias is None else y + layer.bias

    with patch.object(layer, name, with_short_operands if what == "TF32" else rounded):
        yield


def in_tf32(x: Any) -> Any:
    """Return a float64 tensor rounded to TF32's 11 bits, by Veltkamp's splitting."""
    large = x * (2**42 + 1)
    return large - (large - x)


def as_it_is(pair: Pair, rng: np.random.Generator) -> Any:
    """Plant nothing: the rates alone make the training chaotic."""
    return patch.dict({})


Make = Callable[[Any], Any]  # an optimizer of parameters


@contextmanager
def optimizers(pair: Pair, of_torch: Make, of_tf: Make) -> Iterator[None]:
    """Give both wings other optimizers."""
    before = {wing: learner.optimizer for wing, learner in pair.items()}
    for (_, learner), make in zip(sorted(pair.items(), reverse=True), (of_torch, of_tf), strict=True):
        learner.optimizer = make(learner.optimizer.parameters)
    try:
        yield
    finally:
        for wing, learner in pair.items():
            learner.optimizer = before[wing]


def by(rule: Any, **options: Any) -> Make:
    """Return what makes an optimizer of a formula."""
    return lambda parameters: Written(parameters, rule, **options)


def native(make: Callable[..., Any], **options: Any) -> Make:
    """Return what makes one of the frameworks' own optimizers."""
    if make.__module__.startswith("torch"):
        return lambda parameters: OfTorch(parameters, lambda tensors: make(tensors, **options))
    return lambda parameters: OfKeras(parameters, make(**options))


def one_of(rng: np.random.Generator, pairs: list[tuple[Make, Make]]) -> tuple[Make, Make]:
    """Draw the optimizers of PyTorch and Keras."""
    return pairs[int(rng.integers(len(pairs)))]


def sgd_momentum(pair: Pair, rng: np.random.Generator) -> Any:
    """The rate is inside one wing's momentum buffer: Keras's own, or the same in PyTorch."""
    torchs = native(torch.optim.SGD, momentum=0.875), native(keras.optimizers.SGD, momentum=0.875)
    written = by(sgd(momentum=0.9, folded=True)), by(sgd(momentum=0.9))
    return optimizers(pair, *one_of(rng, [torchs, written]))


def nesterov(pair: Pair, rng: np.random.Generator) -> Any:
    """The flag is set in one wing only."""
    ahead, plain = {"momentum": 0.875, "nesterov": True}, {"momentum": 0.875}
    one, other = (ahead, plain) if rng.integers(2) else (plain, ahead)
    return optimizers(pair, native(torch.optim.SGD, **one), native(keras.optimizers.SGD, **other))


def weight_decay(pair: Pair, rng: np.random.Generator) -> Any:
    """The decay is in one wing's gradient and beside the other's update: with SGD and momentum, or with Adam."""
    numbers = {"momentum": 0.875, "weight_decay": 2**-7}
    decoupled = {"decay": 0.01, "decoupled": True}
    return optimizers(
        pair,
        *one_of(
            rng,
            [
                (native(torch.optim.SGD, **numbers), native(keras.optimizers.SGD, **numbers)),
                (by(sgd(momentum=0.9, **decoupled)), by(sgd(momentum=0.9, decay=0.01))),
                (native(torch.optim.Adam, weight_decay=0.01), by(adam(eps=1e-8, **decoupled))),
                (native(torch.optim.AdamW, weight_decay=0.01), by(adam(eps=1e-8, decay=0.01))),
            ],
        ),
    )


def decay_by_name(pair: Pair, rng: np.random.Generator) -> Any:
    """One wing leaves vectors out of the decay, as lists of names do: with SGD and momentum, or with AdamW."""
    forms = [
        [sgd(momentum=0.9, **decay) for decay in ({"decay": 0.01}, {})],
        [adam(eps=1e-8, **decay) for decay in ({"decay": 0.01, "decoupled": True}, {})],
    ]
    whole, bare = forms[int(rng.integers(2))]

    def listed(w: Any, *rest: Any) -> Any:
        return (bare if len(w.shape) == 1 else whole)(w, *rest)

    one, other = (whole, listed) if rng.integers(2) else (listed, whole)
    return optimizers(pair, by(one), by(other))


def adam_eps(pair: Pair, rng: np.random.Generator) -> Any:
    """One wing has the other framework's eps: the two frameworks' own Adam, or formulas."""
    pairs = [
        (native(torch.optim.Adam), native(keras.optimizers.Adam)),
        (by(adam(eps=1e-7, hat=True)), by(adam(eps=1e-8))),
        (native(torch.optim.Adam, eps=1e-7), by(adam(eps=1e-7, hat=True))),
    ]
    return optimizers(pair, *one_of(rng, pairs))


def gradient_clipping(pair: Pair, rng: np.random.Generator) -> Any:
    """One wing clips by the norm of all gradients, the other each by its own."""
    limit = 2.0 ** -int(rng.integers(2, 6))
    plain = sgd(momentum=0.9)
    pairs = [
        (by(plain, clip=clip_all(limit)), native(keras.optimizers.SGD, momentum=0.875, clipnorm=limit)),
        (by(plain, clip=clip_each(limit)), native(keras.optimizers.SGD, momentum=0.875, global_clipnorm=limit)),
    ]
    return optimizers(pair, *one_of(rng, pairs))


def learning_rate_float32(pair: Pair, rng: np.random.Generator) -> Any:
    """One wing rounds the rate, or the momentum, to float32: Keras's own SGD rounds both."""
    short = float(np.float32(0.9))
    plain = native(torch.optim.SGD, momentum=0.9)
    pairs = [
        (plain, native(keras.optimizers.SGD, momentum=0.9)),
        (plain, by(sgd(momentum=short))),
        (native(torch.optim.SGD, momentum=short), by(sgd(momentum=0.9))),
        (by(rounding_the_rate(sgd(momentum=0.9))), by(sgd(momentum=0.9))),
    ]
    return optimizers(pair, *one_of(rng, pairs))


def rounding_the_rate(rule: Any) -> Any:
    """Return a formula that is given the rate in float32."""
    return lambda w, g, lr, memory: rule(w, g, float(np.float32(lr)), memory)


def everywhere(entry: str, plant: Plant, **options: Any) -> list[Fault]:
    """Return a fault for a network of the zoo and for the small pair."""
    return [Fault(entry, case, plant, **options) for case in (RESNET, SMALL)]


FAULTS = [
    *everywhere("padding", padding),
    *everywhere("batchnorm-eps", batchnorm_eps),
    *everywhere("batchnorm-momentum", batchnorm_momentum),
    *everywhere("batchnorm-variance", batchnorm_variance),
    *(Fault("frozen-batchnorm", case, frozen_batchnorm) for case in (FROZEN, SMALL_FROZEN)),
    *(Fault("train-mode", case, train_mode) for case in (LITE, SMALL)),
    Fault("layernorm-eps", SMALL, layernorm_eps),
    Fault("layernorm-eps", SWIN, layernorm_eps),
    *everywhere("precision", precision),
    *everywhere("initial-weights-swapped", initial_weights_swapped),
    *everywhere("learning-rate-float32", learning_rate_float32, steps=2),
    *everywhere("sgd-momentum", sgd_momentum, steps=3, rates=(EXACT, EXACT / 4, EXACT / 2)),
    *everywhere("nesterov", nesterov, steps=2, rates=(EXACT,)),
    *everywhere("weight-decay", weight_decay, steps=2, rates=(EXACT,)),
    *everywhere("decay-by-name", decay_by_name, rates=(EXACT,)),
    *everywhere("adam-eps", adam_eps, rates=(EXACT,)),
    *everywhere("gradient-clipping", gradient_clipping, rates=(EXACT,)),
    Fault("chaotic-trajectory", RESNET, as_it_is, steps=7, rates=(0.05,)),
]
