"""Small networks in PyTorch, built from a list of layers: one half of a pair of strangers (foreign_models.py)."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from parity_tests.support.foreign_models import Layers

ACTIVATIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": F.softplus,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "hardswish": F.hardswish,
    "mish": F.mish,
    "leaky": lambda x: F.leaky_relu(x, 0.01),
    "leaky2": lambda x: F.leaky_relu(x, 0.2),
    "softsign": F.softsign,
}
CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
PAD_MODES = {"zero": "constant", "reflect": "reflect", "symmetric": None, "edge": "replicate"}


class Net(nn.Module):
    """What a list of layers computes. The rank is that of the maps inside: 0 where there are none."""

    def __init__(self, layers: Layers, rank: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList([Step(kind, options, rank) for kind, options in layers])

    def forward(self, *xs: Tensor) -> Any:
        state: Any = xs if len(xs) > 1 else xs[0]
        for step in self.steps:
            state = step(state)
        return state


class Step(nn.Module):
    """One entry of the list."""

    def __init__(self, kind: str, options: dict[str, Any], rank: int) -> None:
        super().__init__()
        self.kind, self.options, self.rank, self.part = kind, options, rank, make(kind, options, rank)

    def forward(self, state: Any) -> Any:
        return run(self.kind, self.options, self.part, state, self.rank)


def make(kind: str, o: dict[str, Any], rank: int) -> nn.Module:
    """Return the module of one layer, with its parameters."""
    if kind == "conv":
        return CONVS[rank](
            o["inputs"], o["outputs"], o["kernel"], o.get("stride", 1), 0, o.get("dilation", 1), o.get("groups", 1),
            bias=o.get("bias", True),
        )  # fmt: skip
    if kind == "deconv":
        return nn.ConvTranspose2d(o["inputs"], o["outputs"], 2, 2)
    if kind == "bn":
        return NORMS[max(rank, 1)](o["channels"], o.get("eps", 1e-5), o.get("momentum", 0.1))
    if kind == "ln":
        return nn.LayerNorm(o["channels"], o.get("eps", 1e-5))
    if kind == "gn":
        return nn.GroupNorm(o["groups"], o["channels"], o.get("eps", 1e-5))
    if kind == "dense":
        return nn.Linear(o["inputs"], o["outputs"], bias=o.get("bias", True))
    if kind == "embedding":
        return nn.Embedding(o["words"], o["channels"])
    if kind in ("lstm", "gru"):
        cell = nn.LSTM if kind == "lstm" else nn.GRU
        return cell(o["inputs"], o["units"], batch_first=True, bidirectional=o.get("both", False))
    if kind == "mha":
        return nn.MultiheadAttention(o["channels"], o["heads"], batch_first=True)
    if kind == "attention":
        return nn.ModuleList([nn.Linear(o["channels"], o["channels"]) for _ in range(4)])
    if kind == "masked":
        cell = (nn.LSTM if o["cell"] == "lstm" else nn.GRU)(o["channels"], o["units"], batch_first=True)
        return nn.ModuleList([nn.Embedding(o["words"], o["channels"]), cell])
    if kind == "convlstm":
        units = o["units"]
        both = nn.Conv2d(o["inputs"], 4 * units, 3, padding=1), nn.Conv2d(units, 4 * units, 3, padding=1, bias=False)
        return nn.ModuleList(both)
    if kind == "normed":
        part = Net(o["layers"], rank)
        part.norm = nn.LayerNorm(o["channels"])
        return part
    if kind == "dropout":
        return nn.Dropout(o["rate"])
    if kind == "residual":
        return Net(o["layers"], rank)
    if kind in ("branches", "each", "chain"):
        return nn.ModuleList([Net(layers, rank) for layers in o["parts"]])
    return nn.Identity()


def run(kind: str, o: dict[str, Any], part: Any, x: Any, rank: int) -> Any:
    """Compute one layer."""
    if kind == "conv":
        before, after = o.get("pad", (0, 0))
        mode = o.get("mode", "zero")
        return part(padded(x, before, after, rank, mode))
    if kind == "act":
        return ACTIVATIONS[o["name"]](x)
    if kind == "pool":
        return pooled(x, o, rank)
    if kind in ("lstm", "gru"):
        y = part(x)[0]
        return y if o.get("sequence", True) else y[:, -1]
    if kind == "mha":
        return part(x, x, x, need_weights=False, is_causal=False)[0]
    if kind == "attention":
        return attention(part, x, o)
    if kind == "masked":
        return masked(part, x, o)
    if kind == "convlstm":
        return convlstm(part, x, o)
    if kind == "normed":
        return x + part(part.norm(x)) if o.get("pre") else part.norm(x + part(x))
    if kind == "ln" and rank == 2 and x.ndim == 4:
        return part(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    if kind == "residual":
        y = part(x) if o.get("scale", 1.0) == 1.0 else o["scale"] * part(x)
        return x + y if o.get("share", 1.0) else y
    if kind == "branches":
        ys = [branch(x) for branch in part]
        ys = [ys[i] for i in o.get("order", range(len(ys)))]
        return torch.cat(ys, 1) if o["how"] == "cat" else ys[0] * ys[1] if o["how"] == "mul" else sum(ys)
    if kind == "chain":
        for branch in part:
            x = branch(x)
        return x
    if kind == "each":
        ys = [branch(v) for branch, v in zip(part, x, strict=True)]
        ys = [ys[i] for i in o.get("order", range(len(ys)))]
        return torch.cat(ys, -1)
    if kind == "outputs":
        return {name: x * factor for name, factor in o["names"].items()}
    if kind == "flatten":
        return (x if o.get("first", True) else x.movedim(1, -1)).flatten(1)
    if kind == "global":
        axes = tuple(range(2, x.ndim)) if rank else (1,)
        return {"mean": x.mean, "sum": x.sum, "max": x.amax}[o["how"]](axes)
    if kind == "reduce":
        return {"mean": x.mean, "sum": x.sum, "max": x.amax}[o["how"]](o["axis"])
    if kind == "softmax":
        return torch.softmax(x, {"channels": 1, "rows": 2}.get(o["axis"], o["axis"]))
    if kind == "scale":
        return x * o["factor"]
    if kind == "resize":
        return resized(x, o)
    if kind == "shuffle":
        return F.pixel_shuffle(x, 2) if o.get("order", "channels") == "channels" else depth_to_space(x)
    if kind == "tokens":
        return x.flatten(2).transpose(1, 2)
    if kind == "cast":
        return x.to(torch.float32).to(x.dtype)
    if kind == "clip":
        return x.clamp(o["low"], o["high"])
    if kind == "normalise":
        return (x - o["mean"]) / o["std"]
    if kind == "detach":
        return x.detach()
    if kind == "std":
        return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True, correction=o.get("ddof", 1)) + 1e-6)
    if kind == "turn":
        return x.flip(1) if o.get("turned", True) else x
    return part(x)


def padded(x: Tensor, before: int, after: int, rank: int, mode: str) -> Tensor:
    """Pad all sides of a map."""
    if not before and not after:
        return x
    if mode == "symmetric":
        for axis in range(2, x.ndim):
            parts = [x.narrow(axis, 0, before).flip(axis), x, x.narrow(axis, x.shape[axis] - after, after).flip(axis)]
            x = torch.cat(parts, axis)
        return x
    return F.pad(x, (before, after) * rank, mode=PAD_MODES[mode] or "constant")


def pooled(x: Tensor, o: dict[str, Any], rank: int) -> Tensor:
    """Pool a map."""
    before, after = o.get("pad", (0, 0))
    names = {("max", 1): F.max_pool1d, ("max", 2): F.max_pool2d, ("max", 3): F.max_pool3d}
    means = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
    if o["how"] == "max":
        x = F.pad(x, (before, after) * rank, value=-math.inf) if before or after else x
        return names["max", rank](x, o["kernel"], o["stride"])
    count = o.get("count", False)
    ones = F.pad(torch.ones_like(x), (before, after) * rank)
    y = means[rank](F.pad(x, (before, after) * rank), o["kernel"], o["stride"])
    return y if count else y / means[rank](ones, o["kernel"], o["stride"])


def attention(part: Any, x: Tensor, o: dict[str, Any]) -> Tensor:
    """Attend by hand, over heads."""
    n, t, c = x.shape
    q, k, v = (layer(x).reshape(n, t, o["heads"], -1).transpose(1, 2) for layer in part[:3])
    if rotary := o.get("rotary"):
        q, k = (rotated(z, **rotary) for z in (q, k))
    scores = q @ k.transpose(-1, -2) * (o.get("scale") or (c // o["heads"]) ** -0.5)
    if o.get("causal"):
        scores = scores.masked_fill(torch.ones(t, t, dtype=torch.bool).triu(1), -1e9)
    return part[3]((torch.softmax(scores, o.get("axis", -1)) @ v).transpose(1, 2).reshape(n, t, c))


def rotated(x: Tensor, base: float, halves: bool = True) -> Tensor:
    """Turn pairs of channels by their position, as Llama does it: heads before positions."""
    half = x.shape[-1] // 2
    rates = base ** (-torch.arange(half, dtype=x.dtype) / half)
    angles = torch.arange(x.shape[-2], dtype=x.dtype)[:, None] * rates
    if not halves:
        one, two = x[..., ::2], x[..., 1::2]
        parts = one * angles.cos() - two * angles.sin(), two * angles.cos() + one * angles.sin()
        return torch.stack(parts, -1).flatten(-2)
    angles = torch.cat([angles, angles], -1)
    return x * angles.cos() + torch.cat([-x[..., half:], x[..., :half]], -1) * angles.sin()


def masked(part: Any, ids: Tensor, o: dict[str, Any]) -> Tensor:
    """Let a cell go over the first words of each text, as many as are small ones."""
    lengths = (ids < o["words"] // 2).sum(1).clamp(min=1)
    packed = nn.utils.rnn.pack_padded_sequence(part[0](ids), lengths, batch_first=True, enforce_sorted=False)
    return nn.utils.rnn.pad_packed_sequence(part[1](packed)[0], batch_first=True, total_length=ids.shape[1])[0]


def convlstm(part: Any, x: Tensor, o: dict[str, Any]) -> Tensor:
    """Return the last state of a cell of convolutions over the frames of a film."""
    h = c = torch.zeros(len(x), o["units"], *x.shape[-2:], dtype=x.dtype)
    for t in range(x.shape[2]):
        i, f, g, out = (part[0](x[:, :, t]) + part[1](h)).chunk(4, 1)
        f = f + o["forget"] if "forget" in o else f
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(out) * torch.tanh(c)
    return h


def resized(x: Tensor, o: dict[str, Any]) -> Tensor:
    """Resize a map to twice its size."""
    if o["how"] == "nearest":
        return F.interpolate(x, scale_factor=2, mode="nearest")
    return F.interpolate(x, scale_factor=2, mode=o["how"], align_corners=o.get("corners", False))


def depth_to_space(x: Tensor) -> Tensor:
    """Shuffle channels to pixels in TensorFlow's order."""
    n, c, h, w = x.shape
    return x.reshape(n, 2, 2, c // 4, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // 4, 2 * h, 2 * w)
