"""Record what every layer of a Keras model gives while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import keras
import tensorflow as tf

from ft.backend.calls import Calls, Given, plain_settings
from ft_tf.axes import axes_after, axes_before

KINDS = {
    "Conv2d": "conv",
    "SparseConv2d": "conv",
    "Conv2D": "conv",
    "DepthwiseConv2D": "conv",
    "BatchNorm2d": "batchnorm",
    "BatchNormalization": "batchnorm",
    "LayerNorm": "layernorm",
    "LayerNormalization": "layernorm",
    "MaxPool2d": "maxpool",
    "MaxPooling2D": "maxpool",
    "AvgPool2d": "avgpool",
    "AveragePooling2D": "avgpool",
    "AdaptiveAvgPool2d": "avgpool",
    "GlobalAveragePooling2D": "avgpool",
    "StochasticDepth": "dropout",
    "Dense": "linear",
    "Add": "add",
    "Multiply": "mul",
    "Concatenate": "cat",
}


@dataclass
class Frame:
    """A layer that is running: how many calls were recorded before it, and whether it has run one of its own layers."""

    path: str
    before: int
    given: Given
    busy: bool = False


class Recorder:
    """Sees layers in place of keras.layers.Layer.__call__, which functional and subclassed models alike go through."""

    def __init__(self, model: keras.Model) -> None:
        self.model, self.calls, self.stack = model, Calls(), [Frame("", 0, Given())]
        self.images = getattr(model, "traced_images", "NHWC")
        self.names = {layer.name for layer in model.layers}
        self.own = {id(layer) for layer in model._flatten_layers(include_self=False)}
        self.sources: dict[int, str] = {}  # id of a tensor -> the call that gave it
        self.axes: dict[int, str] = {}  # id of a tensor -> its axes
        self.kept: list[tf.Tensor] = []  # an id says which tensor only while that tensor lives
        self.original = keras.layers.Layer.__call__

    def call(self, layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        """Run a layer, and record it if it has run none of its own."""
        outer = self.stack[-1]
        outer.busy = True
        # the model, or another one of its layers: without its auxiliary heads, up to its taps
        whole = isinstance(layer, keras.Model) and id(layer) not in self.own
        path = outer.path if whole else f"{outer.path}.{layer.name}" if outer.path else layer.name
        self.stack.append(Frame(path, len(self.calls.calls), self.given(layer, list(tensors_in(args)))))
        try:
            output = self.original(layer, *args, **kwargs)
        finally:
            frame = self.stack.pop()
        if not frame.busy and isinstance(output, tf.Tensor):
            self.calls.forget(frame.before)
            self.note(layer, self.module(frame.path) or "model", output, frame.given)
        return output

    def note(self, layer: keras.layers.Layer, path: str, output: tf.Tensor, given: Given) -> None:
        """Record a layer as what it is in PyTorch's code: itself, a function such as "add", or no node at all."""
        axes = self.axes[id(output)] = axes_after(layer, given.axes, len(output.shape), images=self.images)
        self.kept.append(output)
        if is_no_node(layer):
            self.sources.setdefault(id(output), given.sources[0] if given.sources else "")
            return
        word = getattr(layer, "traced_as", None)
        if word == "":
            return
        if word:
            path = ".".join([*path.split(".")[:-1], word])
        kind = word or KINDS.get(type(layer).__name__, type(layer).__name__.lower())
        self.record(path, output, kind, given, axes, plain_settings(layer))

    def module(self, path: str) -> str:
        """Return the module path that a layer's name stands for: `relu.1` is the second call of the module `relu`."""
        base, _, count = path.rpartition(".")
        return base if count.isdigit() and base in self.names else path

    def given(self, layer: keras.layers.Layer, tensors: list[tf.Tensor]) -> Given:
        """Return where the tensors that a layer takes come from."""
        sources = [self.sources.get(id(tensor), "") for tensor in tensors]
        copies = [None if source else x.numpy() for source, x in zip(sources, tensors, strict=True)]
        known = ((self.axes.get(id(x), ""), len(x.shape)) for x in tensors)
        return Given(sources, copies, [axes_before(layer, *own, images=self.images) for own in known])

    def record(
        self, path: str, output: tf.Tensor, kind: str, given: Given, axes: str, settings: dict[str, Any]
    ) -> None:
        """Add one call, with those of its inputs that no call gave."""
        if id(output) in self.sources:  # the layer passed its input on: dropout in inference mode
            output = tf.identity(output)
        key = self.calls.add(path, output.numpy(), kind=kind, axes=axes, given=given, settings=settings)
        self.sources[id(output)] = key
        self.kept.append(output)


@contextmanager
def recording(model: keras.Model) -> Iterator[Calls]:
    """Record every layer call of a model inside the block; images are (N, H, W, C) unless its `traced_images` differs.

    Functions run eagerly inside the block: a graph has no values to copy.
    """
    recorder = Recorder(model)
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        with patch.object(keras.layers.Layer, "__call__", lambda *args, **kwargs: recorder.call(*args, **kwargs)):
            yield recorder.calls
    finally:
        tf.config.run_functions_eagerly(before)


def is_no_node(layer: keras.layers.Layer) -> bool:
    """Tell whether a layer passes on what it gets: a dropout that drops none, which PyTorch's code may lack."""
    return 0 in (getattr(layer, "p", None), getattr(layer, "rate", None))


def tensors_in(arguments: Any) -> Iterator[tf.Tensor]:
    """Yield the floating-point tensors among positional arguments, those in a list included."""
    for argument in arguments:
        if isinstance(argument, tf.Tensor) and argument.dtype.is_floating:
            yield argument
        elif isinstance(argument, (list, tuple)):
            yield from tensors_in(argument)
