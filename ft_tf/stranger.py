"""A model of the user's own: as much of a learner as a trace needs, under names that it shares with its twin."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import tensorflow as tf

from ft.backend.calls import Calls, Given
from ft.backend.description import Description, Parameter, kind_of, silence
from ft.data import Batch, Inputs
from ft.data.targets import classes_of
from ft.errors import RecipeError
from ft.parity.foreign.code import OPTIMIZER, blamed
from ft.parity.foreign.compare import MOMENTUM
from ft.parity.foreign.pairing import rename_calls
from ft.parity.trace import STATISTICS
from ft.weights.layouts import canonical_shape, from_canonical
from ft_tf.optim import SGD
from ft_tf.tasks.classification import cross_entropy
from ft_tf.trace import recording
from ft_tf.weights import LEAVES, layout_for, layout_of, to_array

LEAF = {**LEAVES, "embeddings": "weight", "depthwise_kernel": "weight"}
SLOTS = {  # PyTorch's names of what Keras's optimizers keep
    "SGD": {"momentum": "momentum_buffer"},
    "RMSprop": {"momentum": "momentum_buffer", "velocity": "square_avg"},
    "Adagrad": {"accumulator": "sum"},
}
ADAM = {"momentum": "exp_avg", "velocity": "exp_avg_sq"}


class Stranger:
    """A model that a function of the user's returns. Images are (N, H, W, C) here, whatever the model takes.

    `describe` comes first, then `share`; after that it is a Learner, and its own wing, as far as `write_trace` asks.
    """

    def __init__(self, make: Callable[[], Any], *, dtype: str, seed: int) -> None:
        keras.utils.clear_session()  # names are numbered from the start
        keras.config.set_dtype_policy(dtype)
        keras.config.set_floatx(dtype)
        keras.utils.set_random_seed(seed)
        self.model = make()
        if not isinstance(self.model, keras.Model):
            raise RecipeError(f"it returns a {type(self.model).__name__}; expected a keras.Model")
        self.dtype, self.named = dtype, {}
        self.keys: Mapping[str, str] = {}

    def describe(self, images: np.ndarray) -> Description:
        """Return what the hub must know, of a pass over images in inference mode."""
        self.channels_first = takes_channels_first(self.model, images.shape)
        self.model.traced_images = "NCHW" if self.channels_first else "NHWC"
        self.forward(images, training=False)  # a model may have no variables before its first call
        self.layers = dict(walk(self.model))
        variables = dict(own_variables(self.model, self.layers))
        if len(variables) != len(self.model.weights):
            raise RecipeError("two layers side by side, or two weights of one, bear one name; give each its own")
        self.variables = {path: x for path, x in variables.items() if tf.as_dtype(x.dtype).is_floating}
        silenced = [silence(".".join(names), layer) or still(names, layer) for names, layer in self.layers.items()]
        with self.recording(self.model) as calls:
            logits = self.forward(images, training=False)
        types = sorted({tf.as_dtype(x.dtype) for x in (logits, *self.variables.values())}, key=lambda t: t.size)
        return Description(
            dtype=types[0].name,
            outputs=tuple(logits.shape),
            parameters=tuple(self.parameter(path, variable) for path, variable in self.variables.items()),
            calls=calls.calls,
            automatic=frozenset(".".join(names) for names in self.layers if self.is_automatic(names)),
            silenced=tuple(filter(None, silenced)),
            remarks=("its regularisation losses are left out of the loss",) if self.model.losses else (),
        )

    def parameter(self, path: tuple[str, ...], variable: keras.Variable) -> Parameter:
        """Return the description of one variable."""
        *names, leaf = path
        layer = self.layers.get(tuple(names), self.model)
        shape = canonical_shape(tuple(variable.shape), layout_of(variable))
        return Parameter(
            "/".join(path), ".".join(names), LEAF.get(leaf, leaf), kind_of(layer), shape, variable.trainable
        )

    def is_automatic(self, names: tuple[str, ...]) -> bool:
        """Say whether Keras made up the name of a layer, or of one that holds it, such as conv2d_1."""
        kinds = (type(self.layers[names[: i + 1]]).__name__.lower() for i in range(len(names)))
        return any(re.fullmatch(rf"{k}\d*", name.replace("_", "")) for k, name in zip(kinds, names, strict=True))

    def share(
        self, names: Mapping[str, str], keys: Mapping[str, str], make_optimizer: Callable[[Any], Any] | None
    ) -> None:
        """Take the names of both models: own -> shared, of parameters and of calls; what has none is left out."""
        own = {"/".join(path): variable for path, variable in self.variables.items()}
        self.named, self.keys = {name: own[path] for path, name in names.items()}, keys
        if make_optimizer is None:
            self.optimizer: SGD | OwnOptimizer = SGD(self.trained, momentum=MOMENTUM, nesterov=False, weight_decay=0.0)
        else:
            self.optimizer = OwnOptimizer(make_optimizer, self.model, self.trained)

    @property
    def trained(self) -> dict[str, keras.Variable]:
        """What a step changes, by shared name."""
        return {name: variable for name, variable in self.named.items() if variable.trainable}

    @property
    def lr(self) -> float | None:
        """The rate of the user's own optimizer, None for the stated one."""
        return self.optimizer.lr if isinstance(self.optimizer, OwnOptimizer) else None

    @property
    def optimizer_name(self) -> str:
        """The name of the user's own optimizer, "" for the stated one."""
        return type(self.optimizer.own).__name__ if isinstance(self.optimizer, OwnOptimizer) else ""

    def forward(self, images: np.ndarray, *, training: bool) -> tf.Tensor:
        """Run the model; RecipeError where it fails, or gives no logits."""
        x = tf.constant(np.moveaxis(images, -1, 1) if self.channels_first else images, self.dtype)
        with blamed(f"the model fails on images of shape {tuple(x.shape)}, see --input"):
            logits = self.model(x, training=training)
        if not isinstance(logits, tf.Tensor):
            raise RecipeError(f"the model gives a {type(logits).__name__}; expected one tensor of logits (N, classes)")
        return logits

    def outputs(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Return logits in inference mode."""
        return {"logits": self.forward(np.asarray(inputs), training=False).numpy()}

    def gradients(
        self, batch: Batch, *, step: int, first: int = 0
    ) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return loss, logits and gradients of a training step without its update; BatchNorm statistics do move."""
        trained = {name: variable.value for name, variable in self.trained.items()}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(list(trained.values()))
            logits = self.forward(np.asarray(batch.inputs), training=True)
            loss = cross_entropy(logits, tf.constant(classes_of(batch.targets)))
        gradients = tape.gradient(loss, trained, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        arrays = {name: to_array(g, layout_of(self.named[name])) for name, g in gradients.items()}
        return float(loss), {"logits": logits.numpy()}, arrays

    def update(self, gradients: Mapping[str, np.ndarray], *, lr: np.float64) -> dict[str, np.ndarray]:
        """Do the update of a step with gradients that `gradients` returned; return what was subtracted from weights."""
        tensors = {name: tf.constant(keras_layout(g, self.named[name])) for name, g in gradients.items()}
        update = self.optimizer.update(tensors, tf.constant(lr, tf.float64))
        return {name: to_array(x, layout_of(self.named[name])) for name, x in zip(tensors, update, strict=True)}

    def get_weights(self) -> dict[str, np.ndarray]:
        """Return every shared parameter and buffer."""
        return {name: to_array(variable, layout_of(variable)) for name, variable in self.named.items()}

    def set_weights(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Assign every shared parameter and buffer."""
        for name, variable in self.named.items():
            variable.assign(keras_layout(tensors[name], variable).astype(variable.dtype))

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the optimizer's state."""
        return self.optimizer.get_slots()

    def parameters(self, model: Any) -> dict[str, keras.Variable]:
        """Return the shared parameters, BatchNorm's statistics left out."""
        return {name: variable for name, variable in self.named.items() if name.rpartition(".")[2] not in STATISTICS}

    @contextmanager
    def recording(self, model: Any) -> Iterator[Calls]:
        """Record every layer call of the model inside the block, under the shared names."""
        layers = {".".join(names): layer for names, layer in self.layers.items() if hasattr(layer, "activation")}
        words = {path: word_for(layer.activation) for path, layer in layers.items()}
        inputs: dict[str, list[np.ndarray]] = {path: [] for path, layer in layers.items() if ends_in_activation(layer)}
        with ExitStack() as stack:
            for path, kept in inputs.items():
                layer = layers[path]
                stack.enter_context(patch.object(layer, "activation", watched(layer.activation, kept)))
            with recording(model) as calls:
                tf.config.run_functions_eagerly(False)  # Keras compiles grouped convolutions: on a CPU it must
                yield calls
        split_activations(calls, inputs, words)
        rename_calls(calls, self.keys)


class OwnOptimizer:
    """The optimizer that the user's `make_optimizer(model)` returns, driven by gradients from outside.

    What it subtracts is known only up to the rounding of the weights that it has changed.
    """

    def __init__(
        self, make: Callable[[Any], Any], model: keras.Model, parameters: Mapping[str, keras.Variable]
    ) -> None:
        with blamed(f"{OPTIMIZER}(model) failed"):
            self.own = make(model)
        if not isinstance(self.own, keras.optimizers.Optimizer):
            raise RecipeError(f"{OPTIMIZER} returns a {type(self.own).__name__}; expected a keras.optimizers.Optimizer")
        self.parameters = dict(parameters)
        self.own.build(list(self.parameters.values()))
        self.lr = float(self.own.learning_rate)

    def update(self, gradients: Mapping[str, tf.Tensor], lr: tf.Tensor) -> list[tf.Tensor]:
        """Do one step and return what was subtracted from each weight; the rate is the optimizer's own."""
        before = [tf.identity(w.value) for w in self.parameters.values()]
        with blamed(f"the optimizer of {OPTIMIZER} failed"):
            self.own.apply([gradients[name] for name in self.parameters], list(self.parameters.values()))
        return [old - w.value for old, w in zip(before, self.parameters.values(), strict=True)]

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the state that belongs to weights, as `NAME.momentum_buffer` and the like."""
        words, slots = SLOTS.get(type(self.own).__name__, ADAM), {}
        for name, w in self.parameters.items():
            start = w.path.replace("/", "_") + "_"  # Keras names a slot PATH_OF_THE_WEIGHT_momentum
            for word, slot in words.items():
                found = [x for x in self.own.variables if x.name == start + word]
                slots |= {f"{name}.{slot}": to_array(x, layout_of(w)) for x in found[:1]}
        return slots


def walk(layer: keras.layers.Layer, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every layer inside of a layer, by the names on the way to it."""
    for inner in layer._flatten_layers(include_self=False, recursive=False):
        yield (*above, inner.name), inner
        yield from walk(inner, (*above, inner.name))


def still(names: tuple[str, ...], layer: Any) -> str:
    """Let an augmentation layer, such as RandomFlip, do in training what it does in inference; return it in words."""
    if not type(layer).__name__.startswith("Random"):
        return ""
    call = layer.call
    layer.call = lambda inputs, training=None: call(inputs, training=False)
    return f"{'.'.join(names)} (augmentation)"


def own_variables(
    model: keras.Model, layers: Mapping[tuple[str, ...], Any]
) -> Iterator[tuple[tuple[str, ...], keras.Variable]]:
    """Yield every weight once, by the names of its layers and its own, and note its layout on it."""
    seen: set[int] = set()
    for names, layer in (((), model), *layers.items()):
        inner = {id(w) for part in layer._flatten_layers(include_self=False, recursive=False) for w in part.weights}
        for variable in layer.weights:
            if id(variable) not in inner | seen:
                variable.layout = getattr(variable, "layout", None) or layout_for(layer, variable)
                yield (*names, variable.name), variable
                seen.add(id(variable))


def keras_layout(array: np.ndarray, variable: keras.Variable) -> np.ndarray:
    """Return an array in PyTorch's layout in that of a variable."""
    return from_canonical(array, layout_of(variable), multiplier=variable.shape[-1] if len(variable.shape) else 1)


def takes_channels_first(model: keras.Model, shape: Sequence[int]) -> bool:
    """Say whether a model wants images (N, C, H, W): by its input's shape, else by its layers; shape: (N, H, W, C)."""
    _, height, width, channels = shape
    given = getattr(model, "input_shape", None)
    if isinstance(given, tuple) and len(given) == 4:
        fits = [
            all(x in (None, y) for x, y in zip(given[1:], way, strict=True))
            for way in ((channels, height, width), (height, width, channels))
        ]
        return fits == [True, False]
    formats = {getattr(layer, "data_format", None) for _, layer in walk(model)}
    return "channels_first" in formats and "channels_last" not in formats


def ends_in_activation(layer: Any) -> bool:
    """Say whether a layer applies an activation to what it has computed, as Conv2D(activation="relu") does."""
    return callable(layer.activation) and layer.activation is not keras.activations.linear and bool(layer.weights)


def word_for(function: Any) -> str:
    """Return the name of an activation."""
    return getattr(function, "__name__", type(function).__name__).lower()


def watched(function: Any, inputs: list[np.ndarray]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function that keeps what it is given, then does the same."""
    compute = function.call if isinstance(function, keras.layers.Layer) else function

    def activation(x: tf.Tensor) -> tf.Tensor:
        inputs.append(x.numpy())
        return compute(x)

    return activation


def split_activations(calls: Calls, inputs: Mapping[str, list[np.ndarray]], words: Mapping[str, str]) -> None:
    """Make the activation at the end of a layer a call of its own, `PATH.relu`, in place: in PyTorch it is one.

    inputs: what the activations were given, by layer; words: their names, those of keras.layers.Activation as well.
    """
    split = Calls()
    ends: dict[str, str] = {}  # what gave a layer's output -> what gives it now
    for key, call in calls.calls.items():
        sources = [ends.get(source, source) for source in call.inputs]
        copies = [calls.arrays.get(f"{key}<{i}") for i in range(len(sources))]
        given = inputs.get(call.path)
        output = given.pop(0) if given else calls.arrays[key]
        kind = words[call.path] if call.kind == "activation" else call.kind
        source = Given(sources, copies, list(call.input_axes))
        split.add(call.path, output, kind=kind, axes=call.axes, given=source, settings=call.settings)
        if given is not None:
            word = words[call.path]
            own = Given([key], [None], [call.axes])
            ends[key] = split.add(f"{call.path}.{word}", calls.arrays[key], kind=word, axes=call.axes, given=own)
    calls.calls, calls.arrays = split.calls, split.arrays
