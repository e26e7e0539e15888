"""Faults planted into one half of a pair of strangers: their kind, place and size drawn from a seed."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity_tests.support.foreign_models import Layers, Model

NEAR = {  # what people write for one another
    "relu": ("relu6", "leaky", "gelu", "elu"),
    "relu6": ("relu", "hardswish"),
    "gelu": ("gelu_tanh", "silu", "relu"),
    "gelu_tanh": ("gelu", "silu"),
    "silu": ("hardswish", "gelu", "mish"),
    "elu": ("selu", "relu", "leaky2"),
    "selu": ("elu",),
    "softplus": ("relu", "silu"),
    "tanh": ("sigmoid", "softsign"),
    "sigmoid": ("tanh",),
    "hardswish": ("silu",),
    "mish": ("silu", "gelu"),
    "leaky": ("leaky2", "relu"),
    "leaky2": ("leaky", "relu"),
    "softsign": ("tanh",),
}


IN_KERAS = ("lstm", "gru", "mha", "masked", "convlstm")  # layers whose faults are settings that Keras's have


@dataclass(frozen=True)
class Planted:
    """One fault: the family that it is of, the side that has it, where, in words, and that side's layers."""

    family: str
    side: str
    place: str
    words: str
    layers: Layers


def planted(model: Model, rng: np.random.Generator) -> list[Planted]:
    """Return every fault that a model can have, one of each kind and place."""
    every = []
    for path, kind, options in walked(model.layers):
        for family, words, change in faults(kind, options, model.rank, rng):
            side = str(rng.choice(["torch", "tf"]))
            if kind in IN_KERAS or family == "setting" or "variance" in family:
                side = "tf"
            side = "torch" if words == "forget gate" else side
            layers = deepcopy(model.layers)
            change(at(layers, path))
            every.append(Planted(family, side, place_of(path), f"{kind}: {words}", layers))
    return every


def walked(layers: Layers, above: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str, dict[str, Any]]]:
    """Yield path, kind and options of every layer, those inside of others included."""
    for i, (kind, options) in enumerate(layers):
        yield (*above, i), kind, options
        if kind in ("residual", "normed"):
            yield from walked(options["layers"], (*above, i, "layers"))
        for j, part in enumerate(options.get("parts", ())):
            yield from walked(part, (*above, i, "parts", j))


def at(layers: Layers, path: tuple[Any, ...]) -> dict[str, Any]:
    """Return the options of a layer, to be changed."""
    return at_layer(layers, path)[1]


def at_layer(layers: Layers, path: tuple[Any, ...]) -> Any:
    """Return a layer by its path."""
    layer: Any = layers
    for step in path:
        layer = layer[1][step] if isinstance(step, str) else layer[step]
    return layer


def place_of(path: tuple[Any, ...]) -> str:
    """Return where a layer is in PyTorch's model."""
    words = {"layers": "part", "parts": "part"}
    names, inside = [], False
    for step in path:
        if isinstance(step, str):
            names.append(words[step])
            inside = step == "parts"
        elif inside:
            names.append(str(step))
            inside = False
        else:
            names += ["steps", str(step)]
    return ".".join(names)


def setter(**values: Any) -> Any:
    """Return a change that sets options."""
    return lambda options: options.update(values)


