"""A freezing rule becomes names: every parameter on one side, and a rule that leaves nothing to train is refused."""

import pytest

from ft.errors import RecipeError
from ft.network.freeze import Freeze, Rule, check_plan, plan_at, plan_freeze
from ft.recipe import Recipe
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
    assert frozen.is_still("bn1")
    assert not frozen.is_still("layer1.0.bn1")
    assert not updating.is_still("bn1")
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
    with pytest.raises(RecipeError, match=r"freeze: 'classifier\.1\.weight', 'fc1\.bias' in none of the stages"):
        plan(("base",), names=(*NAMES, "classifier.1.weight", "fc1.bias"))


def test_the_first_rule_counts_and_a_module_is_still_where_all_below_it_is():
    rules = (
        Rule("adapter", ("layer1.0.bn1",)),
        Rule("layer1", ("layer1",), trains=False, inference=True),
        Rule("late", ("layer1.1",)),
        Rule("stem", ("conv1", "bn1"), trains=False),
        Rule("head", ("fc",), rate=0.5),
    )
    made = Freeze(rules, tuple(name for name in NAMES if name.startswith(("conv1", "bn1", "layer1", "fc"))))
    assert made.trainable == ("layer1.0.bn1.bias", "fc.weight", "fc.bias")
    assert made.rates == {"fc.weight": 0.5, "fc.bias": 0.5}
    modules = ("", "layer1", "layer1.0", "layer1.0.bn1", "layer1.0.conv1", "layer1.1", "conv1", "fc")
    assert [module for module in modules if made.is_still(module)] == ["layer1.0.conv1", "layer1.1"]


# ---- rates and unfreezing


def at(epoch, **fields):
    return plan_at(Recipe(model="resnet18", **fields), CARD, NAMES, epoch=epoch)


def test_without_further_rules_it_is_the_plain_plan():
    assert at(7) == plan(("base",))
    assert at(0).rates == {}


def test_rates_go_down_from_the_head_and_by_stage():
    rates = at(0, freeze="none", layer_decay=0.5, stage_lr="stem:0.1,head:3").rates
    assert rates == {
        **dict.fromkeys(("conv1.weight", "bn1.weight"), 0.5**5 * 0.1),
        **dict.fromkeys(("layer1.0.conv1.weight", "layer1.0.bn1.bias"), 0.5**4),
        "layer2.0.downsample.0.weight": 0.5**3,
        "layer3.0.conv1.weight": 0.5**2,
        "layer4.1.bn2.weight": 0.5,
        **dict.fromkeys(("fc.weight", "fc.bias"), 3.0),
    }


def test_stages_thaw_one_by_one():
    rule = {"unfreeze": "1:head,4:layer4,6:layer3@0.5"}
    assert [len(at(epoch, **rule).trainable) for epoch in (0, 2, 3, 4, 5, 90)] == [2, 2, 3, 3, 4, 4]
    assert at(5, **rule).stages == ("stem", "layer1", "layer2")
    assert at(5, **rule).rates == {"layer3.0.conv1.weight": 0.5}
    assert at(2, **rule).is_still("layer4.1.bn2")
    assert not at(3, **rule).is_still("layer4.1.bn2")
    assert not at(2, **rule, bn="update").is_still("layer4.1.bn2")


def test_all_thaw_at_a_lower_rate_the_head_included():
    late = at(5, unfreeze="6:all@0.1", stage_lr={"head": 2})
    assert late.stages == ()
    assert late.rates == {**dict.fromkeys(NAMES, 0.1), "fc.weight": 0.2, "fc.bias": 0.2}
    assert at(4, unfreeze="6:all@0.1", stage_lr={"head": 2}).rates == {"fc.weight": 2.0, "fc.bias": 2.0}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"unfreeze": "4:layer9"}, "unfreeze: unknown stage 'layer9'; did you mean 'layer"),
        ({"unfreeze": "layer4"}, "unfreeze: got 'layer4'; expected EPOCH:STAGE"),
        ({"unfreeze": "-1:layer4"}, "expected EPOCH:STAGE"),
        ({"unfreeze": "1.5:layer4"}, "expected EPOCH:STAGE"),
        ({"unfreeze": "0:layer4@0.1"}, "unfreeze: got '0:layer4@0.1'; epochs count from 1, the first is 1:layer4@0.1"),
        ({"unfreeze": "4:layer4@fast"}, "unfreeze: got '4:layer4@fast'; expected a factor above 0"),
        ({"unfreeze": "4:layer4@0"}, "a factor above 0"),
        ({"unfreeze": "4:layer4@nan"}, "a factor above 0"),
        ({"unfreeze": "21:layer4"}, "epoch 21 never comes, the training has 20"),
        ({"unfreeze": "4:layer4", "freeze": "none"}, "layer4 trains already before epoch 4"),
        ({"unfreeze": "4:layer4,6:layer4"}, "layer4 trains already before epoch 6"),
        ({"stage_lr": "layer9:0.1"}, "stage_lr: unknown stage 'layer9'"),
        ({"stage_lr": "layer4"}, "stage_lr: got 'layer4'; expected a factor above 0"),
        ({"stage_lr": "stem:1,stem:2"}, "stage_lr: 'stem' is there twice"),
        ({"freeze": "layer5"}, "unknown stage 'layer5'"),
    ],
)
def test_rules_about_stages_that_cannot_be(fields, words):
    with pytest.raises(RecipeError) as caught:
        check_plan(Recipe(model="resnet18", **fields), CARD)
    assert words in str(caught.value)


def test_rules_about_stages_that_can_be():
    for unfreeze in ("4:layer4,4:layer3", "1:all", "3:head@0.1", "2:all@0.1,3:all@0.01"):
        check_plan(Recipe(model="resnet18", unfreeze=unfreeze), CARD)
