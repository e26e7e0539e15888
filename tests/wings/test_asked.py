"""A network that is only asked, for an evaluation or a prediction, holds nothing that a training would need."""

from functools import cache

import pytest

from ft.backend import contract as backend
from ft.network.freeze import plan_freeze
from ft.recipe import Recipe
from ft.recipe.optimizer import RULES
from ft.tasks import TASKS
from ft.training.build import load_learner
from ft.weights import cast, initial_weights
from ft.zoo import find_card
from tests.wings.installed import NATIVE

OPTIMIZERS = {
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
    "lars": "LARS",
}


@pytest.fixture(scope="module")
def tensors():
    """Return a network's weights, by wing."""

    @cache
    def drawn(name):
        wing = backend.load(name)
        return cast(initial_weights(wing.weight_shapes(wing.build_model("resnet18", num_classes=3)), seed=0), "float32")

    return drawn


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("optimizer", RULES)
def test_it_has_no_slots_and_no_copies(monkeypatch, tensors, batch, name, optimizer):
    wing = backend.load(name)

    def made(*_):
        raise AssertionError("a slot was made")

    monkeypatch.setattr(getattr(wing, OPTIMIZERS[optimizer]), "new_slot", made)
    fields = {"optimizer": optimizer, "ema": 0.9, "result": "ema", "l2sp": 0.1, "l2sp_head": 0.1}
    recipe = Recipe(model="resnet18", freeze="none", batch_size=6, **fields)
    given = tensors(name)
    learner = load_learner(recipe, TASKS["single-label"], given, 3, image_size=32, backend=name)
    assert learner.outputs(batch.inputs)["logits"].shape == (6, 3)
    learner.features(batch.inputs)
    assert learner.average is None
    assert not learner.penalty.anchors
    assert learner.get_weights().keys() == given.keys()


@pytest.mark.parametrize("name", NATIVE)
def test_slots_come_with_the_first_step_and_stay(tensors, name):
    wing, card = backend.load(name), find_card("resnet18")
    recipe = Recipe(model="resnet18", weights="none", optimizer="adam")
    model = wing.build_model("resnet18", num_classes=3)
    plan = plan_freeze(card, list(wing.parameters(model)), freeze=recipe.freeze, bn=recipe.bn)
    trained = {path: w for path, w in wing.parameters(model).items() if path in plan.trainable}
    optimizer = wing.make_optimizer(trained, recipe=recipe, rates={})
    assert "state" not in vars(optimizer)
    assert not any(slot.any() for slot in optimizer.get_slots().values())
    assert optimizer.state is optimizer.state