def faults(kind: str, o: dict[str, Any], rank: int, rng: np.random.Generator) -> Iterator[tuple[str, str, Any]]:
    """Yield family, words and change of the faults that a layer can have."""
    if kind == "act":
        other = str(rng.choice(NEAR[o["name"]]))
        yield "activation", f"{o['name']} -> {other}", setter(name=other)
    if kind in ("bn", "ln", "gn"):
        eps = float(rng.choice([1e-3, 1e-4, 1e-6]))
        yield "normalisation", f"eps {eps}", setter(eps=eps)
    if kind == "bn":
        yield "batchnorm-momentum", "momentum", setter(momentum=0.01)
        yield "batchnorm-variance", "variance", setter(biased=True)
    if kind == "conv":
        yield from conv_faults(o, rank, rng)
    if kind == "pool":
        before, after = o.get("pad", (0, 0))
        if before:
            yield "pooling", "pads at the end", setter(pad=(0, before + after))
        yield "pooling", "kind", setter(how="avg" if o["how"] == "max" else "max")
        if o["how"] == "avg" and before:
            yield "pooling", "pads counted", setter(count=True)
    if kind == "residual":
        yield "combination", "dropped residual", setter(share=0.0)
        yield "combination", "scale", setter(scale=o.get("scale", 1.0) * float(rng.choice([0.5, 2.0, 0.9])))
    if kind in ("branches", "each") and o.get("how") != "mul":
        yield "element order", "joined in another order", setter(order=[1, 0])
    if kind == "flatten":
        yield "element order", "flattened in another order", setter(first=False)
    if kind in ("global", "reduce"):
        yield "reduction", "kind", setter(how={"mean": "max", "max": "mean", "sum": "mean"}[o["how"]])
    if kind == "softmax":
        yield "softmax", "axis", setter(axis="rows" if o["axis"] == "channels" else 0)
    if kind == "scale":
        yield "combination", "factor", setter(factor=float(rng.choice([1.0, o["factor"] * 2])))
    if kind == "resize":
        yield "resize", "method", setter(how="bilinear" if o["how"] == "nearest" else "nearest")
        if o["how"] == "bilinear":
            yield "resize", "corners", setter(corners=True)
    if kind == "shuffle":
        yield "element order", "pixel shuffle", setter(order="pixels")
    if kind == "clip":
        yield "activation", "limit", setter(high=float(rng.choice([1.0, 3.0, 0.5])))
    if kind == "normalise":
        yield "combination", "mean", setter(mean=0.5)
    if kind == "std":
        yield "reduction", "n or n - 1", setter(ddof=0)
    if kind == "attention":
        yield "combination", "scale", setter(scale=float(o["channels"] ** -0.5))
        yield "mask", "causal", setter(causal=not o.get("causal"))
        yield "softmax", "axis", setter(axis=-2)
        if rotary := o.get("rotary"):
            yield "rotation", "neighbours", setter(rotary={**rotary, "halves": False})
            yield "rotation", "base", setter(rotary={"base": rotary["base"] * 2})
    if kind == "normed":
        yield "wiring", "norm before", setter(pre=True)
    if kind == "masked":
        yield "recurrent cell", "mask lost", setter(masked=False)
        yield "recurrent cell", "states kept", setter(zeros=False)
    if kind == "convlstm":
        yield "activation", "hard sigmoid", setter(gate="hard_sigmoid")
        yield "combination", "forget gate", setter(forget=1.0)
    if kind == "mha":
        yield "attention", "causal", setter(causal=True)
    if kind == "gru" and not o.get("both"):
        yield "recurrent cell", "reset before", setter(reset_after=False)
    if kind in ("gru", "lstm"):
        yield "recurrent cell", "hard sigmoid", setter(gate="hard_sigmoid")
    if kind == "dropout":
        yield "setting", "rate", setter(rate=o["rate"] + 0.1)
    if kind == "dense":
        yield "setting", "regulariser", setter(regularizer="l2")
        yield "setting", "trainable", setter(trained=False)
    if kind == "outputs":
        yield "combination", "factor", setter(names={"mean": 1.0, "scaled": 0.75})


def conv_faults(o: dict[str, Any], rank: int, rng: np.random.Generator) -> Iterator[tuple[str, str, Any]]:
    """Yield the faults of a convolution and of the padding before it."""
    before, after = o["pad"]
    if o["kernel"] > 1:
        yield (
            "padding",
            "pads at the other end",
            setter(pad=(after, before) if before != after else (0, before + after)),
        )
        own = o.get("mode", "zero")
        alike = {"edge", "symmetric"} if max(before, after) == 1 else {own}  # of one pixel both are the same
        others = {"zero", "reflect", "edge", "symmetric"} - {own} - (alike if own in alike else set())
        modes = sorted(others)
        yield "padding", "mode", setter(mode=str(rng.choice(modes)))


def altered(model: Model, rng: np.random.Generator) -> list[Planted]:
    """Return faults that add or take a layer: a cast, a stopped gradient, turned channels, a lost activation."""
    alterations = []
    for i, (kind, _) in enumerate(model.layers):
        if kind == "act":
            side = str(rng.choice(["torch", "tf"]))
            for family, words, layer in (
                ("rounding", "in float32", ("cast", {})),
                ("gradient", "stopped", ("detach", {})),
                ("activation", "lost", None),
            ):
                layers = deepcopy(model.layers)
                layers[i : i + 1] = [layers[i], layer] if layer else []
                if layer:  # so that the others keep their places
                    layers[i] = ("chain", {"parts": [[model.layers[i]], [layer]]})
                    layers.pop(i + 1)
                else:
                    layers.insert(i, ("nothing", {}))
                alterations.append(Planted(family, side, f"steps.{i}", words, layers))
    return alterations
