"""Dense layers by oneDNN's products of float32: MKL's, which PyTorch takes, leave half of AMD's processors idle.

On others both are alike. Results differ by rounding alone.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

LEAST = 2**20  # multiplications below which the way there costs more than it saves
AVAILABLE = (
    torch.backends.mkl.is_available()
    and torch.backends.mkldnn.is_available()
    and hasattr(torch.ops.mkldnn, "_linear_pointwise")
)


class Linear(nn.Linear):
    """nn.Linear by `linear`."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


class Product(torch.autograd.Function):
    """x (..., in), weight (out, in), bias (out,) or None -> (..., out)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        (g,), (x, weight), wanted = upstream, ctx.saved_tensors, ctx.needs_input_grad
        rows_g, rows_x = (tensor.reshape(-1, tensor.shape[-1]) for tensor in (g, x))
        return (
            product(rows_g, weight.t()).reshape(x.shape) if wanted[0] else None,
            product(rows_g.t(), rows_x.t()) if wanted[1] else None,
            rows_g.sum(0) if wanted[2] else None,
        )


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x weight^T + bias, as torch.nn.functional.linear has it."""
    return Product.apply(x, weight, bias) if pays(x, weight) else F.linear(x, weight, bias)


def times(x: Tensor, weight: Tensor) -> Tensor:
    """Return x weight^T, by whichever is the faster way, inside of a function that has its own gradient."""
    return product(x, weight) if pays(x, weight) else F.linear(x, weight)


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x weight^T + bias by oneDNN."""
    return torch.ops.mkldnn._linear_pointwise(together(x), together(weight), bias, "none", [], "")


def together(x: Tensor) -> Tensor:
    """Return a tensor whose elements lie together, as they are or turned: of others oneDNN reads one at a time."""
    return x if x.is_contiguous() or (x.ndim == 2 and x.t().is_contiguous()) else x.contiguous()


def pays(x: Tensor, weight: Tensor) -> bool:
    """Tell whether oneDNN is to compute a product; what is compiled or exported is PyTorch's own."""
    if not AVAILABLE or x.device.type != "cpu" or x.dtype != torch.float32 or weight.dtype != torch.float32:
        return False
    traced = torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu")
    return not traced and x.shape[:-1].numel() * weight.numel() >= LEAST


def with_products(model: nn.Module) -> nn.Module:
    """Return a model whose dense layers are of this class; their tensors and names stay."""
    for layer in model.modules():
        if type(layer) is nn.Linear:
            layer.__class__ = Linear
    return model
