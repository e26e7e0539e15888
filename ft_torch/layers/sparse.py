"""A convolution whose gradient comes from few places, as that of the proposals does, which learn from drawn anchors."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

SPARSE = 1 / 3  # of the places: of more than this the dense gradient is as fast


class SparseConv2d(nn.Conv2d):
    """A 3x3 convolution of stride 1 that goes back from the places alone at which there is a gradient.

    On a CPU; elsewhere, in a graph that is to be a file and in inference it is nn.Conv2d.
    """

    def forward(self, input: Tensor) -> Tensor:
        dense = input.device.type != "cpu" or torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu")
        if dense or not torch.is_grad_enabled():
            return super().forward(input)
        return SparseGradient.apply(input, self.weight, self.bias)


class SparseGradient(torch.autograd.Function):
    """x (N, C, H, W), weight (O, C, 3, 3), bias (O,) -> (N, O, H, W)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        (g,), (x, weight), wanted = upstream, ctx.saved_tensors, ctx.needs_input_grad
        there = (g != 0).any(1)
        if int(there.sum()) > SPARSE * there.numel():
            return dense_gradient(g, x, weight, wanted)
        around, shape = neighbours(there)
        rows, kernel = g.permute(0, 2, 3, 1)[there], weight.permute(0, 2, 3, 1).flatten(1)
        patches = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).reshape(-1, x.shape[1])[around]
        of_weight = (rows.t() @ patches.flatten(1)).view(-1, 3, 3, x.shape[1]).permute(0, 3, 1, 2)
        if not wanted[0]:
            return None, of_weight, rows.sum(0)
        of_x = x.new_zeros((shape.numel(), x.shape[1]))
        of_x.index_add_(0, around.flatten(), (rows @ kernel).view(-1, x.shape[1]))
        return of_x.view(*shape, -1)[:, 1:-1, 1:-1].permute(0, 3, 1, 2), of_weight, rows.sum(0)


def neighbours(there: Tensor) -> tuple[Tensor, torch.Size]:
    """Return the 3x3 pixels around each place (P, 9), of maps with a frame of one pixel laid flat, and those' shape.

    there: bool (N, H, W), where the places are.
    """
    count, height, width = there.shape
    shape = torch.Size((count, height + 2, width + 2))
    number, row, column = torch.nonzero(there, as_tuple=True)
    first = (number * shape[1] + row) * shape[2] + column
    steps = torch.arange(3)
    return first[:, None] + (steps[:, None] * shape[2] + steps).flatten(), shape


def dense_gradient(g: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    """Return the gradients that PyTorch's convolution has."""
    sizes = [1, 1], [1, 1], [1, 1], False, [0, 0], 1
    return torch.ops.aten.convolution_backward(g, x, weight, [weight.shape[0]], *sizes, list(wanted))
