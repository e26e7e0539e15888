"""Record every operation of TensorFlow's that a model does while it runs eagerly."""

from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_callbacks

from ft.backend.operations import Graph, LayerCall, Operation, as_given, as_real, plain_value

SILENT = ("ReadVariableOp",)  # operations that pass their input on
SHAPES = ("Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike")  # no value of the input is in what they give
OPAQUE = (tf.resource, tf.variant, tf.string)  # types without numbers
TYPES = ("T", "dtype", "Tidx", "Tshape", "Tperm", "Tdim", "Tpaddings", "Index", "out_type", "Taxis", "Tindices")


class Operations:
    """Sees operations by a callback, and which layer did them in place of keras.layers.Layer.__call__.

    leaves: the name of each tensor that was there before; forced: other outputs, by number of operation.
    """

    def __init__(self, leaves: Mapping[str, Any], forced: Mapping[int, np.ndarray]) -> None:
        self.graph, self.forced = Graph(), forced
        self.stack: list[tuple[str, int]] = [("", 0)]
        self.numbers: dict[int, int] = {}  # id of a tensor, or of a variable's handle -> its number
        self.moving: set[int] = set()  # what depends on the inputs
        self.kept: list[Any] = []  # an id says which tensor only while that tensor lives
        self.original = keras.layers.Layer.__call__
        for name, value in leaves.items():
            resource = getattr(value, "value", value)
            handle = getattr(resource, "handle", resource)
            number = self.know(handle, self.graph.add(np.array(tf.convert_to_tensor(value)), name))
            self.moving |= {number} if name.startswith("input ") else set()

    def see(
        self, kind: Any, inputs: Any, attributes: Any, outputs: Any, op_name: Any = None, graph: Any = None
    ) -> None:
        """Take one operation."""
        if graph is not None:
            return  # inside of a compiled function, which is one operation
        name = kind.decode() if isinstance(kind, bytes) else kind
        if name in SILENT and id(inputs[0]) in self.numbers:
            self.know(outputs[0], self.numbers[id(inputs[0])])
            return
        inputs = () if name in SHAPES else inputs
        moving = any(self.numbers.get(id(x)) in self.moving for x in inputs)
        given = [x for x in outputs if x.dtype.is_floating or (moving and x.dtype not in OPAQUE)]
        if not given:
            return
        numbers = [self.number(x) for x in inputs if x.dtype != tf.resource or id(x) in self.numbers]
        forced = self.forced.get(len(self.graph.operations))
        if forced is not None:  # TensorFlow goes on with what is in its list
            local, place = given[0].numpy().copy(), next(i for i, x in enumerate(outputs) if x is given[0])
            given[0] = outputs[place] = tf.convert_to_tensor(as_given(forced, local).astype(local.dtype))
        made = [self.know(x, self.graph.add(x.numpy().copy())) for x in given]
        if forced is not None:
            self.graph.local[made[0]] = as_real(local)
        self.moving |= set(made) if moving else set()
        path = self.stack[-1][0]
        self.graph.operations.append(Operation(name, path, numbers, made, arguments(attributes)))

    def know(self, tensor: Any, number: int) -> int:
        """Note the number of a tensor."""
        self.numbers[id(tensor)] = number
        self.kept.append(tensor)
        return number

    def number(self, tensor: Any) -> int:
        """Return the number of a tensor; one that no operation gave is a constant."""
        if id(tensor) not in self.numbers:
            self.know(tensor, self.graph.add(np.array(tensor.numpy()), "constant"))
        return self.numbers[id(tensor)]

    def call(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a layer and note what it gave."""
        outer = self.stack[-1][0]
        path = f"{outer}.{layer.name}" if len(self.stack) > 1 and outer else layer.name if len(self.stack) > 1 else ""
        first = len(self.graph.operations)
        self.stack.append((path, first))
        try:
            output = self.original(layer, *args, **kwargs)
        finally:
            self.stack.pop()
        tensors = [x for x in tf.nest.flatten(output) if id(x) in self.numbers]
        if tensors and len(self.graph.operations) > first:
            last, number = len(self.graph.operations) - 1, self.numbers[id(tensors[0])]
            own = vars(layer).get("activation")
            activated = callable(own) and own is not keras.activations.linear and bool(layer.weights)
            self.graph.layers.append(LayerCall(path, type(layer).__name__, first, last, number, activated))
        return output


def record(
    model: keras.Model, run: Any, leaves: Mapping[str, Any], forced: Mapping[int, np.ndarray]
) -> tuple[Graph, dict[str, tf.Tensor]]:
    """Return every operation of `run()`, which runs the model, and what it returned: tensors by name."""
    recorder = Operations(leaves, forced)

    def see(*args: Any, **kwargs: Any) -> None:
        recorder.see(*args, **kwargs)

    op_callbacks.add_op_callback(see)
    try:
        with (
            patch.object(keras.layers.Layer, "__call__", lambda *args, **kwargs: recorder.call(*args, **kwargs)),
            patch.object(keras.Variable, "value", property(seen_value)),
        ):
            outputs = run()
    finally:
        op_callbacks.remove_op_callback(see)
    recorder.graph.results = {name: recorder.number(x) for name, x in outputs.items()}
    return recorder.graph, outputs


def seen_value(variable: keras.Variable, value: Any = keras.Variable.value) -> tf.Tensor:
    """Return what a variable holds, read by an operation: as an operand it would be read where no callback sees it."""
    return tf.convert_to_tensor(value.fget(variable))


def arguments(attributes: Any) -> dict[str, Any]:
    """Return what an operation was given beside tensors: names and values take turns."""
    values = list(attributes or ())
    named = zip(values[::2], values[1::2], strict=False)
    plain = {name.decode() if isinstance(name, bytes) else str(name): value for name, value in named}
    return {name: plain_value(value) for name, value in plain.items() if name not in TYPES and value is not None}
