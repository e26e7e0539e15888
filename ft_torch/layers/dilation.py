"""Convolutions that reach beyond part of their map."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ft_torch.layers.linear import times


class FarConv2d(nn.Conv2d):
    """nn.Conv2d of stride 1 that keeps the map's size: what a wide dilation meets outside of it is not computed.

    On a map of 32 x 32 a kernel of 3 x 3 meets with rate 12 half of what it has, with rate 24 a quarter, with rate 36
    its middle alone; the kernels for a weight's gradient go through the padding all the same. In training only: an
    export is plain.
    """

    def forward(self, input: Tensor) -> Tensor:
        learning = self.training and torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if learning and self.reaches_far(input) and not torch.is_autocast_enabled(input.device.type):
            return ByProducts.apply(input, self.weight, self.dilation[0])
        return super().forward(input)

    def reaches_far(self, input: Tensor) -> bool:
        """Tell whether a good part of the kernel's places lies outside of the map."""
        return 3 * self.dilation[0] > min(input.shape[2:])


def far(conv: nn.Conv2d) -> FarConv2d:
    """Return a square convolution without bias as one that skips its padding, with the same weight."""
    window = {"padding": conv.dilation, "dilation": conv.dilation, "bias": False, "dtype": conv.weight.dtype}
    layer = FarConv2d(conv.in_channels, conv.out_channels, conv.kernel_size[0], **window)
    layer.weight = conv.weight
    return layer


class ByProducts(torch.autograd.Function):
    """The sum of what each place of a kernel makes of the pixels that it meets, (N, C, H, W) by (O, C, h, w)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.dilation, pixels = dilation, x.movedim(1, -1)
        y = x.new_zeros(*pixels.shape[:-1], len(kernel))
        for place, met, into in meetings(x, kernel, dilation):
            y[into] += times(pixels[met], kernel[place])
        return y.movedim(-1, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, kernel = ctx.saved_tensors
        pixels, g = x.movedim(1, -1), upstream[0].movedim(1, -1)
        of_x = torch.zeros_like(pixels) if ctx.needs_input_grad[0] else None
        of_kernel = torch.zeros_like(kernel)
        for place, met, into in meetings(x, kernel, ctx.dilation):
            rows = g[into].reshape(-1, len(kernel))
            if of_x is not None:
                of_x[met] += times(g[into], kernel[place].t())
            of_kernel[place] = times(rows.t(), pixels[met].reshape(len(rows), -1).t())
        return None if of_x is None else of_x.movedim(-1, 1), of_kernel, None


def meetings(x: Tensor, kernel: Tensor, dilation: int) -> Iterator[tuple[Any, Any, Any]]:
    """Yield each place of a kernel that meets pixels, and which of (N, H, W): in the input, and in the output."""
    (height, width), (rows, columns) = x.shape[2:], kernel.shape[2:]
    for row, column in product(range(rows), range(columns)):
        down, right = (row - rows // 2) * dilation, (column - columns // 2) * dilation
        if abs(down) < height and abs(right) < width:
            met = (
                slice(None),
                *(slice(max(by, 0), side + min(by, 0)) for by, side in ((down, height), (right, width))),
            )
            into = (
                slice(None),
                *(slice(max(-by, 0), side + min(-by, 0)) for by, side in ((down, height), (right, width))),
            )
            yield (slice(None), slice(None), row, column), met, into
