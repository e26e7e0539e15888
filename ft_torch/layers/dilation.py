"""Convolutions that reach beyond most of their map."""

from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FarConv2d(nn.Conv2d):
    """nn.Conv2d of stride 1 that keeps the map's size: what a wide dilation meets outside of it is not computed.

    On a map of 32 x 32 a kernel of 3 x 3 meets with rate 24 a quarter of what it has, with rate 36 its middle alone;
    the kernels for a weight's gradient go through the padding all the same. In training only: an export is plain.
    """

    def forward(self, input: Tensor) -> Tensor:
        learning = self.training and torch.is_grad_enabled()
        if learning and self.reaches_far(input) and not torch.is_autocast_enabled(input.device.type):
            return by_products(input, self.weight, self.dilation[0])
        return super().forward(input)

    def reaches_far(self, input: Tensor) -> bool:
        """Tell whether most places of the kernel lie outside of the map."""
        return 2 * self.dilation[0] > min(input.shape[2:])


def far(conv: nn.Conv2d) -> FarConv2d:
    """Return a square convolution without bias as one that skips its padding, with the same weight."""
    window = {"padding": conv.dilation, "dilation": conv.dilation, "bias": False, "dtype": conv.weight.dtype}
    layer = FarConv2d(conv.in_channels, conv.out_channels, conv.kernel_size[0], **window)
    layer.weight = conv.weight
    return layer


def by_products(x: Tensor, kernel: Tensor, dilation: int) -> Tensor:
    """Return the sum of what each place of a kernel makes of the pixels that it meets."""
    (height, width), (rows, columns), parts = x.shape[2:], kernel.shape[2:], []
    for row, column in product(range(rows), range(columns)):
        down, right = (row - rows // 2) * dilation, (column - columns // 2) * dilation
        if abs(down) < height and abs(right) < width:
            met = x[..., max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
            around = (max(-right, 0), max(right, 0), max(-down, 0), max(down, 0))
            parts.append(F.pad(F.conv2d(met, kernel[:, :, row : row + 1, column : column + 1]), around))
    return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
