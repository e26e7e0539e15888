"""Pooling with TensorFlow's padding, and flattening in Keras's order."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ft_torch.layers.conv import same_padding


class MaxPool2dSame(nn.Module):
    """Max pooling with TensorFlow's "same" padding, by minus infinity."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = (kernel_size, kernel_size), (stride, stride)

    def forward(self, input: Tensor) -> Tensor:
        pads = same_padding(input, self.kernel_size, self.stride)
        return F.max_pool2d(F.pad(input, pads, value=-torch.inf), self.kernel_size, self.stride)


class FlattenHWC(nn.Module):
    """Flatten in Keras's order: (N, C, H, W) -> (N, H * W * C), so that a Keras kernel is this weight transposed."""

    def forward(self, input: Tensor) -> Tensor:
        return input.permute(0, 2, 3, 1).flatten(1)
