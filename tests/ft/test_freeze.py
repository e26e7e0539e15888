"""A freezing rule becomes names: every parameter on one side, and a rule that leaves nothing to train is refused."""

import pytest

from ft.errors import RecipeError
from ft.freeze import plan_freeze
from ft.zoo import find_card

CARD = find_card("resnet18")
NAMES = (
    "conv1.weight",
    "bn1.weight",
    "layer1.0.conv1.weight",
    "layer1.0.bn1.bias",
    "layer2.0.downsample.0.weight",
    "layer3.0.conv1.weight",
    "layer4.1.bn2.weight",
    "fc.weight",
    "fc.bias",
)


def plan(freeze, bn="frozen", names=NAMES):
    return plan_freeze(CARD, names, freeze=freeze, bn=bn)


@pytest.mark.parametrize(
    ("freeze", "stages", "trainable"),
    [
        (("base",), ("stem", "layer1", "layer2", "layer3", "layer4"), NAMES[-2:]),
        (("none",), (), NAMES),
        (("layer1", "stem"), ("stem", "layer1"), NAMES[4:]),
        (("head",), ("head",), NAMES[:-2]),
    ],
)
def test_rules(freeze, stages, trainable):
    made = plan(freeze)
    assert (made.stages, made.trainable) == (stages, trainable)
    for name in NAMES:
        assert made.is_frozen(name) == (name not in trainable)


def test_frozen_stages_run_in_inference_unless_told_otherwise():
    frozen, updating = plan(("stem",)), plan(("stem",), bn="update")
    assert frozen.runs_in_inference("bn1")
    assert not frozen.runs_in_inference("layer1.0.bn1")
    assert not updating.runs_in_inference("bn1")
    assert updating.is_frozen("bn1")
    assert updating.trainable == frozen.trainable


def test_a_prefix_is_a_whole_word():
    made = plan(("layer1",), names=("layer1.0.conv1.weight", "fc.weight"))
    assert made.is_frozen("layer1")
    assert not made.is_frozen("layer10.0")


@pytest.mark.parametrize(
    ("freeze", "words"),
    [
        (("layer5",), "unknown stage 'layer5'; did you mean 'layer"),
        (("stem", "xyz"), "unknown stage 'xyz'; known: "),
        (("features.0",), "known: head, layer1, layer2, layer3, layer4, stem (or say base or none)"),
        (tuple(CARD.stages), "freezes all of resnet18; leave one of its stages out"),
    ],
)
def test_rules_that_cannot_be(freeze, words):
    with pytest.raises(RecipeError) as caught:
        plan(freeze)
    assert words in str(caught.value)


def test_a_parameter_in_no_stage_is_an_error():
    with pytest.raises(RecipeError, match=r"'classifier\.1\.weight' is in none of its stages"):
        plan(("base",), names=(*NAMES, "classifier.1.weight"))
