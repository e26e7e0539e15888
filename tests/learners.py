"""A small network's learner in any wing, and images that it can learn."""

from types import ModuleType

import numpy as np

from ft.backend.contract import Learner
from ft.data import Batch
from ft.network.freeze import plan_freeze
from ft.recipe import Recipe
from ft.tasks.objective import objective_of
from ft.weights import cast, initial_weights
from ft.zoo import find_card


def learner_of(wing: ModuleType, **fields: object) -> Learner:
    """Return a wing's learner of a network for three classes, started from the seed. fields: of the recipe."""
    recipe = Recipe(**{"model": "resnet18", "weights": "none", "lr": 0.05, **fields})
    card = find_card(recipe.model)
    model = wing.build_model(recipe.model, num_classes=3, dtype=recipe.dtype)
    plan = plan_freeze(card, list(wing.parameters(model)), freeze=recipe.freeze, bn=recipe.bn)
    of_recipe = {"plan": plan, "recipe": recipe, "objective": objective_of(recipe)}
    learner = wing.Learner(model, card=card, **of_recipe)
    learner.set_weights(cast(initial_weights(wing.weight_shapes(model), seed=recipe.seed), recipe.dtype))
    return learner


def colours() -> Batch:
    """Return a batch of images (6, 32, 32, 3), a colour a class with noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(6) % 3
    images = rng.normal(size=(6, 32, 32, 3)) + 2 * np.eye(3)[labels][:, None, None]
    return Batch.of(images, labels=labels)
