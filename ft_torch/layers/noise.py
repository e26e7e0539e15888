"""Dropout and stochastic depth whose masks are a function of seed, layer, step and position."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth as TorchvisionStochasticDepth

from ft.noise import GOLDEN, MIX1, MIX2, UNIFORM_BITS, keep_threshold, layer_key

NOISE_CALLS = 8  # as often may one noise layer run in a forward pass
PIECE = 2**15  # numbers that are drawn at a time: what they pass through stays in a core's cache


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
        key = mix(self.keys[self.calls] + (step + 1) * GOLDEN) + first * (count // shape[0]) * GOLDEN
        self.calls += 1
        if device.type == "cpu" and not torch.compiler.is_compiling():
            return drawn_in_pieces(key, count, keep_threshold(p)).reshape(shape)
        index = torch.arange(1, count + 1, dtype=torch.int64, device=device)
        top = (mix(key + index * GOLDEN) >> (64 - UNIFORM_BITS)) & ((1 << UNIFORM_BITS) - 1)
        return (top >= keep_threshold(p)).reshape(shape)


class Dropout(Noise, nn.Dropout):
    """Dropout whose mask is a function of seed, layer name, step and position."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0 or self.clock is None:
            return super().forward(input)
        keep, scale = self.keep(tuple(input.shape), self.p, input.device), 1 / (1 - self.p)
        kept = keep.to(input.dtype)  # a product with truth values would turn them anew, forward and backward
        if input.dtype == torch.bfloat16:  # would round the scale
            return input * kept * scale
        return input * kept.mul_(scale)  # the same bits in one product


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


def drawn_in_pieces(key: Tensor, count: int, threshold: int) -> Tensor:
    """Return which of `count` numbers are kept, as `mix` draws them, without a tensor of them all.

    The last xor-shift of `mix` leaves the upper bits, which alone decide, as they are.
    """
    places = torch.arange(1, min(count, PIECE) + 1, dtype=torch.int64) * GOLDEN
    z, shifted, kept = torch.empty_like(places), torch.empty_like(places), torch.empty(count, dtype=torch.bool)
    # with the sign bit turned a number is a signed one, less by a half; its lower bits decide nothing
    least = (threshold << (64 - UNIFORM_BITS)) - (1 << 63)
    for piece in kept.split(PIECE):
        z, shifted, places = (numbers[: len(piece)] for numbers in (z, shifted, places))
        torch.add(places, key, out=z)
        for by, factor in ((30, MIX1), (27, MIX2)):
            torch.bitwise_right_shift(z, by, out=shifted)
            z.bitwise_xor_(shifted.bitwise_and_((1 << (64 - by)) - 1)).mul_(factor)
        torch.ge(z.bitwise_xor_(-(1 << 63)), least, out=piece)
        key = key + places[-1]
    return kept


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
