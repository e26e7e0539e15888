"""Which loss a recipe asks for: decided here for both wings, which would agree on a wrong one."""

import numpy as np
import pytest

from ft.backend.objective import Objective
from ft.recipe import Recipe
from ft.tasks.objective import objective_of

WEIGHTS = (1.0, 10.0)


@pytest.mark.parametrize(
    ("loss", "kind", "gamma"),
    [("cross-entropy", "cross-entropy", 0.0), ("focal", "focal", 1.5), ("bce", "bce", 0.0), ("bce-focal", "bce", 1.5)],
)
def test_the_words_of_a_recipe(loss, kind, gamma):
    objective = objective_of(Recipe(loss=loss, focal_gamma=1.5, label_smoothing=0.1), WEIGHTS)
    assert objective == Objective("classification", kind, label_smoothing=0.1, gamma=gamma, class_weights=WEIGHTS)


@pytest.mark.parametrize("loss", ["cross-entropy", "focal", "bce"])
def test_a_sample_weighs_what_the_mean_divides_by(loss):
    objective = objective_of(Recipe(loss=loss), WEIGHTS)
    assert objective.weights({"labels": np.array([1, 0])}).tolist() == ([1, 1] if loss == "bce" else [10, 1])
    assert objective.weights({"shares": np.eye(2)}).tolist() == [1, 1]
