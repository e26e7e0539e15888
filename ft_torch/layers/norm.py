"""Normalisation with Keras's statistics."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
