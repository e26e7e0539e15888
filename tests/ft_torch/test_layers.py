"""The layers: the masks are NumPy's at every step and however the step runs; elsewhere they are the framework's own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth as TorchvisionStochasticDepth

from ft.noise import keep_mask
from ft_torch.layers import (
    Conv2dSame,
    Dropout,
    KerasBatchNorm2d,
    MaxPool2dSame,
    StochasticDepth,
    ZeroPad2dSame,
    noise,
    seed_noise,
)
from ft_torch.layers.noise import PIECE
from ft_torch.layers.pool import adaptive_pooling_gradient

ROOT = Path(__file__).parents[2]
SEED, P = 7, 0.3
SHAPES = [(5, 11), (4, 3, 2, 5)]  # (N, F) and (N, C, H, W)


def network(layer):
    """Return a model whose layer "drop" has the key of SEED."""
    model = nn.Sequential()
    model.add_module("drop", layer)
    seed_noise(model, SEED)
    return model.train()


def run(model, x, clock):
    with noise(model, clock):
        return model(x)


def drop(step, model, shape, *, first=0, how=run):
    """Return what training step `step` makes of ones in canonical order."""
    return how(model, torch.ones(shape, dtype=torch.float64), torch.tensor([step, first])).numpy()


@pytest.mark.parametrize("how", ["eager", "compiled"])
@pytest.mark.parametrize("shape", SHAPES)
def test_dropout_masks_are_numpys(shape, how):
    model = network(Dropout(P))
    how = run if how == "eager" else torch.compile(run, backend="aot_eager")
    for step in (1, 2, 3):
        for first in (0, 6):
            expected = keep_mask(SEED, "drop", step, shape, P, first) * (1 / (1 - P))
            np.testing.assert_array_equal(drop(step, model, shape, first=first, how=how), expected)


@pytest.mark.parametrize("how", ["eager", "compiled"])
@pytest.mark.parametrize("shape", SHAPES)
def test_stochastic_depth_drops_whole_rows(shape, how):
    model = network(StochasticDepth(P, "row"))
    how = run if how == "eager" else torch.compile(run, backend="aot_eager")
    for step in (1, 2, 3):
        rows = keep_mask(SEED, "drop", step, shape[:1], P, 2) * (1 / (1 - P))
        expected = np.broadcast_to(rows.reshape(-1, *[1] * (len(shape) - 1)), shape)
        np.testing.assert_array_equal(drop(step, model, shape, first=2, how=how), expected)


@pytest.mark.parametrize("how", ["eager", "compiled"])
def test_a_layer_that_runs_again_draws_anew(how):
    model = network(Dropout(0.5))

    def run_twice(model, x, clock):
        with noise(model, clock):
            return torch.stack([model(x), model(x)])

    how = run_twice if how == "eager" else torch.compile(run_twice, backend="aot_eager")
    for step in (1, 2):
        expected = [2 * keep_mask(SEED, name, step, (5, 11), 0.5) for name in ("drop", "drop.1")]
        np.testing.assert_array_equal(drop(step, model, (5, 11), how=how), expected)


def test_masks_of_many_pieces_are_numpys():
    model, shape = network(Dropout(P)), (3, PIECE // 2 + 5)
    expected = keep_mask(SEED, "drop", 4, shape, P, 2) * (1 / (1 - P))
    np.testing.assert_array_equal(drop(4, model, shape, first=2), expected)


def test_the_memory_layout_changes_no_mask():
    model, clock = network(Dropout(P)), torch.tensor([1, 0])
    x = torch.ones(SHAPES[1])
    assert torch.equal(run(model, x, clock), run(model, x.to(memory_format=torch.channels_last), clock))


def test_seeds_and_names_have_masks_of_their_own():
    model = network(Dropout(P))
    before = drop(1, model, (4, 100))
    seed_noise(model, SEED + 1)
    assert (drop(1, model, (4, 100)) != before).any()


@pytest.mark.parametrize("layer", [Dropout(0.5), StochasticDepth(0.5, "row")])
def test_outside_of_a_step_they_are_the_frameworks_own(layer):
    model, x = network(layer), torch.rand(64, 8)
    assert torch.equal(model.eval()(x), x)
    own = nn.Dropout(0.5) if isinstance(layer, Dropout) else TorchvisionStochasticDepth(0.5, "row")
    torch.manual_seed(0)
    dropped = model.train()(x)
    torch.manual_seed(0)
    assert torch.equal(dropped, own.train()(x))
    assert 0 < (dropped == 0).sum() < x.numel()


@pytest.mark.parametrize("layer", [Dropout(0.0), StochasticDepth(0.0, "row")])
def test_a_rate_of_zero_drops_nothing(layer):
    np.testing.assert_array_equal(drop(1, network(layer), (4, 5)), np.ones((4, 5)))


def test_evaluation_inside_of_a_step_drops_nothing():
    np.testing.assert_array_equal(drop(1, network(Dropout(P)).eval(), (4, 5)), np.ones((4, 5)))


def test_the_clock_ends_with_the_step():
    model = network(Dropout(P))
    with pytest.raises(KeyError), noise(model, torch.tensor([1, 0])):
        raise KeyError
    assert model.drop.clock is None


@pytest.mark.parametrize(
    "own", [nn.Dropout(0.1), nn.Dropout2d(0.1), nn.AlphaDropout(0.1), TorchvisionStochasticDepth(0.1, "row")]
)
def test_the_frameworks_own_dropout_is_refused(own):
    with pytest.raises(TypeError, match=rf"inner.0: {type(own).__name__} draws from torch's generator"):
        seed_noise(nn.ModuleDict({"inner": nn.Sequential(own)}), SEED)
    own.p = 0
    seed_noise(nn.Sequential(own), SEED)


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


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize(("sides", "kernel", "stride", "before", "after"), SAME)
def test_same_padding_is_tensorflows(sides, kernel, stride, before, after, groups):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 4, *sides)), rng.normal(size=(4, 4 // groups, kernel, kernel))
    layer = Conv2dSame(4, 4, kernel, stride, groups=groups, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(w))
        y = layer(torch.from_numpy(x)).numpy()
    assert y.shape[2:] == tuple(-(-n // stride) for n in sides)
    np.testing.assert_allclose(y, convolve(x, w, stride, before, after, groups), rtol=1e-13, atol=1e-13)


def test_batch_norm_keeps_the_unbiased_variance():
    rng = np.random.default_rng(0)
    x = rng.normal(2, 3, (4, 3, 2, 5))
    layer = nn.BatchNorm2d(3, eps=1e-3, momentum=0.25, dtype=torch.float64)
    y = layer(torch.from_numpy(x)).detach().numpy()
    mean, biased, unbiased = x.mean((0, 2, 3)), x.var((0, 2, 3)), x.var((0, 2, 3), ddof=1)
    column = (slice(None), None, None)
    np.testing.assert_allclose(y, (x - mean[column]) / np.sqrt(biased[column] + 1e-3), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.25 * mean, rtol=1e-13)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.75 + 0.25 * unbiased, rtol=1e-13)
    assert layer.num_batches_tracked.item() == 1
    y = layer.eval()(torch.from_numpy(x)).detach().numpy()
    var = (0.75 + 0.25 * unbiased)[column]
    np.testing.assert_allclose(y, (x - 0.25 * mean[column]) / np.sqrt(var + 1e-3), rtol=1e-12, atol=1e-13)
    assert layer.num_batches_tracked.item() == 1


def test_keras_batchnorm_keeps_the_biased_variance():
    """By the formula; parity_tests asks Keras's own layer."""
    layer = KerasBatchNorm2d(3, eps=1e-3, momentum=0.9).double()
    x = torch.randn(2, 3, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    output = layer(x)
    torch.testing.assert_close(layer.running_mean, 0.1 * mean)
    torch.testing.assert_close(layer.running_var, 0.9 + 0.1 * variance)
    wanted = (x - mean.reshape(1, 3, 1, 1)) / (variance.reshape(1, 3, 1, 1) + 1e-3).sqrt()
    torch.testing.assert_close(output, wanted)
    assert set(layer.state_dict()) == {"weight", "bias", "running_mean", "running_var"}


def test_same_padding_of_a_strided_pool_is_longer_at_the_end():
    x = torch.arange(16.0).reshape(1, 1, 4, 4) - 20
    assert MaxPool2dSame(3, 2)(x).flatten().tolist() == [-10, -9, -6, -5]
    assert ZeroPad2dSame(3, 2)(x).shape == (1, 1, 5, 5)
    assert ZeroPad2dSame(3, 2)(x)[0, 0, 0, 0] == -20


@pytest.mark.parametrize(("size", "windows"), [((14, 9), (4, 4)), ((2, 3), (7, 7)), ((6, 6), (6, 6)), ((5, 8), (1, 3))])
def test_the_gradient_of_adaptive_pooling_is_pytorchs(size, windows):
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    pooled = F.adaptive_avg_pool2d(x, windows)
    given = torch.randn_like(pooled)
    (expected,) = torch.autograd.grad(pooled, x, given)
    torch.testing.assert_close(adaptive_pooling_gradient(given, x.detach()), expected, rtol=1e-14, atol=1e-15)


def test_pytorch_takes_that_gradient_where_it_is_told_to():
    """In a process of its own, and on the CPU in place of a GPU, of which the gradient is the same but for rounding."""
    code = (
        "import torch\nfrom torch.nn import functional as F\nfrom ft_torch.layers import pool\n"
        "own, calls = pool.adaptive_pooling_gradient, []\n"
        "pool.adaptive_pooling_gradient = lambda *given: calls.append(given) or own(*given)\n"
        "pool.repeat_adaptive_pooling('CPU')\nx = torch.randn(1, 2, 9, 9, requires_grad=True)\n"
        "F.adaptive_avg_pool2d(x, (4, 4)).sum().backward()\nprint(len(calls), float(x.grad.sum()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    calls, total = done.stdout.split()
    assert (calls, done.stderr) == ("1", "")
    assert float(total) == pytest.approx(2 * 16)
