"""Runs that go wrong in a known way: a small network of NumPy, trained on made data, and what a run leaves of it."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from ft import recipe as recipes
from ft.metrics.accuracy import softmax
from ft.recipe import Recipe
from ft.runs.predictions import write_predictions
from ft.tasks.classification import SINGLE, ClassMeter

HIDDEN, BATCH = 32, 20


@dataclass
class Stage:
    """What is trained on what. hidden: units, 0 for a line; scale: of the inputs; noise: share of labels drawn anew."""

    train: int = 1000
    val: int = 500
    epochs: int = 10
    lr: float = 0.1
    classes: int = 3
    spread: float = 0.8  # of a class around its centre
    clutter: int = 0  # inputs that say nothing
    hidden: int = HIDDEN
    noise: float = 0.0
    shares: tuple[float, ...] | None = None
    rings: bool = False  # classes around each other, which no line parts
    blind: float = 1.0  # of what the inputs say, as a base that sees other pixels makes of them
    seed: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)


def made(s: Stage, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and labels."""
    labels = rng.choice(s.classes, count, p=s.shares)
    angle = 2 * np.pi * (rng.random(count) if s.rings else labels / s.classes)
    radius = 1.0 + labels[:, None] if s.rings else 2.0
    places = radius * np.stack([np.cos(angle), np.sin(angle)], 1) * s.blind
    inputs = np.concatenate([places + s.spread * rng.normal(size=(count, 2)), rng.normal(size=(count, s.clutter))], 1)
    drawn = rng.random(count) < s.noise
    return inputs, np.where(drawn, rng.integers(0, s.classes, count), labels)


class Network:
    """A line, or one hidden layer of ReLU."""

    def __init__(self, inputs: int, s: Stage, rng: np.random.Generator) -> None:
        widths = [inputs, s.hidden, s.classes] if s.hidden else [inputs, s.classes]
        self.weights = [rng.normal(size=(a + 1, b)) / np.sqrt(a) for a, b in pairwise(widths)]
        self.weights[-1] *= 0.1

    def layers(self, x: np.ndarray) -> list[np.ndarray]:
        """Return the inputs of every layer, and the logits."""
        inputs = [np.c_[x, np.ones(len(x))]]
        for w in self.weights[:-1]:
            inputs.append(np.c_[np.maximum(inputs[-1] @ w, 0), np.ones(len(x))])
        return [*inputs, inputs[-1] @ self.weights[-1]]

    def step(self, x: np.ndarray, y: np.ndarray, lr: float) -> float:
        """Do one update and return the loss before it."""
        *inputs, logits = self.layers(x)
        p = softmax(logits)
        slope = (p - np.eye(p.shape[1])[y]) / len(y)
        for i in reversed(range(len(inputs))):
            gradient = inputs[i].T @ slope
            slope = (slope @ self.weights[i].T)[:, :-1] * (inputs[i][:, :-1] > 0)
            self.weights[i] -= lr * gradient
        return measured(logits, y)["loss"]


def measured(logits: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return the figures of a split."""
    meter = ClassMeter(logits.shape[1])
    meter.update({"logits": logits}, {"labels": y})
    return meter.result()


def staged(s: Stage, folder):
    """Train, and return what `advise` takes: model.json, the epochs of the log, what the task says."""
    rng = np.random.default_rng(s.seed)
    (x, y), (x_val, y_val) = made(s, s.train, rng), made(s, s.val, rng)
    network, epochs = Network(x.shape[1], s, rng), []
    for epoch in range(1, s.epochs + 1):
        batches = np.array_split(rng.permutation(len(x)), max(len(x) // BATCH, 1))
        losses = [network.step(x[b], y[b], s.lr) * len(b) for b in batches]
        val = measured(network.layers(x_val)[-1], y_val)
        row = {"epoch_end": True, "epoch": epoch, "step": epoch * len(batches), "loss": sum(losses) / len(x)}
        epochs.append({**row, "val_loss": val["loss"], "top1": val["top1"]})
    logits, classes, seen = network.layers(x_val)[-1], [f"class {k}" for k in range(s.classes)], min(len(x), s.val)
    names, said = [f"{i}.png" for i in range(s.val)], logits.argmax(1)
    write_predictions(folder, names, y_val, said, softmax(logits).max(1), classes)
    recipe = Recipe(**{"freeze": "none", "epochs": s.epochs, "lr": s.lr, **s.recipe})
    result = {
        "recipe": recipes.to_dict(recipe),
        "classes": classes,
        "data": {"train": s.train, "val": s.val, **s.facts},
        "metrics": measured(logits, y_val),
        "train_metrics": {**measured(network.layers(x[:seen])[-1], y[:seen]), "images": seen},
        "epoch": s.epochs,
    }
    return result, epochs, SINGLE.page(folder, result)
