"""A wing of NumPy, for tests of what needs none of the frameworks: the names of a wing, a small network, a learner.

The network is logistic regression on the mean colour: `conv1` is carried along, `fc` is trained. Its names are a
resnet's.
"""

import sys
from collections.abc import Container, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import pytest

from ft.backend import contract as backend
from ft.backend.ranks import ALONE
from ft.data import Features
from ft.metrics.accuracy import softmax
from ft.metrics.multilabel import binary_cross_entropy, sigmoid
from ft.recipe.optimizer import settings_of
from ft.weights.match import match_weights


def stand_in(patch: pytest.MonkeyPatch | None = None) -> None:
    """Put this wing in the place of both, NumPy in that of their frameworks; without a patch to undo: for good."""
    patch = patch or pytest.MonkeyPatch()
    patch.setattr(backend, "load", lambda name: sys.modules[__name__])
    for name, other in (("torch", "safetensors"), ("tf", "rich")):  # two packages tell the wings' features apart
        patch.setitem(backend.FRAMEWORKS, name, ("numpy", other))


@dataclass
class Model:
    """The network's tensors by name."""

    tensors: dict[str, np.ndarray]


class Learner:
    """Trains `fc` by SGD with momentum. Labels are classes, shares a yes or no for each class."""

    before_step = staticmethod(lambda step: None)  # tests put a fault or a signal in

    def __init__(self, model, *, card, plan, recipe, objective, device="cpu", ranks=ALONE):
        self.model, self.recipe, self.objective = model, recipe, objective
        self.plan, self.slots = plan, {name: np.zeros(model.tensors[name].shape) for name in plan.trainable}

    def set_plan(self, plan):
        fresh = {name: np.zeros(self.model.tensors[name].shape) for name in plan.trainable}
        self.plan, self.slots = plan, {name: self.slots.get(name, slot) for name, slot in fresh.items()}

    def run_ahead(self, *, compiled, say):
        say("compile: stem compiled in 0 s")

    def compile_trained(self, *, say):
        say("compile: what trains compiled in 0 s")

    def run_as_one(self):
        pass

    def step(self, batch, *, step, lr, first=0):
        Learner.before_step(step)
        loss, outputs, gradients = self.gradients(batch, step=step, first=first)
        update = self.update(gradients, lr=lr)
        trained = {name: self.model.tensors[name] for name in gradients}
        targets = batch.targets
        labels = targets["labels"] if "labels" in targets else targets["shares"].argmax(1)
        right = (outputs["logits"].argmax(1) == labels).sum()
        return np.array([loss, *map(norm, (gradients, trained, update)), right])

    def gradients(self, batch, *, step, first=0):
        outputs, x = self.outputs(batch.inputs), self.colours(batch.inputs)
        logits = outputs["logits"]
        if "shares" in batch.targets:
            p, shares = sigmoid(logits), batch.targets["shares"]
            loss, error = binary_cross_entropy(logits, shares), (p - shares) / p.size
        else:
            p, labels = softmax(logits), batch.targets["labels"]
            loss = -np.log(p[np.arange(len(x)), labels]).mean()
            error = (p - np.eye(p.shape[1])[labels]) / len(x)
        own = {"fc.weight": error.T @ x, "fc.bias": error.sum(0)}
        return loss, outputs, {name: own.get(name, np.zeros_like(slot)) for name, slot in self.slots.items()}

    def update(self, gradients, *, lr):
        momentum, updates = settings_of(self.recipe).get("momentum", 0.0), {}
        for name, gradient in gradients.items():
            self.slots[name] = momentum * self.slots[name] + gradient
            updates[name] = lr * self.slots[name]
            before = self.model.tensors[name]
            self.model.tensors[name] = (before - updates[name]).astype(before.dtype)
        return updates

    def colours(self, inputs):
        return inputs.taps["head"] if isinstance(inputs, Features) else np.asarray(inputs).mean((1, 2))

    def features(self, inputs):
        return Features({"head": self.colours(inputs)})

    def outputs(self, inputs):
        return {"logits": self.colours(inputs) @ self.model.tensors["fc.weight"].T + self.model.tensors["fc.bias"]}

    def fetch(self, probes):
        return np.stack(list(probes))

    def get_weights(self, *, leave_out=()):
        return get_weights(self.model, leave_out=leave_out)

    def set_weights(self, tensors):
        set_weights(self.model, tensors)

    def get_slots(self):
        return {f"{name}.momentum_buffer": slot.copy() for name, slot in self.slots.items()}

    def set_slots(self, slots):
        self.slots = {name: np.array(slots[f"{name}.momentum_buffer"]) for name in self.slots}

    def averaged(self):
        return nullcontext()


class Stranger:
    """A model of the user's own: none is of NumPy."""

    def __init__(self, make, *, dtype, seed, maps=(), lead=False):
        raise NotImplementedError


def norm(tensors: Mapping[str, np.ndarray]) -> float:
    """Return the norm of all tensors together."""
    return np.sqrt(sum(np.square(x, dtype=float).sum() for x in tensors.values()))


def connect(seat, *, device, timeout):
    """Never called: this wing trains alone."""
    raise NotImplementedError


def prepare(*, device, deterministic):
    return "cpu"


def count_gpus():
    return 0


def is_out_of_memory(error):
    return isinstance(error, MemoryError)


def build_model(name, *, num_classes=1000, dtype="float32", options=None):
    shapes = {"conv1.weight": (4, 3, 3, 3), "fc.weight": (num_classes, 3), "fc.bias": (num_classes,)}
    return Model({name: np.zeros(shape, dtype) for name, shape in shapes.items()})


def build_text(card, *, num_classes=2, dtype="float32"):
    raise NotImplementedError  # this wing looks at colours alone


def building_empty():
    return nullcontext()


def parameters(model):
    return dict(model.tensors)


def weight_shapes(model):
    return {name: tensor.shape for name, tensor in model.tensors.items()}


def get_weights(model: Model, *, leave_out: Container[str] = ()) -> dict[str, np.ndarray]:
    return {name: tensor.copy() for name, tensor in model.tensors.items() if name not in leave_out}


def set_weights(model, tensors):
    matched = match_weights(tensors, weight_shapes(model)).tensors
    model.tensors = {name: np.array(matched[name], tensor.dtype) for name, tensor in model.tensors.items()}


def own_names(model, tensors):
    return {name: tensors[name] for name in model.tensors}


def recording(model):
    raise NotImplementedError


def alter(model, surgery, *, image_size):
    raise NotImplementedError


def stage_shapes(model, card, *, image_size, channels):
    raise NotImplementedError


def write_weights(model, tensors, path):
    raise NotImplementedError


def export_model(model, path, *, format, preprocess, raw, metadata):
    raise NotImplementedError


def open_exported(path):
    raise NotImplementedError


def run_exported(path, given, *, format):
    raise NotImplementedError
