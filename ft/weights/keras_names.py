"""Keras's names of weights <-> canonical ones. In Keras a tensor is known as "LAYER/VARIABLE" or "LAYER/INDEX".

A layer bears its module path, so `layer1.0.conv1/kernel` is `layer1.0.conv1.weight`. A parameter that no module holds
is a layer of its own with one variable: `class_token/class_token` is `class_token`. A file of Keras's own has no names
of variables, only their order: that of the module's tensors, parameters before buffers, in both frameworks.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from ft.weights.layouts import canonical_shape, from_canonical, to_canonical

LEAVES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
INDEX = re.compile("[0-9]{1,6}")


def is_keras_named(names: Iterable[str]) -> bool:
    """Tell whether tensors bear Keras's names; PyTorch's hold no slash."""
    return all("/" in name for name in names)


def owner(name: str) -> str:
    """Return the layer of a tensor in Keras's names; a canonical name is returned as it is."""
    return name.rpartition("/")[0] or name


def to_torch_names(tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return tensors in Keras's names and layouts by canonical name and layout.

    shapes: the network's canonical names and shapes. What the network lacks keeps its name, to be listed.
    """
    order = variable_order(shapes, {owner(name) for name in tensors})
    named: dict[str, np.ndarray] = {}
    for name, array in tensors.items():
        canonical = look_up(name, order)
        layout = layout_of(canonical, array.shape, shapes.get(canonical, ()))
        named[name if canonical in named else canonical] = to_canonical(array, layout)
    return named


def variable_order(shapes: Iterable[str], layers: Collection[str]) -> dict[str, list[str]]:
    """Return the canonical names of each layer's variables in order.

    layers: those of the file, for a parameter may be a layer of its own or a variable of its module's layer.
    """
    order: dict[str, list[str]] = {}
    for name in shapes:
        order.setdefault(name if name in layers else name.rpartition(".")[0], []).append(name)
    return order


def look_up(name: str, order: Mapping[str, list[str]]) -> str:
    """Return the canonical name of "LAYER/VARIABLE" or "LAYER/INDEX"; `name` itself where no layer has such a place."""
    layer, _, leaf = name.rpartition("/")
    if not INDEX.fullmatch(leaf):
        return canonical_name(name)
    names = order.get(layer, [])
    return names[int(leaf)] if int(leaf) < len(names) else name


def canonical_name(path: str) -> str:
    """Return the canonical name of a variable's path."""
    layer, _, leaf = path.rpartition("/")
    return layer if layer.rpartition(".")[2] == leaf else f"{layer}.{LEAVES.get(leaf, leaf)}"


def layout_of(name: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Return the layout of a Keras weight by its canonical name and its two shapes (ft/weights/layouts.py).

    Where a convolution and a depthwise one would both give the canonical shape, they give the same tensor.
    """
    if name.rpartition(".")[2] != "weight" or len(shape) not in (2, 4):
        return "same"
    if len(shape) == 2:
        return "linear"
    return "depthwise" if canonical_shape(shape, "depthwise") == wanted else "conv"


def to_keras_names(tensors: Mapping[str, np.ndarray], model: Any) -> dict[str, np.ndarray]:
    """Return canonical tensors by the variable paths of a Keras model of this package, and in their layouts."""
    return {
        variable.path: from_canonical(tensors[canonical_name(variable.path)], getattr(variable, "layout", "same"))
        for layer in model.layers
        for variable in layer.variables
    }
