"""Frozen stages apart from the rest: the same logits and gradients, compiled or not; never where they still move."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from ft.network.freeze import leading_stages, plan_freeze
from ft.zoo import find_card
from ft_tf import build_model, parameters
from ft_tf.frozen import Prefix, in_parts, is_still, split_prefix
from ft_tf.layers import Dropout
from tests.ahead import ahead, lively, require_same_features_folded

STAGES = "stem,layer1,layer2"
QUICK = ["resnet18", "squeezenet1_1"]
FOLDED = [
    "efficientnet_lite0",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("densenet121", "regnet_y_400mf", "mobilenet_v3_small")),
]
SLOW = ["densenet121", "shufflenet_v2_x0_5", "mobilenet_v3_small", "googlenet", "swin_t", "keras/efficientnet_b0"]


@pytest.fixture
def uncompiled(monkeypatch):
    """Leave the prefix as it is."""
    monkeypatch.setattr(Prefix, "compile", lambda self, images: None)


@pytest.mark.usefixtures("uncompiled", "eager")
@pytest.mark.parametrize(
    ("model", "freeze"),
    [
        ("resnet18", "base"),
        pytest.param("resnet18", STAGES, marks=pytest.mark.slow),
        pytest.param("efficientnet_lite0", "stem,stage1,stage3", marks=pytest.mark.slow),
    ],
)
def test_running_ahead_changes_no_bit(make_learner, batch, model, freeze):
    whole, apart = (make_learner(model=model, freeze=freeze, batch_size=6) for _ in range(2))
    for learner in (whole, apart):
        lively(learner)
    assert ahead(apart) == []
    for step in range(2):
        a, b = (learner.fetch([learner.step(batch, step=step, lr=np.float64(0.05))]) for learner in (whole, apart))
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(whole.outputs(batch.inputs)["logits"], apart.outputs(batch.inputs)["logits"])
    x, y = whole.get_weights(), apart.get_weights()
    for name in x:
        np.testing.assert_array_equal(x[name], y[name], err_msg=name)
    assert apart.prefix is not None


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("model", FOLDED)
def test_a_folded_base_makes_the_same_features(make_learner, batch, model):
    require_same_features_folded(make_learner, batch.inputs, model)


@pytest.mark.usefixtures("eager")
def test_folded_it_takes_a_few_images_at_a_time(monkeypatch):
    monkeypatch.setattr("ft_tf.frozen.images_at_a_time", lambda height, width, **options: height)
    seen, x = [], tf.random.normal((10, 4, 5, 3))

    def network(images):
        seen.append(len(images))
        return images[:, 0]

    np.testing.assert_array_equal(in_parts(network, "float32", batch_size=10)(x), x[:, 0])
    assert seen == [4, 4, 2]


def test_features_are_made_by_the_compiled_base(make_learner, batch, monkeypatch):
    learner = make_learner(freeze="base", batch_size=6)
    before = learner.features(batch.inputs)
    ahead(learner)
    monkeypatch.setattr(Prefix, "compile", lambda self, images: setattr(self, "compiled", lambda x: self.plain(x) + 1))
    after = learner.features(batch.inputs)
    np.testing.assert_allclose(after.taps["head"], before.taps["head"] + 1, rtol=1e-6)
    assert learner.outputs(before)["logits"].shape == (6, 3)


@pytest.mark.usefixtures("eager")
def test_a_compiler_that_fails_is_told_and_replaced(make_learner, batch, monkeypatch):
    def broken(*args):
        raise ValueError("\nThe graph is above 2 GB\n  or so")

    monkeypatch.setattr("ft_tf.frozen.with_constants", broken)
    whole, apart = (make_learner(freeze=STAGES, batch_size=6) for _ in range(2))
    said = ahead(apart)
    for _ in range(2):
        np.testing.assert_array_equal(apart.outputs(batch.inputs)["logits"], whole.outputs(batch.inputs)["logits"])
    assert said == [
        "compile: not possible here (The graph is above 2 GB), uncompiled: stem, layer1, layer2",
    ]


@pytest.mark.usefixtures("uncompiled", "eager")
@pytest.mark.parametrize("fault", [False, True])
def test_run_ahead_by_mistake_statistics_would_stand_still(make_learner, batch, fault):
    learner = make_learner(freeze=STAGES, bn="update", batch_size=6)
    honest = learner.plan
    learner.plan = replace(honest, rules=tuple(replace(rule, inference=fault) for rule in honest.rules))
    ahead(learner)
    learner.plan, before = honest, learner.get_weights()
    learner.step(batch, step=0, lr=np.float64(0.05))
    moved = not np.array_equal(learner.get_weights()["bn1.running_mean"], before["bn1.running_mean"])
    assert moved == (not fault)


def test_noise_between_the_stages_does_not_run_ahead(make_learner):
    plan = make_learner(freeze=STAGES).plan
    frozen, between, quiet = (Dropout(p, name=name) for p, name in ((0.1, "layer1.x"), (0.1, "x"), (0.0, "x")))
    assert [is_still(layer, plan) for layer in (frozen, between, quiet)] == [True, False, True]


@pytest.mark.usefixtures("uncompiled", "eager")
def test_other_weights_and_plans_end_it(make_learner, batch):
    learner = make_learner(freeze=STAGES, batch_size=6)
    for change in (lambda: learner.set_weights(learner.get_weights()), lambda: learner.set_plan(learner.plan)):
        ahead(learner)
        assert learner.prefix is not None
        change()
        assert learner.prefix is None


@pytest.mark.parametrize("name", QUICK + [pytest.param(name, marks=pytest.mark.slow) for name in SLOW])
def test_networks_come_apart_at_every_stage(name):
    card = find_card(name)
    model = build_model(card.name, num_classes=3, options=card.options(image_size=card.preprocess.crop))
    trunk = [stage for stage in card.stages if stage != "head"]
    for count in range(1, len(trunk) + 1):
        plan = plan_freeze(card, list(parameters(model)), freeze=trunk[:count], bn="frozen")
        assert leading_stages(plan, card) == tuple(trunk[:count])
        prefix = split_prefix(model, card, plan, batch_size=1, say=print)
        if all(card.stage_of(path) in trunk[:count] for path in card.auxiliary):
            assert prefix is not None
            aside = {card.stage_of(path) for path in card.auxiliary}
            assert prefix.stages == tuple(stage for stage in trunk[:count] if stage not in aside)
        else:
            assert prefix is None
