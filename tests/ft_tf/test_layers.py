"""The layers: the masks are NumPy's at every step and however the step runs; elsewhere they are the framework's own."""

from functools import partial
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from ft.noise import keep_mask
from ft_tf.layers import (
    AdaptiveAvgPool2d,
    AttentionDropout,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Gelu,
    LayerNorm,
    Linear,
    MaxPool2d,
    StochasticDepth,
    noise,
    seed_noise,
)

SEED, P = 7, 0.3
SHAPES = [(5, 11), (4, 3, 2, 5)]  # (N, F) and (N, C, H, W); the layers see the latter as (N, H, W, C)
HOWS = {"eager": lambda step: step, "compiled": tf.function}


def network(kind, p):
    """Return a layer "drop" with the key of SEED."""
    layer = kind(p, name="drop", dtype="float64")
    seed_noise(SimpleNamespace(layers=[layer]), SEED)
    return layer


def run(layer, x, clock):
    with noise(SimpleNamespace(layers=[layer]), clock):
        return layer(x, training=True)


def to_canonical(array):
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def to_nhwc(array):
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def drop(step, layer, shape, *, first=0, how=run):
    """Return what training step `step` makes of ones, in canonical order."""
    return to_canonical(how(layer, tf.constant(to_nhwc(np.ones(shape))), tf.constant([step, first], tf.int64)).numpy())


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_dropout_masks_are_numpys(shape, how):
    layer, how = network(Dropout, P), HOWS[how](run)
    for step in (1, 2, 3):
        for first in (0, 6):
            expected = keep_mask(SEED, "drop", step, shape, P, first) * (1 / (1 - P))
            np.testing.assert_array_equal(drop(step, layer, shape, first=first, how=how), expected)
    assert how is run or how.experimental_get_tracing_count() == 1  # the step is an argument, not a constant


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_stochastic_depth_drops_whole_rows(shape, how):
    layer, how = network(StochasticDepth, P), HOWS[how](run)
    for step in (1, 2, 3):
        rows = keep_mask(SEED, "drop", step, shape[:1], P, 2) * (1 / (1 - P))
        expected = np.broadcast_to(rows.reshape(-1, *[1] * (len(shape) - 1)), shape)
        np.testing.assert_array_equal(drop(step, layer, shape, first=2, how=how), expected)


def test_a_batch_of_any_size_is_traced_once():
    layer = network(Dropout, P)
    step = tf.function(
        lambda x, clock: run(layer, x, clock),
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.float64), tf.TensorSpec([2], tf.int64)],
    )
    for n in (2, 5):
        expected = keep_mask(SEED, "drop", 1, (n, 3, 2, 4), P, 1) * (1 / (1 - P))
        dropped = step(tf.ones((n, 2, 4, 3), tf.float64), tf.constant([1, 1], tf.int64)).numpy()
        np.testing.assert_array_equal(to_canonical(dropped), expected)


@pytest.mark.parametrize("kind", [Dropout, AttentionDropout])
def test_a_large_mask_is_compiled_and_still_numpys(kind):
    layer, shape = network(kind, P), (2, 3, 128, 128)
    step = tf.function(lambda x, clock: run(layer, x, clock), autograph=False)
    for clock in ([1, 6], [2, 0]):
        kept = keep_mask(SEED, "drop", clock[0], shape, P, clock[1]) * (1 / (1 - P))
        x = tf.ones(shape if kind is AttentionDropout else (2, 128, 128, 3), tf.float64)
        dropped = step(x, tf.constant(clock, tf.int64)).numpy()
        np.testing.assert_array_equal(dropped if kind is AttentionDropout else to_canonical(dropped), kept)
    graph = step.get_concrete_function(x, tf.constant(clock, tf.int64)).graph
    assert any(op.type.endswith("PartitionedCall") and op.get_attr("_XlaMustCompile") for op in graph.get_operations())


def test_seeds_and_names_have_masks_of_their_own():
    layer = network(Dropout, P)
    before = drop(1, layer, (4, 100))
    seed_noise(SimpleNamespace(layers=[layer]), SEED + 1)
    assert (drop(1, layer, (4, 100)) != before).any()


@pytest.mark.parametrize("kind", [Dropout, StochasticDepth])
def test_outside_of_a_step_they_are_the_frameworks_own(kind):
    layer, x = network(kind, 0.5), tf.constant(np.random.default_rng(0).random((64, 8)) + 1)
    np.testing.assert_array_equal(layer(x, training=False), x)
    np.testing.assert_array_equal(layer(x), x)
    a, b = layer(x, training=True).numpy(), layer(x, training=True).numpy()
    assert (a != b).any()  # Keras's generator moves on
    dropped = a == 0
    np.testing.assert_array_equal(a, np.where(dropped, 0, 2 * x.numpy()))
    assert 0 < dropped.sum() < dropped.size
    assert kind is Dropout or (dropped.all(1) | ~dropped.any(1)).all()


