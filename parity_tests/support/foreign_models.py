"""Pairs of small strangers of every kind, drawn from a seed: what both halves compute, as lists of layers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Layer = tuple[str, dict[str, Any]]
Layers = list[Layer]
SMOOTH = ("gelu", "silu", "tanh", "softplus", "elu", "mish", "sigmoid", "hardswish", "selu", "softsign", "gelu_tanh")


@dataclass(frozen=True)
class Model:
    """A pair without a fault. inputs: as `--input` has it; rank: that of the maps inside, 0 for none."""

    kind: str
    layers: Layers
    inputs: str
    rank: int


def conv(inputs: int, outputs: int, **more: Any) -> Layer:
    kernel = more.setdefault("kernel", 3)
    more.setdefault("pad", ((kernel - 1) // 2,) * 2)
    return "conv", {"inputs": inputs, "outputs": outputs, **more}


def dense(inputs: int, outputs: int, **more: Any) -> Layer:
    return "dense", {"inputs": inputs, "outputs": outputs, **more}


def act(rng: np.random.Generator, names: tuple[str, ...] = ("relu", *SMOOTH)) -> Layer:
    return "act", {"name": str(rng.choice(names))}


def image_classifier(rng: np.random.Generator) -> Model:
    a, b = rng.integers(4, 8, 2).tolist()
    layers = [
        ("normalise", {"mean": 0.4, "std": 0.25}),
        conv(3, a, stride=2, bias=False),
        ("bn", {"channels": a}),
        act(rng),
        ("pool", {"how": str(rng.choice(["max", "avg"])), "kernel": 3, "stride": 2, "pad": (1, 1)}),
        conv(a, b),
        act(rng),
        ("flatten", {}),
        ("dropout", {"rate": 0.3}),
        dense(b * 4 * 5, 7),
    ]
    return Model("image classifier", layers, "3x16x20", 2)


def residual_net(rng: np.random.Generator) -> Model:
    a = int(rng.integers(4, 8))
    block = [conv(a, a, bias=False), ("bn", {"channels": a}), act(rng), conv(a, a, groups=a), ("bn", {"channels": a})]
    layers = [
        conv(3, a),
        ("bn", {"channels": a}),
        act(rng),
        ("residual", {"layers": block}),
        act(rng),
        ("residual", {"layers": [conv(a, a, kernel=1, pad=(0, 0)), act(rng)]}),
        ("global", {"how": "mean"}),
        dense(a, 6),
    ]
    return Model("residual network", layers, "3x12x10", 2)


def branched_net(rng: np.random.Generator) -> Model:
    a, b = rng.integers(3, 6, 2).tolist()
    parts = [[conv(4, a), act(rng)], [conv(4, b, kernel=1, pad=(0, 0)), act(rng)]]
    layers = [
        conv(3, 4, pad=(1, 1), mode=str(rng.choice(["reflect", "edge", "symmetric", "zero"]))),
        act(rng),
        ("branches", {"parts": parts, "how": "cat"}),
        ("gn", {"channels": a + b, "groups": 1}),
        conv(a + b, 5, dilation=2, pad=(2, 2)),
        act(rng),
        ("global", {"how": "mean"}),
        dense(5, 4),
    ]
    return Model("branches", layers, "3x11x14", 2)


def segmentation(rng: np.random.Generator) -> Model:
    a = int(rng.integers(4, 7))
    layers = [
        conv(3, a),
        ("bn", {"channels": a}),
        act(rng),
        ("pool", {"how": "max", "kernel": 2, "stride": 2}),
        conv(a, a),
        act(rng),
        ("resize", {"how": str(rng.choice(["nearest", "bilinear"]))}),
        conv(a, 4 * a, kernel=1, pad=(0, 0)),
        ("shuffle", {}),
        act(rng),
        conv(a, 5, kernel=1, pad=(0, 0)),
        ("softmax", {"axis": "channels"}),
    ]
    return Model("segmentation", layers, "3x8x12", 2)


def autoencoder(rng: np.random.Generator) -> Model:
    a = int(rng.integers(4, 7))
    layers = [
        conv(3, a, stride=2),
        act(rng),
        conv(a, a),
        ("clip", {"low": -1.5, "high": 2.0}),
        ("deconv", {"inputs": a, "outputs": a}),
        act(rng),
        conv(a, 3),
        ("act", {"name": "sigmoid"}),
    ]
    return Model("autoencoder", layers, "3x8x10", 2)


def transformer(rng: np.random.Generator) -> Model:
    # Keras has the scale of its attention in float32, which is exact where a head's width is a power of 4
    c, heads, words = 8, int(rng.choice([2, 8])), 11
    attend = str(rng.choice(["mha", "attention"]))
    block = [("ln", {"channels": c}), (attend, {"channels": c, "heads": heads})]
    feed = [("ln", {"channels": c}), dense(c, 12), act(rng), ("dropout", {"rate": 0.1}), dense(12, c)]
    layers = [
        ("embedding", {"words": words, "channels": c}),
        ("scale", {"factor": c**0.5}),
        ("residual", {"layers": block}),
        ("residual", {"layers": feed}),
        ("ln", {"channels": c}),
        ("global", {"how": "mean"}),
        dense(c, 5),
    ]
    return Model("text, attention", layers, f"ids:int<{words}>:9", 0)


def recurrent(rng: np.random.Generator) -> Model:
    c, units, words = 6, int(rng.integers(4, 7)), 13
    both = bool(rng.integers(2))
    layers = [
        ("embedding", {"words": words, "channels": c}),
        (str(rng.choice(["lstm", "gru"])), {"inputs": c, "units": units, "both": both}),
        ("ln", {"channels": units * (1 + both)}),
        ("reduce", {"how": str(rng.choice(["mean", "max", "sum"])), "axis": 1}),
        dense(units * (1 + both), 7),
        act(rng),
        dense(7, 4),
    ]
    return Model("text, recurrent", layers, f"ids:int<{words}>:7", 0)


def tabular(rng: np.random.Generator) -> Model:
    a, b = rng.integers(8, 14, 2).tolist()
    layers = [
        ("std", {}),
        dense(9, a),
        ("bn", {"channels": a}),
        act(rng),
        ("residual", {"layers": [dense(a, a), act(rng)], "scale": 0.5}),
        dense(a, b),
        act(rng, ("leaky", "leaky2", "relu6", *SMOOTH)),
        ("dropout", {"rate": 0.2}),
        dense(b, 3),
        ("outputs", {"names": {"mean": 1.0, "scaled": 0.5}}),
    ]
    return Model("tabular", layers, "x:float:9", 0)


def series(rng: np.random.Generator) -> Model:
    a = int(rng.integers(4, 8))
    layers = [
        conv(3, a, kernel=5, dilation=2, pad=(8, 0)),
        act(rng),
        ("residual", {"layers": [conv(a, a), act(rng)]}),
        ("pool", {"how": "max", "kernel": 2, "stride": 2}),
        conv(a, a, stride=2),
        ("bn", {"channels": a}),
        act(rng),
        ("global", {"how": "max"}),
        dense(a, 4),
    ]
    return Model("series", layers, "x:map:3x24", 1)


def two_inputs(rng: np.random.Generator) -> Model:
    a, b = rng.integers(4, 8, 2).tolist()
    layers = [
        ("each", {"parts": [[dense(6, a), act(rng)], [dense(5, b), act(rng)]]}),
        dense(a + b, 8),
        act(rng),
        ("branches", {"parts": [[dense(8, 6), act(rng)], [dense(8, 6), ("act", {"name": "sigmoid"})]], "how": "mul"}),
        dense(6, 3),
    ]
    return Model("two inputs", layers, "left:float:6,right:float:5", 0)


def boxes(rng: np.random.Generator) -> Model:
    a = int(rng.integers(6, 10))
    layers = [
        dense(4, a),
        act(rng),
        ("ln", {"channels": a}),
        dense(a, a),
        act(rng),
        ("reduce", {"how": str(rng.choice(["max", "mean", "sum"])), "axis": 1}),
        dense(a, 5),
        ("softmax", {"axis": -1}),
    ]
    return Model("sets of boxes", layers, "boxes:float:8x4", 0)


def rotary(rng: np.random.Generator) -> Model:
    c, words = 12, 11
    attend = ("attention", {"channels": c, "heads": 2, "rotary": {"base": float(rng.choice([10000.0, 100.0]))}})
    layers = [
        ("embedding", {"words": words, "channels": c}),
        ("residual", {"layers": [("ln", {"channels": c}), attend]}),
        ("residual", {"layers": [("ln", {"channels": c}), dense(c, 9), act(rng), dense(9, c)]}),
        ("reduce", {"how": str(rng.choice(["mean", "max"])), "axis": 1}),
        dense(c, 5),
    ]
    return Model("text, rotary", layers, f"ids:int<{words}>:8", 0)


def post_norm(rng: np.random.Generator) -> Model:
    c, words = 8, 12
    attend = [("attention", {"channels": c, "heads": 2, "causal": bool(rng.integers(2))})]
    layers = [
        ("embedding", {"words": words, "channels": c}),
        ("normed", {"layers": attend, "channels": c}),
        ("normed", {"layers": [dense(c, 10), act(rng), dense(10, c)], "channels": c}),
        ("global", {"how": "mean"}),
        dense(c, 4),
    ]
    return Model("text, norm after", layers, f"ids:int<{words}>:7", 0)


def masked(rng: np.random.Generator) -> Model:
    units, words = int(rng.integers(4, 7)), 14
    layers = [
        ("masked", {"cell": str(rng.choice(["lstm", "gru"])), "words": words, "channels": 5, "units": units}),
        ("reduce", {"how": str(rng.choice(["mean", "max", "sum"])), "axis": 1}),
        dense(units, 6),
        act(rng),
        dense(6, 3),
    ]
    return Model("text, masked", layers, f"ids:int<{words}>:6", 0)


def video(rng: np.random.Generator) -> Model:
    a, b = rng.integers(3, 6, 2).tolist()
    layers = [
        ("convlstm", {"inputs": 2, "units": a}),
        conv(a, b, stride=2),
        act(rng),
        ("global", {"how": "mean"}),
        dense(b, 3),
    ]
    return Model("video", layers, "x:map:2x3x6x5", 2)


KINDS: tuple[Callable[[np.random.Generator], Model], ...] = (
    *(image_classifier, residual_net, branched_net, segmentation, autoencoder, transformer),
    *(recurrent, tabular, series, two_inputs, boxes),
    *(rotary, post_norm, masked, video),
)
