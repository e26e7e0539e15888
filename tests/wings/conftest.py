"""One suite for every installed wing, and for the wing of NumPy that the hub's tests run on."""

from types import ModuleType

import numpy as np
import pytest

from ft.backend import contract as backend
from ft.data import Batch
from ft.network.freeze import plan_freeze
from ft.recipe import Recipe
from ft.tasks.objective import objective_of
from ft.weights import cast, initial_weights
from ft.zoo import find_card
from tests import numpy_wing
from tests.wings.installed import FRAMEWORK_OF, WINGS


@pytest.fixture(scope="session", params=WINGS)
def wing(request) -> ModuleType:
    """Return one wing, "torch", "tf" or "numpy"."""
    return numpy_wing if request.param == "numpy" else backend.load(request.param)


@pytest.fixture(scope="session")
def framework(wing):
    """Return what the tests ask of the wing's framework."""
    return FRAMEWORK_OF[wing.__name__]()


@pytest.fixture
def eager(framework):
    """Run steps operation by operation: tracing a network takes longer than the few steps of a test."""
    with framework.eagerly():
        yield


@pytest.fixture
def make_learner(wing):
    """Build a learner of a network for three classes, started from the seed."""

    def make(*, on_features=False, **fields):
        recipe = Recipe(**{"model": "resnet18", "weights": "none", "lr": 0.05, **fields})
        card = find_card(recipe.model)
        model = wing.build_model(recipe.model, num_classes=3, dtype=recipe.dtype)
        plan = plan_freeze(card, list(wing.parameters(model)), freeze=recipe.freeze, bn=recipe.bn)
        of_recipe = {"plan": plan, "recipe": recipe, "objective": objective_of(recipe)}
        learner = wing.Learner(model, card=card, **of_recipe, on_features=on_features)
        learner.set_weights(cast(initial_weights(wing.weight_shapes(model), seed=recipe.seed), recipe.dtype))
        return learner

    return make


@pytest.fixture
def batch():
    """Return images (6, 32, 32, 3), a colour a class with noise, and their labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(6) % 3
    images = rng.normal(size=(6, 32, 32, 3)) + 2 * np.eye(3)[labels][:, None, None]
    return Batch.of(images, labels=labels)
