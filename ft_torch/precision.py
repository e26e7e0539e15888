"""The types of a network: that of its weights, and bfloat16 for products, while all the rest stays float32."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ft.zoo import Card


@contextmanager
def computing(model: nn.Module, card: Card, precision: str) -> Iterator[None]:
    """Return the context in which a network's layers compute in `precision`, "bfloat16" or the type of its weights.

    In bfloat16 convolutions and products take their inputs and weights rounded to it, and what follows takes what
    it is given. BatchNorm and LayerNorm compute in float32 inside, with float32 statistics. The layers that give logits
    are left out: two rounded logits are often equal.
    """
    if precision != "bfloat16":
        yield
        return
    kind = next(model.parameters()).device.type
    outputs = [model.get_submodule(path) for path in card.outputs]
    try:
        for layer in outputs:
            layer.forward = in_float32(layer, kind)  # its own, put before that of its class
        with torch.autocast(kind, torch.bfloat16):
            yield
    finally:
        for layer in outputs:
            del layer.forward


def in_float32(layer: nn.Module, kind: str) -> Callable[[Tensor], Tensor]:
    """Return a layer's forward on float32 inputs, outside of autocast."""

    def forward(x: Tensor) -> Tensor:
        with torch.autocast(kind, enabled=False):
            return type(layer).forward(layer, x.float())

    return forward


def as_type(model: nn.Module, dtype: str) -> nn.Module:
    """Return the model with its floating-point tensors in `dtype`, "float32" or "float64"."""
    return model.to(getattr(torch, dtype))
