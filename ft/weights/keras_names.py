"""Keras's names of weights -> canonical ones. In Keras a tensor is known as "LAYER/VARIABLE" or "LAYER/INDEX".

A layer bears its module path, so `layer1.0.conv1/kernel` is `layer1.0.conv1.weight`. A parameter that no module holds
is a layer of its own with one variable: `class_token/class_token` is `class_token`. A file of Keras 3's has no names of
variables, only their order: that of the module's tensors, parameters before buffers, but for the classes in ORDERS.
A variable called kernel has a layout of Keras's own, all others are laid out alike in both frameworks.

Keras itself loads its old files by the order of layers and variables alone, and keras.applications' files count on it:
their layers bear names that the sources have left behind (`probs`, `convolution2d_1`). For such networks what cannot be
told by name goes by place.
"""

import re
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from ft.weights.layouts import canonical_shape, to_canonical

LEAVES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "depthwise_kernel": "depthwise.weight",
    "pointwise_kernel": "pointwise.weight",
}
_ATTENTION = ("qkv.weight", "qkv.bias", "proj.weight", "proj.bias")
KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
ORDERS = {  # class, as a group of a file is named after it -> its variables in order
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "multihead_attention": ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"),
    "window_attention_v1": (*_ATTENTION, "relative_position_bias_table", "relative_position_index"),
    "window_attention_v2": (
        *_ATTENTION,
        "logit_scale",
        "cpb_mlp.0.weight",
        "cpb_mlp.0.bias",
        "cpb_mlp.2.weight",
        "relative_position_index",
        "relative_coords_table",
    ),
    "token_embedding": ("weight",),
    "tied_embedding": ("weight",),
    "affine": ("weight", "bias"),
}
INDEX = re.compile("[0-9]{1,6}")


def is_keras_named(names: Iterable[str]) -> bool:
    """Tell whether tensors bear Keras's names; PyTorch's hold no slash."""
    return all("/" in name for name in names)


def owner(name: str) -> str:
    """Return the layer of a tensor in Keras's names; a canonical name is returned as it is."""
    return name.rpartition("/")[0] or name


def to_torch_names(
    tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], *, by_place: bool = False
) -> dict[str, np.ndarray]:
    """Return tensors in Keras's names and layouts by canonical name and layout.

    shapes: the network's canonical names and shapes. What the network lacks keeps its name, to be listed; by_place: but
    it is first tried whether it is a layer that the file lacks. Such a network's layers hold none of their own.
    """
    layers = {owner(name) for name in tensors}
    order = flat_order(shapes) if by_place else variable_order(shapes, layers)
    places = places_in(order, tensors, shapes) if by_place else {}
    named: dict[str, np.ndarray] = {}
    for name, array in tensors.items():
        canonical, is_kernel = look_up(places.get(name, name), order)
        layout = kernel_layout(array.shape, shapes.get(canonical, ())) if is_kernel else "same"
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


def flat_order(shapes: Iterable[str]) -> dict[str, list[str]]:
    """Return the canonical names of each layer's variables in order, where no layer's name has a dot."""
    order: dict[str, list[str]] = {}
    for name in shapes:
        order.setdefault(name.partition(".")[0], []).append(name)
    return order


def places_in(
    order: Mapping[str, list[str]], tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, str]:
    """Return for each name of a file one that the network knows, as "LAYER/VARIABLE" or "LAYER/INDEX".

    A layer that the network lacks is the first that the file lacks whose variables have as many axes.
    """
    variables: dict[str, list[str]] = {}
    for name in tensors:
        variables.setdefault(owner(name), []).append(name)
    free = [layer for layer in order if layer not in variables]
    places: dict[str, str] = {}
    for layer, names in variables.items():
        axes = [tensors[name].ndim for name in names]
        fits = (other for other in free if [len(shapes[name]) for name in order[other]] == axes)
        home = layer if layer in order else next(fits, None)
        if home is None:
            continue
        free = [other for other in free if other != home]
        for index, name in enumerate(names):
            own = f"{home}/{name.rpartition('/')[2]}"
            places[name] = own if look_up(own, order)[0] in shapes else f"{home}/{index}"
    return places


def look_up(name: str, order: Mapping[str, list[str]]) -> tuple[str, bool]:
    """Return the canonical name of "LAYER/VARIABLE" or "LAYER/INDEX", and whether it is a kernel.

    What no layer has a place for is returned as it is.
    """
    layer, _, leaf = name.rpartition("/")
    if not INDEX.fullmatch(leaf):
        return canonical_name(name), leaf in KERNELS
    names = order.get(layer, [])
    canonical = names[int(leaf)] if int(leaf) < len(names) else name
    return canonical, canonical.rpartition(".")[2] == "weight"


def canonical_name(path: str) -> str:
    """Return the canonical name of a variable's path."""
    layer, _, leaf = path.rpartition("/")
    return layer if layer.rpartition(".")[2] == leaf else f"{layer}.{LEAVES.get(leaf, leaf)}"


def kernel_layout(shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Return the layout of a kernel by its shape in Keras and its canonical one (ft/weights/layouts.py).

    Where a convolution and a depthwise one would both give the canonical shape, they give the same tensor.
    """
    if len(shape) == 4:
        return "depthwise" if canonical_shape(shape, "depthwise") == wanted else "conv"
    return "linear" if len(shape) == 2 else "same"
