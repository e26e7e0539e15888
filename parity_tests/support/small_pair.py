"""A small network written by hand in both frameworks, with the layers that ResNet and EfficientNet-Lite lack.

No two dimensions are alike, nor are height and width where the features are flattened: 3 x 32 x 32 -> 9 x 4 x 3 = 108.
"""

from typing import Any

import keras
from torch import nn

from ft.backend import contract as backend
from ft.backend.contract import Learner
from ft.network.freeze import plan_at
from ft.noise import generator
from ft.recipe import Recipe
from ft.tasks.objective import objective_of
from ft.weights import initial_weights
from ft.zoo import Card
from ft.zoo.published import published
from ft_tf import layers as L
from ft_tf.precision import type_policy
from ft_torch.layers import Dropout
from ft_torch.precision import as_type
from parity_tests.support.pairs import CLASSES, Case, randomised

SMALL = Case("small", "none")
SLOPE = 2**-7  # of the leaky ReLU: TensorFlow keeps it as a float32, which 0.01 is not
BODY = ("conv", "norm", "depthwise", "grouped", "hidden", "layernorm")
CARD = Card(
    name="small",
    family="small",
    parameters=0,
    stages={"body": BODY, "head": ("head",)},
    last="head",
    pretrained=published("resnet18"),
    dropout=0.3,
)


def small_torch(dropout: float) -> nn.Module:
    """Return the network in PyTorch: images (N, 3, 32, 32) -> logits (N, CLASSES)."""
    parts = {
        "conv": nn.Conv2d(3, 6, 3, stride=2, padding=1),
        "norm": nn.BatchNorm2d(6),
        "gelu": nn.GELU(),
        "depthwise": nn.Conv2d(6, 12, 3, padding=1, groups=6, bias=False),
        "avgpool": nn.AvgPool2d(3, stride=2, padding=1),
        "grouped": nn.Conv2d(12, 9, (2, 3), groups=3),
        "maxpool": nn.MaxPool2d(3, stride=2, padding=1),
        "leaky": nn.LeakyReLU(SLOPE),
        "flatten": nn.Flatten(),
        "hidden": nn.Linear(108, 13),
        "layernorm": nn.LayerNorm(13),
        "dropout": Dropout(dropout),
        "head": nn.Linear(13, CLASSES),
    }
    model = nn.Sequential()
    for path, layer in parts.items():
        model.add_module(path, layer)
    return as_type(model, "float64")


def small_tf(dropout: float) -> keras.Model:
    """Return the network in Keras: images (N, 32, 32, 3) -> logits (N, CLASSES)."""
    with type_policy("float64"):
        x = images = keras.Input((32, 32, 3), dtype="float64", name="images")
        for layer in (
            L.Conv2d(6, 3, stride=2, padding=1, name="conv"),
            L.BatchNorm2d(name="norm"),
            L.Gelu(name="gelu"),
            L.Conv2d(12, 3, padding=1, groups=6, bias=False, name="depthwise"),
            L.AvgPool2d(3, stride=2, padding=1, name="avgpool"),
            L.Conv2d(9, (2, 3), groups=3, name="grouped"),
            L.MaxPool2d(3, stride=2, padding=1, name="maxpool"),
            keras.layers.LeakyReLU(SLOPE, name="leaky"),
            L.Flatten(name="flatten"),
            L.Linear(13, name="hidden"),
            L.LayerNorm(name="layernorm"),
            L.Dropout(dropout, name="dropout"),
            L.Linear(CLASSES, name="head"),
        ):
            x = layer(x)
        return keras.Model(images, x, name="small")


def small_learners(
    *, seed: int = 0, dropout: float = 0.3, class_weights: tuple[float, ...] | None = None, **fields: Any
) -> dict[str, Learner]:
    """Return the small network's learner in each wing, "torch" and "tf", starting from the same tensors.

    class_weights: those of the objective; fields: those of the recipe, such as momentum or label_smoothing.
    """
    models = {"torch": small_torch(dropout), "tf": small_tf(dropout)}
    recipe = Recipe(**{"model": "small", "freeze": "none", "weights": "none", "precision": "float64", **fields})
    pair = {}
    for name, model in models.items():
        wing = backend.load(name)
        plan = plan_at(recipe, CARD, list(wing.parameters(model)))
        objective = objective_of(recipe, class_weights)
        pair[name] = wing.Learner(model, card=CARD, plan=plan, recipe=recipe, objective=objective)
    shapes, rng = backend.load("torch").weight_shapes(models["torch"]), generator(seed, "randomise")
    start = {name: randomised(name, x, rng) for name, x in initial_weights(shapes, seed=seed).items()}
    for learner in pair.values():
        learner.set_weights(start)
    return pair
