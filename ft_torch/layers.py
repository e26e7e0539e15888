"""The few layers with which PyTorch speaks the recipe's semantics where its own differ from it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth as TorchvisionStochasticDepth

from ft.noise import GOLDEN, MIX1, MIX2, UNIFORM_BITS, keep_threshold, layer_key

NOISE_CALLS = 8  # as often may one noise layer run in a forward pass


class Conv2dSame(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: PyTorch pads alike on both sides, TensorFlow more at the end.

    (N, C, H, W) -> (N, O, ceil(H / stride), ceil(W / stride)).
    """

    def forward(self, input: Tensor) -> Tensor:
        windows = tuple((size - 1) * gap + 1 for size, gap in zip(self.kernel_size, self.dilation, strict=True))
        pads = same_padding(input, windows, self.stride)
        if pads[0] == pads[1] and pads[2] == pads[3]:  # the convolution's own padding needs no copy of the input
            padding = (pads[2], pads[0])
            return F.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return F.conv2d(F.pad(input, pads), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def same_padding(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> list[int]:
    """Return TensorFlow's "same" padding of images (N, C, H, W) as F.pad takes it: left, right, top, bottom."""
    pads = []
    for side, size, step in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max((-(-side // step) - 1) * step + size - side, 0)
        pads += [total // 2, total - total // 2]
    return pads


class ZeroPad2dSame(nn.Module):
    """What Keras's ZeroPadding2D(correct_pad(...)) puts before a strided convolution: the padding of "same"."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = (kernel_size, kernel_size), (stride, stride)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, same_padding(input, self.kernel_size, self.stride))


class MaxPool2dSame(nn.Module):
    """Max pooling with TensorFlow's "same" padding, by minus infinity."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = (kernel_size, kernel_size), (stride, stride)

    def forward(self, input: Tensor) -> Tensor:
        pads = same_padding(input, self.kernel_size, self.stride)
        return F.max_pool2d(F.pad(input, pads, value=-torch.inf), self.kernel_size, self.stride)


class SeparableConv2d(nn.Module):
    """Filter each channel, then mix them by a 1x1 convolution, without biases: Keras's SeparableConv2D with "same".

    It is one layer in Keras, so the two convolutions are not called as modules: a trace records what both give.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, kernel_size, padding=kernel_size // 2, groups=in_channels, bias=False
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        return self.pointwise.forward(self.depthwise.forward(input))


class KerasBatchNorm2d(nn.Module):
    """BatchNorm with Keras's statistics: (N, C, H, W) -> the same shape.

    The running variance moves towards the batch's biased variance, where nn.BatchNorm2d takes n / (n - 1) of it, and
    there is no counter of batches. `momentum` is Keras's, the share of the old value.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-3, momentum: float = 0.99) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        # a momentum of 1 puts the batch's own statistics there, the variance unbiased
        mean, variance = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
        output = F.batch_norm(input, mean, variance, self.weight, self.bias, True, 1.0, self.eps)
        count = input.numel() // input.shape[1]
        for running, batch in ((self.running_mean, mean), (self.running_var, variance * ((count - 1) / count))):
            running.copy_(running * self.momentum + batch * (1 - self.momentum))
        return output


class Normalization(nn.Module):
    """Keras's Normalization over channels, then a scaling: (N, C, H, W) -> (x - mean) / sqrt(variance) * scale."""

    mean: Tensor
    variance: Tensor

    def __init__(self, scale: tuple[float, ...]) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("mean", torch.zeros(len(scale)))
        self.register_buffer("variance", torch.ones(len(scale)))
        self.register_buffer("count", torch.tensor(0))

    def forward(self, input: Tensor) -> Tensor:
        mean, deviation, scale = (
            v.reshape(-1, 1, 1) for v in (self.mean, self.variance.sqrt(), input.new_tensor(self.scale))
        )
        return (input - mean) / deviation * scale


class FlattenHWC(nn.Module):
    """Flatten in Keras's order: (N, C, H, W) -> (N, H * W * C), so that a Keras kernel is this weight transposed."""

    def forward(self, input: Tensor) -> Tensor:
        return input.permute(0, 2, 3, 1).flatten(1)


class Noise:
    """What Dropout and StochasticDepth share: a key, and the clock that a training step sets.

    Torch's own layers draw from a global generator, so their masks depend on all that was drawn before and cannot equal
    another framework's. Inside `noise(...)` these layers compute SplitMix64 (ft/noise.py) from the step instead;
    outside of it, in a user's own loop, they are torch's layers.

    A layer that runs again in one forward pass, as Swin's stochastic depth does, draws anew: call k has its own key.
    """

    keys: tuple[int, ...] = ()
    calls: int = 0
    clock: Tensor | None = None  # int64 (2,): step, position of the first sample in the global batch

    def keep(self, shape: tuple[int, ...], p: float, device: torch.device) -> Tensor:
        """Return the boolean mask of `ft.noise.keep_mask`, shape (N, ...) in canonical order."""
        assert self.clock is not None
        step, first = self.clock.to(device).unbind()
        count = 1
        for size in shape:
            count *= size
        key = mix(self.keys[self.calls] + (step + 1) * GOLDEN)
        self.calls += 1
        index = torch.arange(1, count + 1, dtype=torch.int64, device=device) + first * (count // shape[0])
        top = (mix(key + index * GOLDEN) >> (64 - UNIFORM_BITS)) & ((1 << UNIFORM_BITS) - 1)
        return (top >= keep_threshold(p)).reshape(shape)


class Dropout(Noise, nn.Dropout):
    """Dropout whose mask is a function of seed, layer name, step and position."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0 or self.clock is None:
            return super().forward(input)
        return input * self.keep(tuple(input.shape), self.p, input.device) * (1 / (1 - self.p))


class StochasticDepth(Noise, TorchvisionStochasticDepth):
    """Stochastic depth by row: a sample's whole branch is dropped, or scaled up by 1 / (1 - p)."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0 or self.clock is None:
            return super().forward(input)
        keep = self.keep((input.shape[0],), self.p, input.device)
        return input * keep.reshape(-1, *[1] * (input.ndim - 1)) * (1 / (1 - self.p))


def with_shared_noise(model: nn.Module) -> nn.Module:
    """Return torchvision's model with each of its dropout and row-wise stochastic depth layers replaced by ours."""
    for path, layer in list(model.named_modules()):
        if type(layer) is nn.Dropout:
            model.set_submodule(path, Dropout(layer.p))
        elif type(layer) is TorchvisionStochasticDepth and layer.mode == "row":
            model.set_submodule(path, StochasticDepth(layer.p, "row"))
    return model


def mix(z: Tensor) -> Tensor:
    """Return SplitMix64's output function of int64 `z`; `>>` keeps the sign, so its upper bits are masked off."""
    z = (z ^ ((z >> 30) & ((1 << 34) - 1))) * MIX1
    z = (z ^ ((z >> 27) & ((1 << 37) - 1))) * MIX2
    return z ^ ((z >> 31) & ((1 << 33) - 1))


def seed_noise(model: nn.Module, seed: int) -> None:
    """Give every noise layer the key of this seed and of its own path, and refuse torch's own dropout layers."""
    for name, layer in model.named_modules():
        if isinstance(layer, Noise):
            again = (f"{name}.{call}" for call in range(1, NOISE_CALLS))
            layer.keys = tuple(layer_key(seed, place) for place in (name, *again))
        elif isinstance(layer, (nn.modules.dropout._DropoutNd, TorchvisionStochasticDepth)) and layer.p > 0:
            raise TypeError(f"{name}: {type(layer).__name__} draws from torch's generator; use ft_torch.layers")


@contextmanager
def noise(model: nn.Module, clock: Tensor) -> Iterator[None]:
    """Let the noise layers draw the masks of `clock`, int64 (step, position of the first sample), for one forward."""
    layers = [layer for layer in model.modules() if isinstance(layer, Noise)]
    try:
        for layer in layers:
            layer.clock, layer.calls = clock, 0
        yield
    finally:
        for layer in layers:
            layer.clock = None


def look_up(table: Tensor, pixels: Tensor) -> Tensor:
    """Return what a table (C, 256) has for the values of pixels, uint8 (..., C)."""
    places = [pixels[..., channel].reshape(-1).int() for channel in range(len(table))]
    found = [row.index_select(0, place) for row, place in zip(table, places, strict=True)]
    return torch.stack([x.reshape(pixels.shape[:-1]) for x in found], dim=-1)


def as_type(model: nn.Module, dtype: str) -> nn.Module:
    """Return the model with its floating-point tensors in `dtype`, "float32" or "float64"."""
    return model.to(getattr(torch, dtype))
