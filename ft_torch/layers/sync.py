"""BatchNorm that learns from a batch of which every rank has a part."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ft.network.freeze import Freeze
from ft_torch.layers.norm import KerasBatchNorm2d

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, KerasBatchNorm2d)
Moments = tuple[Tensor, Tensor, Tensor]  # mean and biased variance (C,), and of how many values


def learns(model: nn.Module, plan: Freeze) -> bool:
    """Tell whether a BatchNorm learns from batches."""
    return any(isinstance(layer, NORMS) and not plan.is_still(name) for name, layer in model.named_modules())


@contextmanager
def synchronised(model: nn.Module, ranks: Any, *, counts: bool, sync: bool) -> Iterator[None]:
    """Let the BatchNorms that learn see the samples of all ranks while the block runs.

    counts: False where this rank's only stand in; sync: False leaves each rank to itself but for the running
    statistics, which are the mean of the ranks' own. torch.nn.SyncBatchNorm refuses to compute on a CPU.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, NORMS) and layer.training]
    try:
        for layer in layers if ranks.size > 1 else ():
            own: Any = partial(over_ranks if sync else alone, layer, ranks, float(counts))
            layer.forward = own
        yield
    finally:
        for layer in layers if ranks.size > 1 else ():
            del layer.forward  # its own, put before that of its class


def over_ranks(layer: Any, ranks: Any, counts: float, x: Tensor) -> Tensor:
    """Return what BatchNorm makes of this rank's part, by mean and variance of the whole."""
    mean, variance, count = own_moments(x, layer.weight.dtype)
    rows = ranks.each(torch.cat([mean, variance, count * counts]))
    mean, variance, count = merged(*rows.split([len(mean), len(mean), 1], 1))
    move(layer, mean, variance, count)
    return Normalised.apply(x, layer.weight, layer.bias, mean, variance, layer.eps, counts / count, ranks.total)  # pyright: ignore[reportReturnType]


def alone(layer: Any, ranks: Any, counts: float, x: Tensor) -> Tensor:
    """Return what BatchNorm makes of this rank's part, by its own mean and variance."""
    mean, variance, count = own_moments(x, layer.weight.dtype)
    own = torch.cat([mean, variance, torch.ones_like(count), count]) * counts
    *both, size, values = ranks.total(own).split([len(mean), len(mean), 1, 1])
    move(layer, both[0] / size, both[1] / size, values / size)
    return Normalised.apply(x, layer.weight, layer.bias, mean, variance, layer.eps, 1 / count, lambda sums: sums)  # pyright: ignore[reportReturnType]


@torch.no_grad()
def own_moments(x: Tensor, dtype: torch.dtype) -> Moments:
    """Return those of this rank's part, by two passes: E[x^2] - E[x]^2 loses digits. The count is (1,)."""
    mean, variance = torch.batch_norm_update_stats(x.to(dtype), None, None, 0.0)
    return mean, variance, mean.new_tensor([x.numel() // x.shape[1]])


def merged(means: Tensor, variances: Tensor, counts: Tensor) -> Moments:
    """Return the moments of the whole from those of its parts, a row each, which loses no digits."""
    count = counts.sum(0)
    mean = (means * counts).sum(0) / count
    return mean, ((variances + (means - mean).square()) * counts).sum(0) / count, count


class Normalised(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps) * weight + bias, where mean and variance are those of all that `total` adds up.

    share: 1 / number of values of a channel, 0 for a part that does not count; total: the sum over the parts. The sums
    that the gradient needs travel together, and x is the one large tensor that waits for it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        eps: float,
        share: Tensor,
        total: Any,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, variance, share)
        ctx.eps, ctx.total = eps, total
        return F.batch_norm(x.to(weight.dtype), mean, variance, weight, bias, eps=eps).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight, mean, variance, share = ctx.saved_tensors
        exact, gradient = x.to(weight.dtype), laid_like(gradient.to(weight.dtype), x)
        of_batch = (mean, variance, None, None, False, ctx.eps, [False, True, True])
        _, slope, shift = torch.ops.aten.native_batch_norm_backward(gradient, exact, weight, *of_batch)
        if not ctx.needs_input_grad[0]:
            return None, slope, shift, *[None] * 5
        scale = weight * (variance + ctx.eps).rsqrt()
        through = ctx.total(torch.cat([slope, shift])) * -share  # by way of variance and mean
        own = F.batch_norm(exact, mean, variance, *(scale * part for part in through.chunk(2)), eps=ctx.eps)
        own.addcmul_(gradient, scale.reshape(-1, *[1] * (x.ndim - 2)))
        return own.to(x.dtype), slope, shift, *[None] * 5


def laid_like(gradient: Tensor, x: Tensor) -> Tensor:
    """Return a gradient as x lies in memory: the kernel is many times slower where they differ."""
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return gradient.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def move(layer: Any, mean: Tensor, variance: Tensor, count: Tensor) -> None:
    """Move the running statistics, towards Keras's biased variance or PyTorch's unbiased one."""
    keras = isinstance(layer, KerasBatchNorm2d)
    share = 1 - layer.momentum if keras else layer.momentum
    if not keras:
        layer.num_batches_tracked.add_(1)
        variance = variance * (count / (count - 1))
    for running, batch in ((layer.running_mean, mean), (layer.running_var, variance)):
        running.copy_(running * (1 - share) + batch * share)
