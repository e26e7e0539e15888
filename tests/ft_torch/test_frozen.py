"""Frozen stages apart from the rest: the same logits and gradients, compiled or not; never where they still move."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.fx.proxy import TraceError

from ft.network.freeze import leading_stages, plan_freeze
from ft.zoo import cards
from ft_torch import build_model, parameters
from ft_torch.frozen import InParts, LayerTracer, Prefix, split_prefix
from tests.ahead import ahead, farthest, lively, require_same_features_folded

STAGES = "stem,layer1,layer2"
FOLDED = [
    *("efficientnet_lite0", "mobilenet_v3_small", "densenet121", "shufflenet_v2_x0_5", "regnet_y_400mf", "mnasnet0_5"),
    *("keras/mobilenet_v2", "keras/resnet50", "keras/xception"),
]


@pytest.fixture
def uncompiled(monkeypatch):
    """Leave the prefix as it is."""
    monkeypatch.setattr(Prefix, "compile", lambda self, images: None)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    ("model", "freeze"), [("resnet18", STAGES), ("resnet18", "base"), ("efficientnet_lite0", "stem,stage1,stage3")]
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


@pytest.mark.parametrize("model", FOLDED)
def test_a_folded_base_makes_the_same_features(make_learner, batch, model):
    require_same_features_folded(make_learner, batch.inputs, model)


def test_folded_it_takes_a_few_images_at_a_time(monkeypatch):
    monkeypatch.setattr("ft_torch.frozen.images_at_a_time", lambda height, width, **options: height)
    seen, x = [], torch.randn(10, 3, 4, 5)
    network = torch.nn.Flatten()
    network.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    assert torch.equal(InParts(network, "float32")(x), x.flatten(1))
    assert seen == [4, 4, 2]


def test_features_are_made_by_the_compiled_base(make_learner, batch, monkeypatch):
    learner = make_learner(freeze="base", batch_size=6)
    before = learner.features(batch.inputs)
    ahead(learner)
    monkeypatch.setattr(Prefix, "compile", lambda self, images: setattr(self, "compiled", lambda x: self.plain(x) + 1))
    after = learner.features(batch.inputs)
    np.testing.assert_allclose(after.taps["head"], before.taps["head"] + 1, rtol=1e-6)
    assert learner.outputs(before)["logits"].shape == (6, 3)


@pytest.fixture
def broken_compiler(monkeypatch):
    """Let compiling fail when the code is called for the first time."""

    def broken(*args, **options):
        def call(*args):
            raise RuntimeError("\nNo working C++ compiler found\n  in PATH")

        return call

    monkeypatch.setattr(torch, "compile", broken)


def test_a_compiler_that_fails_is_told_and_replaced(make_learner, batch, broken_compiler):
    whole, apart = (make_learner(freeze=STAGES, batch_size=6) for _ in range(2))
    said = ahead(apart)
    for _ in range(2):
        np.testing.assert_array_equal(apart.outputs(batch.inputs)["logits"], whole.outputs(batch.inputs)["logits"])
    assert said == [
        "compile: not possible here (No working C++ compiler found), uncompiled: stem, layer1, layer2",
    ]


UPPER = {"freeze": "stem,layer1,layer2,layer3"}
WHOLE = {"model": "squeezenet1_1", "freeze": "none", "image_size": 64}


@pytest.mark.parametrize(
    ("fields", "runs_ahead", "compiler"),
    [
        (UPPER, True, "inductor"),
        (WHOLE, False, "aot_eager"),  # but for code, on which a C++ compiler takes half a minute
        pytest.param({**UPPER, "bn": "update"}, False, "inductor", marks=pytest.mark.slow),
        pytest.param(WHOLE, False, "inductor", marks=pytest.mark.slow),
    ],
)
def test_what_trains_is_the_same_compiled(make_learner, batch, monkeypatch, fields, runs_ahead, compiler):
    """Gradients, statistics and noise; evaluation and short batches are not even compiled."""
    own = torch.compile
    monkeypatch.setattr(torch, "compile", lambda plain, **options: own(plain, backend=compiler, **options))
    plain, compiled = (make_learner(**fields, precision="float64", batch_size=6) for _ in range(2))
    said = []
    for learner in (plain, compiled):
        lively(learner)
        if runs_ahead:
            learner.run_ahead(compiled=True, say=said.append)
    compiled.compile_trained(say=said.append)
    for step in range(2):
        a, b = (learner.gradients(batch, step=step) for learner in (plain, compiled))
        assert farthest(b[2], a[2]) <= 1e-11
        assert abs(a[0] - b[0]) <= 1e-11 * abs(a[0])
    x, y = plain.get_weights(), compiled.get_weights()
    for name in x:
        np.testing.assert_allclose(y[name], x[name], rtol=1e-11, atol=1e-13, err_msg=name)
    assert re.fullmatch(r"compile: what trains compiled in \d+ s", said[-1]), said
    assert compiled.trained.compiled is not None
    compiled.trained.compiled = lambda x: pytest.fail("this is not to run compiled")
    compiled.outputs(batch.inputs)
    compiled.gradients(batch.rows(slice(4)), step=2)


def test_code_that_cannot_be_traced_is_told_and_not_folded(make_learner, batch, monkeypatch):
    def broken(*args):
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    whole, apart = (make_learner(freeze=STAGES) for _ in range(2))
    monkeypatch.setattr(LayerTracer, "trace", broken)
    said = ahead(apart, compiled=False)
    np.testing.assert_array_equal(apart.outputs(batch.inputs)["logits"], whole.outputs(batch.inputs)["logits"])
    assert said == ["compile: not possible to fold stem, layer1, layer2, whose code cannot be traced"]


def test_what_trains_goes_on_uncompiled(make_learner, batch, broken_compiler):
    plain, compiled = (make_learner(bn="update", batch_size=6) for _ in range(2))
    said = []
    compiled.compile_trained(say=said.append)
    for step in range(2):
        a, b = (learner.fetch([learner.step(batch, step=step, lr=np.float64(0.05))]) for learner in (plain, compiled))
        np.testing.assert_array_equal(a, b)
    assert said == ["compile: not possible here (No working C++ compiler found), uncompiled: what trains"]


@pytest.mark.usefixtures("uncompiled")
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
    learner = make_learner(model="vit_b_16", freeze="stem,layer0,layer1", image_size=224)
    parts = [learner.model, learner.card, learner.plan]
    stages = [split_prefix(*parts, batch_size=1, say=print).stages]
    learner.model.encoder.dropout.p = 0.1  # in no stage, so it drops although the stem is frozen
    stages.append(split_prefix(*parts, batch_size=1, say=print).stages)
    assert stages == [("stem", "layer0", "layer1"), ("stem",)]


@pytest.mark.usefixtures("uncompiled")
def test_other_weights_and_plans_end_it(make_learner, batch):
    learner = make_learner(freeze=STAGES, batch_size=6)
    for change in (lambda: learner.set_weights(learner.get_weights()), lambda: learner.set_plan(learner.plan)):
        ahead(learner)
        assert learner.prefix is not None
        change()
        assert learner.prefix is None


SMALLEST = {card.family: card for card in sorted(cards(), key=lambda card: -card.parameters)}.values()
SMALL = [
    pytest.param(card, marks=[] if card in SMALLEST else pytest.mark.slow, id=card.name)
    for card in cards()
    if card.parameters < 14e6
]


@pytest.mark.parametrize("card", SMALL)
def test_networks_come_apart_at_every_stage(card):
    with torch.device("meta"):
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
