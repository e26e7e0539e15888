"""What stands between a network's last map and its logits: the pooling and the layers of the head."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ft.recipe.head import HeadLayer
from ft.zoo.card import GEM_EPS, GEM_POWER
from ft_torch.layers import Dropout

PLAIN = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}
NORMS = {"batchnorm": nn.BatchNorm1d, "layernorm": nn.LayerNorm}


class GlobalPool(nn.Module):
    """Pooling over the whole map: (N, C, H, W) -> (N, C, 1, 1), or (N, 2 * C, 1, 1) for "avg+max"; without the ones if
    `flat`.

    avg, max: of each channel, where several places share the maximum they share its gradient; avg+max: the averages,
    then the maxima; gem: mean(max(x, eps) ** p) ** (1 / p) with a learned p.
    Source of gem: Radenovic et al., "Fine-tuning CNN image retrieval with no human annotation", TPAMI 2019.
    """

    def __init__(self, kind: str, *, flat: bool = False) -> None:
        super().__init__()
        self.kind, self.flat = kind, flat
        if kind == "gem":
            self.p = nn.Parameter(torch.full((1,), GEM_POWER))

    def forward(self, x: Tensor) -> Tensor:
        y = self.pooled(x)
        return y.flatten(1) if self.flat else y

    def pooled(self, x: Tensor) -> Tensor:
        """Return the pooled map with its ones."""
        if self.kind == "gem":
            return x.clamp(min=GEM_EPS).pow(self.p).mean((2, 3), keepdim=True).pow(1 / self.p)
        parts = [x.mean((2, 3), keepdim=True)] if "avg" in self.kind else []
        parts += [x.amax((2, 3), keepdim=True)] if "max" in self.kind else []
        return torch.cat(parts, 1)

    def extra_repr(self) -> str:
        return self.kind


class Head(nn.Sequential):
    """Layers on features (N, F), or on pooled maps (N, C, 1, 1), which it flattens -> logits (N, classes)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.flatten(1))


def build_head(layers: Sequence[HeadLayer], *, features: int, classes: int) -> Head:
    """Return a head on `features` with these layers before its last one; they bear their places as names."""
    modules: list[nn.Module] = []
    for layer in (*layers, HeadLayer("linear", units=classes)):
        modules.append(build_layer(layer, features))
        features = layer.units or features
    return Head(*modules)


def build_layer(layer: HeadLayer, features: int) -> nn.Module:
    """Return one layer of a head."""
    if layer.kind == "linear":
        return nn.Linear(features, layer.units)
    if layer.kind == "dropout":
        return Dropout(layer.rate)
    return NORMS[layer.kind](features) if layer.kind in NORMS else PLAIN[layer.kind]()
