"""The Keras wing's layers against torch's own: outputs and gradients in float64, one graph for images of odd sizes."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ft.parity.arrays import require_equal
from ft.weights.layouts import to_canonical
from ft_tf import layers
from ft_tf.weights import get_weights, layout_of, parameters, set_weights
from parity_tests.support.pairs import FORWARD

NAMED = {"name": "layer", "dtype": "float64"}
CHANNELS = 6
IMAGES = [(3, 7, 10, CHANNELS), (2, 12, 9, CHANNELS), (1, 5, 8, CHANNELS)]  # (N, H, W, C)
VECTORS = {2: [(4, CHANNELS)], 3: [(3, 5, CHANNELS)], 4: [(2, 7, 3, CHANNELS)]}  # (..., C) by rank
POOLS = [(2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 0), (2, 2, 1), (5, 3, 2)]  # kernel, stride, padding


def nhwc(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    """Let torch's layer for images take and return them in N, H, W, C."""
    return lambda x: layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def model_of(*chain: keras.layers.Layer, rank: int, sides: tuple[int, ...] | None = None) -> keras.Model:
    """Return the layers one after another as a model; of its inputs (N, ..., C) only C is known, or the sides, too."""
    inputs = x = keras.Input((*(sides or [None] * (rank - 2)), CHANNELS), dtype="float64")
    for layer in chain:
        x = layer(x)
    return keras.Model(inputs, x)


def with_gradients(model: keras.Model) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Return the model as a graph: x -> output, and gradients of the sum of its squares, by canonical name."""

    def call(x: tf.Tensor) -> dict[str, tf.Tensor]:
        leaves = {"x": x, **{name: w.value for name, w in parameters(model).items()}}
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x)
            total = tf.reduce_sum(y**2)
        return {"y": y, **tape.gradient(total, leaves)}

    return tf.function(call, input_signature=[tf.TensorSpec(model.inputs[0].shape, tf.float64)])


def require_same(
    model: keras.Model, theirs: Callable[[Tensor], Tensor], shapes: list, weights: nn.Module | None = None
):
    """Require the same outputs and gradients for inputs of all shapes. weights: torch's layer, where it has any."""
    rng = np.random.default_rng(0)
    set_weights(model, {name: rng.normal(size=w.shape) for name, w in get_weights(model).items()})
    theirs_by_name = dict(weights.double().named_parameters(prefix="layer")) if weights else {}
    with torch.no_grad():
        for name, w in theirs_by_name.items():
            w.copy_(torch.from_numpy(get_weights(model)[name]))
    ours = with_gradients(model)
    for shape in shapes:
        array = rng.normal(size=shape) - 3  # zeros in place of minus infinity would be seen
        tensors = {
            name: to_canonical(t.numpy(), layout_of(parameters(model)[name]) if name in theirs_by_name else "same")
            for name, t in ours(tf.constant(array)).items()
        }
        x = torch.from_numpy(array).requires_grad_()
        y = theirs(x)
        leaves = {"x": x, **theirs_by_name}
        gradients = torch.autograd.grad((y**2).sum(), list(leaves.values()))
        expected = {"y": y, **dict(zip(leaves, gradients, strict=True))}
        require_equal(tensors, {name: t.detach().numpy() for name, t in expected.items()}, bar=FORWARD, what=str(shape))


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding"), POOLS)
def test_max_pool(kernel, stride, padding, ceil_mode):
    layer = layers.MaxPool2d(kernel, stride=stride, padding=padding, ceil_mode=ceil_mode, dtype="float64")
    require_same(model_of(layer, rank=4), nhwc(nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode)), IMAGES)


@pytest.mark.parametrize(("kernel", "stride", "padding"), POOLS)
def test_average_pool(kernel, stride, padding):
    layer = layers.AvgPool2d(kernel, stride=stride, padding=padding, dtype="float64")
    require_same(model_of(layer, rank=4), nhwc(nn.AvgPool2d(kernel, stride, padding)), IMAGES)


@pytest.mark.parametrize("size", [1, 4, 7])
def test_adaptive_average_pool_to_more_or_fewer_pixels(size):
    layer = layers.AdaptiveAvgPool2d(size, dtype="float64")
    require_same(model_of(layer, rank=4), nhwc(nn.AdaptiveAvgPool2d(size)), IMAGES)