@pytest.mark.parametrize("kind", [Dropout, StochasticDepth])
def test_a_rate_of_zero_drops_nothing(kind):
    np.testing.assert_array_equal(drop(1, network(kind, 0.0), (4, 5)), np.ones((4, 5)))


def test_evaluation_and_frozen_layers_inside_of_a_step_drop_nothing():
    layer, x = network(Dropout, P), tf.ones((4, 5), tf.float64)
    with noise(SimpleNamespace(layers=[layer]), tf.constant([1, 0], tf.int64)):
        np.testing.assert_array_equal(layer(x, training=False), x)
        layer.frozen = True
        np.testing.assert_array_equal(layer(x, training=True), x)


def test_the_clock_ends_with_the_step():
    layer = network(Dropout, P)
    with pytest.raises(KeyError), noise(SimpleNamespace(layers=[layer]), tf.constant([1, 0], tf.int64)):
        raise KeyError
    assert layer.clock is None


def test_a_step_of_one_network_leaves_another_alone():
    layer, x = network(Dropout, P), tf.ones((64, 64), tf.float64)
    with noise(SimpleNamespace(layers=[network(Dropout, P)]), tf.constant([1, 0], tf.int64)):
        assert (layer(x, training=True).numpy() != layer(x, training=True).numpy()).any()  # drawn as Keras draws


@pytest.mark.parametrize("name", ["Conv2d", "LayerNorm", "MaxPool2d", "Gelu", "Dropout"])
def test_a_layer_saved_when_all_stood_in_one_file_comes_back(name):
    config = {"Conv2d": {"filters": 2, "kernel_size": 3}, "MaxPool2d": {"kernel_size": 2, "stride": 2}}
    saved = {
        "module": "ft_tf.layers",
        "class_name": name,
        "registered_name": f"ft_tf>{name}",
        "config": {**config.get(name, {}), **({"p": P} if name == "Dropout" else {})},
    }
    layer = keras.saving.deserialize_keras_object(saved)
    assert keras.saving.serialize_keras_object(layer)["registered_name"] == saved["registered_name"]


@pytest.mark.parametrize("own", [keras.layers.Dropout, keras.layers.SpatialDropout2D])
def test_the_frameworks_own_dropout_is_refused(own):
    layer = own(0.1, name="inner.0")
    with pytest.raises(TypeError, match=rf"inner.0: {own.__name__} draws from Keras's generator"):
        seed_noise(SimpleNamespace(layers=[layer]), SEED)
    seed_noise(SimpleNamespace(layers=[own(0.0)]), SEED)


