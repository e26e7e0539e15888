"""What the hub's tests share: a wing without a framework, and images on disk."""

import re
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ft.backend import contract as backend
from ft.metrics.accuracy import softmax
from ft.metrics.multilabel import binary_cross_entropy, sigmoid
from ft.recipe.optimizer import settings_of

# PyTorch is an oracle in some of these files; where it is not installed (the core job of CI) they are left out
ORACLE = re.compile(r"^\s*(import|from) torch|ft_torch", re.MULTILINE)
collect_ignore = [
    str(path)
    for path in Path(__file__).parent.rglob("test_*.py")
    if find_spec("torchvision") is None and ORACLE.search(path.read_text())
]


class FakeLearner:
    """Logistic regression on the mean colour: `conv1` is carried along, `fc` is trained by SGD with momentum.

    Labels are classes, shares a yes or no for each class.
    """

    before_step = staticmethod(lambda step: None)  # tests put a fault or a signal in

    def __init__(self, model, *, card, plan, recipe, objective, device="cpu", on_features=False):
        self.model, self.recipe, self.on_features = model, recipe, on_features
        self.slots = {name: np.zeros(model.shapes[name]) for name in plan.trainable}

    def set_plan(self, plan):
        self.slots = {name: self.slots.get(name, np.zeros(self.model.shapes[name])) for name in plan.trainable}

    def run_ahead(self, *, compiled, say):
        say("compile: stem compiled in 0 s")

    def compile_trained(self, *, say):
        say("compile: what trains compiled in 0 s")

    def run_as_one(self):
        pass

    def step(self, batch, *, step, lr, first=0):
        FakeLearner.before_step(step)
        tensors, x, logits = self.model.tensors, self.colours(batch.inputs), self.outputs(batch.inputs)["logits"]
        if "shares" in batch.targets:
            p, shares = sigmoid(logits), batch.targets["shares"]
            loss, error = binary_cross_entropy(logits, shares), (p - shares) / p.size
        else:
            p, labels = softmax(logits), batch.targets["labels"]
            loss = -np.log(p[np.arange(len(x)), labels]).mean()
            error = (p - np.eye(p.shape[1])[labels]) / len(x)
        for name, gradient in (("fc.weight", error.T @ x), ("fc.bias", error.sum(0))):
            momentum = settings_of(self.recipe).get("momentum", 0.0)
            self.slots[name] = momentum * self.slots[name] + gradient
            tensors[name] = (tensors[name] - lr * self.slots[name]).astype(tensors[name].dtype)
        return np.array([loss, 1.0, 1.0, 1.0])

    def colours(self, inputs):
        return inputs if self.on_features else self.features(inputs)["head"]

    def features(self, inputs):
        return {"head": np.asarray(inputs).mean((1, 2))}

    def outputs(self, inputs):
        return {"logits": self.colours(inputs) @ self.model.tensors["fc.weight"].T + self.model.tensors["fc.bias"]}

    def fetch(self, probes):
        return np.stack(list(probes))

    def get_weights(self, *, leave_out=()):
        return {name: tensor.copy() for name, tensor in self.model.tensors.items() if name not in leave_out}

    def set_weights(self, tensors):
        self.model.tensors = {name: np.array(tensors[name]) for name in self.model.shapes}

    def get_slots(self):
        return {f"{name}.momentum_buffer": slot for name, slot in self.slots.items()}

    def set_slots(self, slots):
        self.slots = {name: np.array(slots[f"{name}.momentum_buffer"]) for name in self.slots}


def build_model(name, *, num_classes=1000, dtype="float32", options=None):
    shapes = {"conv1.weight": (4, 3, 3, 3), "fc.weight": (num_classes, 3), "fc.bias": (num_classes,)}
    return SimpleNamespace(shapes=shapes)


WING = SimpleNamespace(
    Learner=FakeLearner,
    build_model=build_model,
    building_empty=nullcontext,
    parameters=lambda model: model.shapes,
    weight_shapes=lambda model: model.shapes,
    prepare=lambda *, device, deterministic: "cpu",
    is_out_of_memory=lambda error: False,
)


@pytest.fixture
def fake_wing(monkeypatch):
    """Put a wing of NumPy in the place of both; returns its Learner. Its names are a resnet's."""
    monkeypatch.setattr(backend, "load", lambda name: WING)
    monkeypatch.setattr(FakeLearner, "before_step", staticmethod(lambda step: None))
    return FakeLearner


@pytest.fixture
def write_images(tmp_path):
    """Write tmp_path/NAME/CLASS/0.png ..., 16 px, a colour a class with noise; return the folder."""

    def write(name="pets", classes=("cat", "dog"), count=8):
        rng = np.random.default_rng(0)
        for shade, label in enumerate(classes):
            (tmp_path / name / label).mkdir(parents=True)
            for i in range(count):
                noise = rng.integers(0, 100, (16, 16, 3))
                pixels = (noise + np.array([140 * (shade % 2), 70, 140 * (1 - shade % 2)])).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / name / label / f"{i}.png")
        return tmp_path / name

    return write


COLOURS = "red", "green", "blue"  # each a channel, each in some images


@pytest.fixture
def write_sets(tmp_path):
    """Write tmp_path/sets/labels.csv and its images, 16 px, each with any number of three colours; return the CSV."""

    def write(count=24):
        rng, root = np.random.default_rng(0), tmp_path / "sets"
        root.mkdir()
        lines = ["path,label"]
        for i in range(count):
            there = [colour for k, colour in enumerate(COLOURS) if i >> k & 1]
            shade = np.array([200 * (colour in there) for colour in COLOURS])
            Image.fromarray((rng.integers(0, 55, (16, 16, 3)) + shade).astype(np.uint8)).save(root / f"{i:03}.png")
            lines.append(f"{i:03}.png,{' | '.join(there)}")
        (root / "labels.csv").write_text("\n".join(lines) + "\n")
        return root / "labels.csv"

    return write