def test_flatten_after_adaptive_pooling():
    chain = layers.AdaptiveAvgPool2d(3, dtype="float64"), layers.Flatten(dtype="float64")
    theirs = nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten())
    require_same(model_of(*chain, rank=4), lambda x: theirs(x.permute(0, 3, 1, 2)), IMAGES)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("kernel", "padding"), [((1, 7), (0, 3)), ((5, 1), (2, 0)), ((2, 3), (0, 1)), ((3, 2), 1)])
def test_rectangular_convolution(kernel, padding, groups):
    theirs = nn.Conv2d(CHANNELS, 4, kernel, padding=padding, groups=groups)
    ours = layers.Conv2d(4, kernel, padding=padding, groups=groups, name="layer", dtype="float64")
    require_same(model_of(ours, rank=4), nhwc(theirs), IMAGES, theirs)


@pytest.mark.parametrize("groups", [1, 2, CHANNELS])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 2), (2, 3)])
def test_dilated_convolution(stride, dilation, groups):
    theirs = nn.Conv2d(CHANNELS, CHANNELS, 3, stride, dilation, dilation, groups)
    ours = layers.Conv2d(CHANNELS, 3, stride=stride, padding=dilation, groups=groups, dilation=dilation, **NAMED)
    require_same(model_of(ours, rank=4), nhwc(theirs), IMAGES, theirs)


@pytest.mark.parametrize("dilation", [2, 4, 6, 36])
@pytest.mark.parametrize("kernel", [3, (1, 5)])
def test_dilated_convolution_of_maps_whose_size_is_known(kernel, dilation):
    """Where the dilation is large against the map the layer goes another way: it meets much or nothing of the map."""
    height, width = tf_pair = layers.pair(kernel)
    padding = tuple(dilation * (size - 1) // 2 for size in tf_pair)
    theirs = nn.Conv2d(CHANNELS, 4, (height, width), padding=padding, dilation=dilation)
    for shape in [(2, 13, 9, CHANNELS), (3, 23, 25, CHANNELS)]:
        ours = layers.Conv2d(4, kernel, padding=padding, dilation=dilation, **NAMED)
        require_same(model_of(ours, rank=4, sides=shape[1:3]), nhwc(theirs), [shape], theirs)


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (7, 3), (40, 57)])
@pytest.mark.parametrize("known", [True, False])
def test_resizing(size, known):
    """Up and down and to the same size; where only the running graph knows sizes, too."""
    layer, like = layers.Resize(dtype="float64"), tf.zeros((1, *size, 1), tf.float64)
    theirs = nhwc(lambda x: interpolate(x, size, mode="bilinear", align_corners=False))
    for shape in IMAGES:
        inputs = keras.Input((*(shape[1:3] if known else (None, None)), CHANNELS), dtype="float64")
        other = keras.Input((*(size if known else (None, None)), 1), dtype="float64")
        both = keras.Model([inputs, other], layer([inputs, other]))
        signature = [tf.TensorSpec(inputs.shape, tf.float64), tf.TensorSpec(other.shape, tf.float64)]

        def call(x, like, both=both):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = both([x, like])
                total = tf.reduce_sum(y**2)
            return y, tape.gradient(total, x)

        array = np.random.default_rng(0).normal(size=shape)
        results = tf.function(call, input_signature=signature)(tf.constant(array), like)
        x = torch.from_numpy(array).requires_grad_()
        y = theirs(x)
        expected = (y, *torch.autograd.grad((y**2).sum(), [x]))
        names = ("y", "x")
        require_equal(
            {name: t.numpy() for name, t in zip(names, results, strict=True)},
            {name: t.detach().numpy() for name, t in zip(names, expected, strict=True)},
            bar=1e-14,
        )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rank", VECTORS)
def test_linear(rank, bias):
    theirs = nn.Linear(CHANNELS, 5, bias=bias)
    ours = layers.Linear(5, bias=bias, name="layer", dtype="float64")
    require_same(model_of(ours, rank=rank), theirs, VECTORS[rank], theirs)


@pytest.mark.parametrize("rank", VECTORS)
def test_layer_norm(rank):
    theirs = nn.LayerNorm(CHANNELS, eps=1e-3)
    ours = layers.LayerNorm(eps=1e-3, name="layer", dtype="float64")
    require_same(model_of(ours, rank=rank), theirs, VECTORS[rank], theirs)
