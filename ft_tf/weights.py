"""Keras model <-> canonical tensors: torchvision's names, layouts and shapes, as NumPy arrays."""

from collections.abc import Container, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ft.backend.description import kind_of
from ft.weights.keras_names import LEAVES
from ft.weights.layouts import canonical_shape, from_canonical, to_canonical
from ft.weights.match import match_weights

BUFFERS = (
    *("running_mean", "running_var", "num_batches_tracked", "relative_position_index", "relative_coords_table"),
    *("mean", "variance", "count"),  # of Keras's Normalization
)


def building_empty() -> AbstractContextManager[object]:
    """Return a context in which networks are built without memory for their weights: Keras always takes it."""
    return nullcontext()


def get_weights(model: keras.Model, *, leave_out: Container[str] = ()) -> dict[str, np.ndarray]:
    """Return a copy of every parameter and buffer, but those to leave out, by canonical name."""
    return {
        name: to_array(variable, layout) for name, variable, layout in named_variables(model) if name not in leave_out
    }


def set_weights(model: keras.Model, tensors: Mapping[str, np.ndarray]) -> None:
    """Assign every parameter and buffer, cast to its own type; names and shapes must be exactly the model's."""
    tensors = match_weights(tensors, weight_shapes(model)).tensors
    for name, variable, layout in named_variables(model):
        variable.assign(from_canonical(np.asarray(tensors[name]), layout).astype(variable.dtype, copy=False))


def own_names(model: keras.Model, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return canonical tensors by the names and in the layouts of the framework's own files: paths of variables."""
    return {variable.path: from_canonical(tensors[name], layout) for name, variable, layout in named_variables(model)}


def write_weights(model: keras.Model, tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Assign canonical tensors, and write the model as .keras or its weights as .weights.h5; types are the model's."""
    set_weights(model, tensors)
    (model.save if path.suffix == ".keras" else model.save_weights)(path)


def to_array(tensor: tf.Tensor | tf.Variable | keras.Variable, layout: str) -> np.ndarray:
    """Return a copy of a tensor or a variable in the canonical layout."""
    view = np.asarray(tf.convert_to_tensor(tensor))  # of TensorFlow's own memory
    array = to_canonical(view, layout)
    return array.copy() if np.may_share_memory(array, view) else array


def weight_shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    """Return the canonical shape of every parameter and buffer."""
    return {name: canonical_shape(tuple(variable.shape), layout) for name, variable, layout in named_variables(model)}


def parameters(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the parameters, all buffers left out, by canonical name."""
    return {name: variable for name, variable, _ in named_variables(model) if not is_buffer(name, variable)}


def is_buffer(name: str, variable: keras.Variable) -> bool:
    """Tell whether a variable is one in PyTorch, too, where a layer may hold scale and shift as such."""
    return name.rpartition(".")[2] in BUFFERS or getattr(variable, "is_buffer", False)


def named_variables(model: keras.Model) -> Iterator[tuple[str, keras.Variable, str]]:
    """Yield canonical name, variable and layout: a layer's name is its module path, LEAVES translates the rest.

    A parameter that no module holds, such as `class_token`, is a layer of that name with one variable of that name.
    """
    for layer in model.layers:
        for variable in layer.weights:
            leaf = variable.name
            alone = layer.name.rpartition(".")[2] == leaf
            yield layer.name if alone else f"{layer.name}.{LEAVES.get(leaf, leaf)}", variable, layout_of(variable)


def layout_of(variable: keras.Variable) -> str:
    """Return the layout that a variable's layer gave it (ft/weights/layouts.py)."""
    return getattr(variable, "layout", "same")


def note_layouts(model: keras.Model) -> None:
    """Note on the weights of Keras's own layers how they become canonical tensors; ours have said so themselves."""
    for layer in model.layers:
        for variable in layer.weights:
            variable.layout = getattr(variable, "layout", None) or layout_for(layer, variable)


def layout_for(layer: Any, variable: keras.Variable) -> str:
    """Return the layout of a weight of one of Keras's own layers (ft/weights/layouts.py)."""
    separable, kind = variable.name in ("depthwise_kernel", "pointwise_kernel"), kind_of(layer)
    if len(variable.shape) == 4 and (separable or (kind == "conv" and variable.name == "kernel")):
        return "depthwise" if isinstance(layer, keras.layers.DepthwiseConv2D) or variable.name[0] == "d" else "conv"
    return "linear" if kind == "linear" and variable.name == "kernel" else "same"
