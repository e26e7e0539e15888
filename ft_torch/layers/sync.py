"""BatchNorm that learns from a batch of which every rank has a part."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ft_torch.layers.norm import KerasBatchNorm2d

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, KerasBatchNorm2d)


@contextmanager
def synchronised(model: nn.Module, ranks: Any, *, counts: bool, sync: bool) -> Iterator[None]:
    """Let the BatchNorms that learn see the samples of all ranks while the block runs.

    counts: False where this rank's only stand in; sync: False leaves each rank to itself but for the running
    statistics, which are the mean of the ranks' own. torch.nn.SyncBatchNorm refuses to compute on a CPU.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, NORMS) and layer.training]
    try:
        for layer in layers if ranks.size > 1 else ():
            own: Any = partial(over_ranks if sync else alone, layer, ranks.total, float(counts))
            layer.forward = own
        yield
    finally:
        for layer in layers if ranks.size > 1 else ():
            del layer.forward  # its own, put before that of its class


def over_ranks(layer: Any, total: Callable[[Tensor], Tensor], counts: float, x: Tensor) -> Tensor:
    """Return what BatchNorm makes of this rank's part, by mean and variance of the whole."""
    exact = x.to(layer.weight.dtype)
    mean, variance, count = moments(exact, total, counts)
    move(layer, mean.detach(), variance.detach(), count)
    return normalised(layer, exact, mean, variance).to(x.dtype)


def alone(layer: Any, total: Callable[[Tensor], Tensor], counts: float, x: Tensor) -> Tensor:
    """Return what BatchNorm makes of this rank's part, by its own mean and variance."""
    exact = x.to(layer.weight.dtype)
    mean, variance, count = moments(exact, lambda own: own, 1.0)
    with torch.no_grad():
        own = torch.cat([mean, variance, torch.ones_like(mean[:1]), count.reshape(1)]) * counts
        *both, ranks, count = total(own).split([len(mean), len(mean), 1, 1])
        move(layer, both[0] / ranks, both[1] / ranks, count / ranks)
    return normalised(layer, exact, mean, variance).to(x.dtype)


def moments(x: Tensor, total: Callable[[Tensor], Tensor], counts: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and biased variance (C,), and of how many values: two passes, for E[x^2] - E[x]^2 loses digits."""
    axes = [axis for axis in range(x.ndim) if axis != 1]
    own = x.new_tensor([x.numel() // x.shape[1]])
    sums = total(torch.cat([x.sum(axes), own]) * counts)
    mean, count = sums[:-1] / sums[-1], sums[-1].detach()
    deviations = (x - as_channels(mean, x)).square().sum(axes)
    return mean, total(deviations * counts) / count, count


def normalised(layer: Any, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Return (x - mean) / sqrt(variance + eps) * weight + bias."""
    scale = layer.weight * (variance + layer.eps).rsqrt()
    return (x - as_channels(mean, x)) * as_channels(scale, x) + as_channels(layer.bias, x)


def as_channels(values: Tensor, x: Tensor) -> Tensor:
    """Return values (C,) as they lie along x (N, C, ...)."""
    return values.reshape(-1, *[1] * (x.ndim - 2))


@torch.no_grad()
def move(layer: Any, mean: Tensor, variance: Tensor, count: Tensor) -> None:
    """Move the running statistics, towards Keras's biased variance or PyTorch's unbiased one."""
    keras = isinstance(layer, KerasBatchNorm2d)
    share = 1 - layer.momentum if keras else layer.momentum
    if not keras:
        layer.num_batches_tracked.add_(1)
        variance = variance * (count / (count - 1))
    for running, batch in ((layer.running_mean, mean), (layer.running_var, variance)):
        running.copy_(running * (1 - share) + batch * share)
