"""What the wing's tests share: a tiny network with its learner, and images that can be learned."""

import numpy as np
import pytest
import tensorflow as tf

import ft_tf
from ft.data import Batch
from ft.network.freeze import plan_freeze
from ft.recipe import Recipe
from ft.tasks.objective import objective_of
from ft.weights import cast, initial_weights
from ft.zoo import find_card


@pytest.fixture
def make_learner():
    """Build a learner of a network for three classes, started from the seed."""

    def make(*, on_features=False, **fields):
        recipe = Recipe(**{"model": "resnet18", "weights": "none", "lr": 0.05, **fields})
        card = find_card(recipe.model)
        model = ft_tf.build_model(recipe.model, num_classes=3, dtype=recipe.dtype)
        plan = plan_freeze(card, list(ft_tf.parameters(model)), freeze=recipe.freeze, bn=recipe.bn)
        objective = objective_of(recipe)
        learner = ft_tf.Learner(
            model, card=card, plan=plan, recipe=recipe, objective=objective, on_features=on_features
        )
        tensors = initial_weights(ft_tf.weight_shapes(model), seed=recipe.seed)
        learner.set_weights(cast(tensors, recipe.dtype))
        return learner

    return make


@pytest.fixture
def eager():
    """Run steps operation by operation: tracing a network takes longer than the few steps of a test."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def batch():
    """Return a batch of images (6, 32, 32, 3), a colour a class with noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(6) % 3
    return Batch.of(rng.normal(size=(6, 32, 32, 3)) + 2 * np.eye(3)[labels][:, None, None], labels=labels)