def convolve(x, w, stride, before, after, groups=1):
    """Return the convolution of x (N, C, H, W) by w (O, I, K, K) with the pads of the two axes, by its definition."""
    x = np.pad(x, [(0, 0), (0, 0), *zip(before, after, strict=True)])
    kernel, size = w.shape[2], [(n - w.shape[2]) // stride + 1 for n in x.shape[2:]]
    y = np.zeros((len(x), len(w), *size))
    for o, i, j in np.ndindex(len(w), *size):
        first = o // (len(w) // groups) * w.shape[1]
        window = x[:, first : first + w.shape[1], i * stride : i * stride + kernel, j * stride : j * stride + kernel]
        y[:, o, i, j] = (window * w[o]).sum((1, 2, 3))
    return y


# sides, kernel, stride -> TensorFlow's pads before and after, worked out by hand
SAME = [
    ((4, 5), 3, 2, (0, 1), (1, 1)),
    ((8, 7), 5, 2, (1, 2), (2, 2)),
    ((6, 9), 3, 1, (1, 1), (1, 1)),
    ((5, 4), 1, 2, (0, 0), (0, 0)),
    ((6, 6), 5, 2, (1, 1), (2, 2)),
    ((7, 5), 3, 2, (1, 1), (1, 1)),
]


def convolution(w, x, **options):
    """Return what a layer with the weights w (O, I, K, K) makes of x (N, C, H, W)."""
    layer = Conv2d(len(w), w.shape[2], bias=False, dtype="float64", **options)
    layer.build((None, None, None, x.shape[1]))
    layer.kernel.assign(w.transpose(2, 3, 0, 1) if layer.depthwise else w.transpose(2, 3, 1, 0))
    return to_canonical(layer(tf.constant(to_nhwc(x))).numpy())


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize(("sides", "kernel", "stride", "before", "after"), SAME)
def test_same_padding_is_tensorflows(sides, kernel, stride, before, after, groups):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 4, *sides)), rng.normal(size=(4, 4 // groups, kernel, kernel))
    y = convolution(w, x, stride=stride, padding="same", groups=groups)
    assert y.shape[2:] == tuple(-(-n // stride) for n in sides)
    np.testing.assert_allclose(y, convolve(x, w, stride, before, after, groups), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_explicit_padding_is_alike_on_both_sides(padding, stride):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 6, 9)), rng.normal(size=(4, 3, 3, 3))
    y, pads = convolution(w, x, stride=stride, padding=padding), (padding, padding)
    np.testing.assert_allclose(y, convolve(x, w, stride, pads, pads), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 4])
def test_no_gradient_is_left_to_the_slow_kernels_for_explicit_padding(stride, groups):
    layer = Conv2d(4, 3, stride=stride, padding=1, groups=groups)
    layer.build((None, 8, 8, 4))

    def gradients(x):
        with tf.GradientTape() as tape:
            y = layer(x)
        return tape.gradient(y, layer.trainable_variables)

    graph = tf.function(gradients).get_concrete_function(tf.TensorSpec((2, 8, 8, 4))).graph
    paddings = [op.get_attr("padding") for op in graph.get_operations() if "conv2d" in op.type.lower()]
    assert len(paddings) == 3  # forward, kernel and images
    assert b"EXPLICIT" not in paddings


STATED = [
    *[
        partial(Conv2d, 6, kernel, stride=stride, padding=padding, dilation=dilation)
        for kernel, stride, dilation in [(3, 1, 1), (3, 2, 1), (5, 3, 1), ((1, 3), 2, 1), (3, 1, 2), (3, 2, 2)]
        for padding in (0, (2, 1), "same", "valid")
    ],
    partial(Conv2d, 4, 3, padding=1, groups=4),
    partial(MaxPool2d, 3, stride=2, padding=1),
    partial(MaxPool2d, 3, stride=2, ceil_mode=True),
    partial(AvgPool2d, 2, stride=2),
    partial(AvgPool2d, 3, stride=2, padding=1),
    partial(AdaptiveAvgPool2d, 3),
    partial(Linear, 5),
    *[BatchNorm2d, LayerNorm, Gelu, partial(StochasticDepth, 0.5), Flatten],
]


@pytest.mark.parametrize("make", STATED, ids=str)
@pytest.mark.parametrize("sides", [(8, 9), (7, 12)])
def test_a_stated_shape_is_the_output_s(make, sides):
    """A layer that states its output's shape is not traced when a network is built: nothing else would notice."""
    layer, shape = make(), (2, *sides, 4)
    y = layer(tf.zeros(shape))
    assert tuple(layer.compute_output_shape(shape)) == tuple(y.shape)
    if not isinstance(layer, Flatten):  # which needs to know the sides
        assert layer(keras.Input((None, None, 4))).shape[-1] == y.shape[-1]


def test_max_pooling_pads_with_minus_infinity():
    x = -1 - np.random.default_rng(0).random((2, 3, 5, 6))
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=-np.inf)
    windows = [[padded[:, :, i : i + 3, j : j + 3] for j in (0, 2, 4)] for i in (0, 2, 4)]
    expected = np.array([[window.max((2, 3)) for window in row] for row in windows])
    y = MaxPool2d(3, stride=2, padding=1, dtype="float64")(tf.constant(to_nhwc(x))).numpy()
    np.testing.assert_array_equal(to_canonical(y), expected.transpose(2, 3, 0, 1))


@pytest.mark.parametrize(
    ("dtype", "scale", "eps", "rtol"),
    [("float64", 3, 1e-3, 1e-12), ("float32", 3, 1e-3, 1e-5), ("float32", 3e-3, 1e-5, 1e-5)],
)
def test_batch_norm_keeps_the_unbiased_variance(dtype, scale, eps, rtol):
    rng = np.random.default_rng(0)
    x = rng.normal(2 * scale, scale, (4, 3, 2, 5))
    layer, x_nhwc = BatchNorm2d(eps=eps, momentum=0.25, dtype=dtype), tf.constant(to_nhwc(x), dtype)
    y = to_canonical(layer(x_nhwc, training=True).numpy())
    mean, biased, unbiased = x.mean((0, 2, 3)), x.var((0, 2, 3)), x.var((0, 2, 3), ddof=1)
    column = (slice(None), None, None)
    np.testing.assert_allclose(y, (x - mean[column]) / np.sqrt(biased[column] + eps), rtol=rtol, atol=rtol)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.25 * mean, rtol=rtol)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.75 + 0.25 * unbiased, rtol=rtol)
    var = (0.75 + 0.25 * unbiased)[column]
    expected = (x - 0.25 * mean[column]) / np.sqrt(var + eps)
    for frozen, training in ((False, False), (True, True)):
        layer.frozen = frozen
        y = to_canonical(layer(x_nhwc, training=training).numpy())
        np.testing.assert_allclose(y, expected, rtol=rtol, atol=rtol)
    assert layer.num_batches_tracked.numpy() == 1


def test_batch_norm_of_bfloat16_keeps_float32_statistics():
    """By another kernel. With so small a variance another eps would show: one function raises it to 1.001e-5."""
    x = tf.cast(tf.random.stateless_normal((4, 5, 6, 3), (1, 2)) * 3e-3, tf.bfloat16)
    layers = [BatchNorm2d(momentum=1.0) for _ in range(2)]
    fused, exact = (layer(y, training=True) for layer, y in zip(layers, (x, tf.cast(x, tf.float32)), strict=True))
    assert fused.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(fused, tf.float32), exact, rtol=2**-8, atol=1e-5)
    for a, b in zip(*(layer.non_trainable_weights for layer in layers), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-9)
