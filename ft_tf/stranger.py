"""A model of the user's own: as much of a learner as a trace needs, under names that it shares with its twin."""

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import tensorflow as tf

from ft.backend.calls import Calls, Given
from ft.backend.description import Description, Parameter, silence
from ft.backend.forms import restored, shape_after
from ft.backend.operations import Graph
from ft.backend.shares import Shares
from ft.data.targets import classes_of
from ft.errors import RecipeError
from ft.parity.foreign.assignment import MOMENTUM
from ft.parity.foreign.calls import rename_calls
from ft.parity.foreign.code import blamed
from ft.parity.foreign.inputs import flattened, handed
from ft.parity.foreign.products import as_linear, may_be_products
from ft.parity.trace import STATISTICS
from ft_tf.canonical import Part, forms_of, kind_in_torch, named_as_in_torch, own_variables
from ft_tf.operations import record
from ft_tf.optim import SGD
from ft_tf.own_optimizer import OwnOptimizer
from ft_tf.tasks.classification import cross_entropy
from ft_tf.trace import recording
from ft_tf.weights import to_array


class Stranger:
    """A model that a function of the user's returns. Maps have their channels last here, whatever the model takes.

    `describe` comes first, then `share`; after that it is a Learner, and its own wing, as far as `write_trace` asks.
    """

    def __init__(
        self, make: Callable[[], Any], *, dtype: str, seed: int, maps: Container[str] = (), lead: bool = False
    ) -> None:
        keras.utils.clear_session()  # names are numbered from the start
        keras.config.set_dtype_policy(dtype)
        keras.config.set_floatx(dtype)
        keras.utils.set_random_seed(seed)
        self.model = make()
        if not isinstance(self.model, keras.Model):
            raise RecipeError(f"it returns a {type(self.model).__name__}; expected a keras.Model")
        self.dtype, self.maps, self.lead = dtype, maps, lead
        self.keys: Mapping[str, str] = {}
        self.shares = Shares()
        self.cotangents: dict[str, np.ndarray] = {}
        self.loss: Callable[..., Any] | None = None
        self.rounded: Mapping[str, str] = {}  # none is known
        self.exact = False

    def describe(self, inputs: Mapping[str, np.ndarray]) -> Description:
        """Return what the hub must know, of a pass over inputs in inference mode."""
        maps = [x.shape for name, x in inputs.items() if name in self.maps]
        self.channels_first = bool(maps) and takes_channels_first(self.model, maps[0])
        self.model.traced_images = "NCHW" if self.channels_first else "NHWC"
        self.forward(inputs, training=False)  # a model may have no variables before its first call
        self.layers = dict(walk(self.model))
        variables = dict(own_variables(self.model, self.layers))
        if len(variables) != len(self.model.weights):
            raise RecipeError("two layers side by side, or two weights of one, bear one name; give each its own")
        self.variables = {"/".join(path): x for path, x in variables.items() if tf.as_dtype(x.dtype).is_floating}
        self.places = {"/".join(path): path for path in variables}
        self.parts = {part.name: part for name in self.variables for part in self.parts_of(name)}
        self.parts |= self.linear_parts(inputs)
        if self.lead:
            self.parts = named_as_in_torch(self.parts.values())
        silenced = [silence(".".join(names), layer) or still(names, layer) for names, layer in self.layers.items()]
        with self.recording(self.model) as calls:
            outputs = self.forward(inputs, training=False)
        self.gives = {name: tuple(x.shape) for name, x in outputs.items()}
        types = sorted(
            {tf.as_dtype(x.dtype) for x in (*outputs.values(), *self.variables.values())}, key=lambda t: t.size
        )
        return Description(
            dtype=types[0].name,
            outputs=tuple(next(iter(outputs.values())).shape),
            parameters=tuple(part.parameter for part in self.parts.values()),
            calls=calls.calls,
            automatic=frozenset(".".join(names) for names in self.layers if self.is_automatic(names)),
            silenced=tuple(filter(None, silenced)),
            remarks=("its regularisation losses are left out of the loss",) if self.model.losses else (),
            gives=self.gives,
            settings=tuple(penalties(self.layers)),
        )

    def parts_of(self, name: str) -> Iterator["Part"]:
        """Yield what a variable holds in PyTorch's terms: one parameter, or two as a GRU's biases."""
        *names, own = self.places[name]
        layer, variable = self.layers.get(tuple(names), self.model), self.variables[name]
        kind, path = kind_in_torch(layer), ".".join(names)
        for mark, leaf, form in forms_of(layer, own, variable):
            where = f"{path}.{leaf.partition('.')[0]}" if "." in leaf else path  # half of a separable convolution
            shape = shape_after(tuple(variable.shape), form)
            part = Parameter(name + mark, where, leaf.rpartition(".")[2], kind, shape, variable.trainable)
            yield Part(name + mark, name, form, part)

    def linear_parts(self, inputs: Mapping[str, np.ndarray]) -> dict[str, "Part"]:
        """Return parts of the user's own layers that a pass shows to be linear layers."""
        parameters = {name: part.parameter for name, part in self.parts.items() if not part.form}
        if not may_be_products(parameters.values()):
            return {}
        linear = as_linear(parameters, self.recorded(inputs, {}, {}))
        return {name: replace(self.parts[name], form=form, parameter=own) for name, (own, form) in linear.items()}

    def is_automatic(self, names: tuple[str, ...]) -> bool:
        """Say whether Keras made up the name of a layer, or of one that holds it, such as conv2d_1."""
        kinds = (type(self.layers[names[: i + 1]]).__name__.lower() for i in range(len(names)))
        return any(re.fullmatch(rf"{k}\d*", name.replace("_", "")) for k, name in zip(kinds, names, strict=True))

    def share(
        self,
        names: Mapping[str, str],
        keys: Mapping[str, str],
        make_optimizer: Callable[[Any], Any] | None,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        """Take the names of both models: own -> shared, of parameters and of calls; what has none is left out."""
        forms = {part.name: (part.variable, part.form) for part in self.parts.values()}
        self.shares, self.keys = Shares.of(names, forms, shapes), keys
        if make_optimizer is None:
            self.optimizer: SGD | OwnOptimizer = SGD(self.trained, momentum=MOMENTUM, nesterov=False, weight_decay=0.0)
        else:
            self.optimizer = OwnOptimizer(make_optimizer, self.model, self.trained)

    def settle(self, values: Mapping[str, float]) -> None:
        """Give parameters that only this side has one value each, which changes nothing."""
        for name, value in values.items():
            part = self.parts[name]
            variable = self.variables[part.variable]
            before = variable.numpy()
            fresh = np.full(part.parameter.shape, value, before.dtype)
            variable.assign(restored(before, part.form, fresh))

    @property
    def trained(self) -> dict[str, keras.Variable]:
        """What a step changes, by its own name."""
        variables = {name: self.variables[name] for name in self.shares.weights}
        return {name: variable for name, variable in variables.items() if variable.trainable}

    @property
    def lr(self) -> float | None:
        """The rate of the user's own optimizer, None for the stated one."""
        return self.optimizer.lr if isinstance(self.optimizer, OwnOptimizer) else None

    @property
    def optimizer_name(self) -> str:
        """The name of the user's own optimizer, "" for the stated one."""
        return type(self.optimizer.own).__name__ if isinstance(self.optimizer, OwnOptimizer) else ""

    def forward(self, inputs: Mapping[str, Any], *, training: bool) -> dict[str, tf.Tensor]:
        """Run the model; RecipeError where it fails, or gives no numbers."""
        tensors = {name: self.tensor(name, array) for name, array in inputs.items()}
        shapes = ", ".join(f"{name} of shape {tuple(x.shape)}" for name, x in tensors.items())
        with blamed(f"the model fails on {shapes}, see --input"), without_dropout():
            given = call_model(self.model, tensors, training=training)
        outputs = {name: x for name, x in flattened(given, tf.is_tensor).items() if x.dtype.is_floating}
        if not outputs:
            raise RecipeError(f"the model gives a {type(given).__name__}; expected tensors of floating-point numbers")
        return outputs

    def tensor(self, name: str, array: Any) -> tf.Tensor:
        """Return an input as the model takes it."""
        if tf.is_tensor(array):
            return array
        if name in self.maps and self.channels_first:
            array = np.moveaxis(array, -1, 1)
        return tf.constant(array, self.dtype if array.dtype.kind == "f" else None)

    def outputs(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return outputs in inference mode."""
        return {name: x.numpy() for name, x in self.forward(inputs, training=False).items()}

    def operations(self, inputs: Mapping[str, np.ndarray], forced: Mapping[int, np.ndarray]) -> Graph:
        """Return every operation of a pass in inference mode. forced: other outputs of some, by number."""
        names = {part.variable: part.name.partition("#")[0] for part in self.parts.values()} if self.lead else {}
        return self.recorded(inputs, forced, names)

    def recorded(
        self, inputs: Mapping[str, np.ndarray], forced: Mapping[int, np.ndarray], names: Mapping[str, str]
    ) -> Graph:
        """Return every operation of a pass. names: of variables, where they are others there."""
        leaves = {f"parameter {names.get(name, name)}": variable for name, variable in self.variables.items()}
        tensors = {name: self.tensor(name, array) for name, array in inputs.items()}
        leaves |= {f"input {name}": tensor for name, tensor in tensors.items()}
        return record(self.model, lambda: self.forward(tensors, training=False), leaves, forced)[0]

    def gradients(
        self, batch: Any, *, step: int, first: int = 0
    ) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return loss, outputs and gradients of a training step without its update; BatchNorm statistics do move."""
        trained = {name: variable.value for name, variable in self.trained.items()}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(list(trained.values()))
            outputs = self.forward(batch.inputs, training=True)
            loss = self.loss_of(outputs, batch)
        with blamed("the model has no gradients"):
            computed = tape.gradient(loss, trained, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        self.latest = {name: tf.convert_to_tensor(g) for name, g in computed.items()}  # an embedding's is in slices
        arrays = {name: to_array(g, "same") for name, g in self.latest.items()}
        gradients = self.shares.total(arrays)
        self.latest |= {name: tf.constant(g) for name, g in self.shares.joined(arrays).items()}
        return float(loss), {name: x.numpy() for name, x in outputs.items()}, gradients

    def loss_of(self, outputs: dict[str, tf.Tensor], batch: Any) -> tf.Tensor:
        """Return the user's own loss, the product of the outputs with fixed numbers, or the labels' cross-entropy."""
        if self.loss is not None:
            inputs = {name: self.tensor(name, array) for name, array in batch.inputs.items()}
            with blamed("the function of make_loss failed"):
                loss = self.loss(outputs if len(outputs) > 1 else next(iter(outputs.values())), inputs)
            if not tf.is_tensor(loss) or tf.size(loss) != 1:
                raise RecipeError(f"the function of make_loss returns a {type(loss).__name__}; expected one number")
            return loss
        if self.cotangents:
            return sum(tf.reduce_sum(outputs[name] * tf.constant(c)) for name, c in self.cotangents.items())
        return cross_entropy(outputs["logits"], tf.constant(classes_of(batch.targets)))

    def update(self, gradients: Mapping[str, np.ndarray], *, lr: np.float64) -> dict[str, np.ndarray]:
        """Do the update of a step with the gradients that `gradients` returned last; return what was subtracted."""
        update = self.optimizer.update(self.latest, tf.constant(lr, tf.float64))
        return self.shares.common({n: to_array(x, "same") for n, x in zip(self.latest, update, strict=True)})

    def get_weights(self) -> dict[str, np.ndarray]:
        """Return every shared parameter and buffer."""
        return self.shares.common({name: to_array(self.variables[name], "same") for name in self.shares.weights})

    def set_weights(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Assign every shared parameter and buffer."""
        before = {name: to_array(self.variables[name], "same") for name in self.shares.weights}
        for name, array in self.shares.own(tensors, before).items():
            self.variables[name].assign(array.astype(self.variables[name].dtype))

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the optimizer's state."""
        return self.shares.common_slots(self.optimizer.get_slots())

    def parameters(self, model: Any) -> dict[str, keras.Variable]:
        """Return the shared parameters by their common names, BatchNorm's statistics left out."""
        parts = {name: self.variables[weight] for name, (weight, _) in self.shares.parts.items()}
        return {name: variable for name, variable in parts.items() if name.rpartition(".")[2] not in STATISTICS}

    @contextmanager
    def recording(self, model: Any) -> Iterator[Calls]:
        """Record every layer call of the model inside the block, under the shared names."""
        layers = {".".join(names): layer for names, layer in self.layers.items() if "activation" in vars(layer)}
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


@contextmanager
def without_dropout() -> Iterator[None]:
    """Let dropout that a model calls as a function pass its input on."""
    with ExitStack() as stack:
        for module in (keras.random, tf.nn):
            stack.enter_context(patch.object(module, "dropout", lambda *args, **kwargs: [*args, *kwargs.values()][0]))
        yield


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


def penalties(layers: Mapping[tuple[str, ...], Any]) -> Iterator[str]:
    """Yield the regularisers and limits of layers, in words."""
    for names, layer in layers.items():
        for name, value in vars(layer).items():
            if value is not None and name.endswith(("_regularizer", "_constraint")):
                numbers = ", ".join(f"{key} {x}" for key, x in value.get_config().items())
                yield f"{type(value).__name__}({numbers}) as {name} of {'.'.join(names)}"


def call_model(model: keras.Model, tensors: Mapping[str, tf.Tensor], *, training: bool) -> Any:
    """Run a model on inputs by name: a functional one knows their names or their order."""
    if len(tensors) > 1 and getattr(model, "inputs", None):
        names = [x.name for x in model.inputs]
        ordered = [tensors[name] for name in names] if set(names) == set(tensors) else list(tensors.values())
        given = dict(zip(names, ordered, strict=True)) if isinstance(model.input, dict) else ordered
        return model(given, training=training)
    return handed(model, model.call, tensors, training=training)


def takes_channels_first(model: keras.Model, shape: Sequence[int]) -> bool:
    """Say whether a model wants maps (N, C, ...): by its input's shape, else by its layers; shape: (N, ..., C)."""
    _, *sides, channels = shape
    given = getattr(model, "input_shape", None)
    if isinstance(given, tuple) and len(given) == len(shape):
        fits = [
            all(x in (None, y) for x, y in zip(given[1:], way, strict=True))
            for way in ((channels, *sides), (*sides, channels))
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
