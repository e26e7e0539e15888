"""What names alone tell of a surgery."""

import pytest

from ft.errors import RecipeError
from ft.network.surgery import plan_surgery
from ft.recipe import Recipe
from ft.zoo import cards, find_card

CARDS = [card for card in cards() if "/" not in card.name]  # those of keras.applications take less, see below
RESNET = {"conv1.weight": (64, 3, 7, 7), "layer4.0.conv1.weight": (512, 256, 3, 3), "fc.weight": (9, 512)}


def plan(model="resnet18", **fields):
    """Return the plan for one network."""
    return plan_surgery(find_card(model), Recipe(model=model, **fields))


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_without_a_wish_there_is_no_surgery(card):
    assert plan_surgery(card, Recipe(model=card.name)) is None
    assert plan_surgery(card, Recipe(model=card.name, head="keep", image_size=512)) is None


@pytest.mark.parametrize("field", [{"cut": "conv5"}, {"change": ("conv1_conv:stride=1",)}, {"in_channels": 4}], ids=str)
def test_networks_of_keras_applications_take_pool_and_head_alone(field):
    with pytest.raises(RecipeError, match=r"not there for keras\.applications"):
        plan("keras/resnet50", **field)
    assert plan("keras/resnet50", pool="gem", head="64-relu").card.last == "predictions.2"
    with pytest.raises(RecipeError, match="pool and head layers are not there for this network"):
        plan("keras/vgg16", head="64-relu")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_every_stage_but_the_first_can_be_cut(card):
    trunk = [s for s in card.stages if s != "head" and s not in {card.stage_of(path) for path in card.auxiliary}]
    for number, stage in enumerate(trunk[1:], start=1):
        surgery = plan_surgery(card, Recipe(model=card.name, cut=stage))
        assert list(surgery.card.stages) == [*trunk[:number], "head"]
        assert surgery.start == card.stages[stage][0]
        assert not surgery.card.auxiliary


@pytest.mark.parametrize(
    ("model", "cut", "start", "left"),
    [
        ("resnet18", "layer4.1", "layer4.1", ("layer4",)),
        ("efficientnet_lite0", "stage5.2", "features.5.2", ("features.5",)),
        ("efficientnet_lite0", "features.5.2", "features.5.2", ("features.5",)),
        ("densenet121", "features.denseblock3.denselayer7", "features.denseblock3.denselayer7", None),
        ("regnet_y_400mf", "trunk_output.block3.block3-2", "trunk_output.block3.block3-2", None),
        ("googlenet", "inception4c", "inception4c", ("inception4a", "inception4b")),
        ("convnext_tiny", "features.5", "features.5", ("features.4",)),
    ],
)
def test_a_block_can_be_cut(model, cut, start, left):
    surgery = plan(model, cut=cut)
    assert surgery.start == start
    stage = find_card(model).stage_of(start)
    assert left is None or surgery.card.stages[stage] == left


@pytest.mark.parametrize(
    ("model", "cut", "stage"),
    [("resnet18", "layer4.0", "layer4"), ("densenet121", "features.denseblock4.denselayer1", "denseblock4")],
)
def test_the_first_block_is_the_whole_stage(model, cut, stage):
    assert plan(model, cut=cut).card.stages == plan(model, cut=stage).card.stages


def test_gem_belongs_to_the_head():
    assert plan(pool="gem").card.stages["head"] == ("avgpool", "fc")
    assert plan(pool="max").card.stages["head"] == ("fc",)


def test_layers_of_the_head_are_counted():
    surgery = plan(head="512-relu-dropout0.3")
    assert (surgery.card.last, surgery.card.stages["head"]) == ("fc.3", ("fc",))
    assert plan("googlenet", head="linear").card.stages["head"] == ("fc",)  # its dropout goes
    assert surgery.is_new("fc.0.weight")
    assert not surgery.is_new("layer4.0.conv1.weight")


@pytest.mark.parametrize(
    ("model", "fields", "words"),
    [
        ("resnet18", {"cut": "stem"}, "removes everything; cut at one of layer1"),
        ("resnet18", {"cut": "conv1"}, "removes everything"),
        ("resnet18", {"cut": "head"}, "unknown stage or block"),
        ("googlenet", {"cut": "aux1"}, "unknown stage or block"),
        ("resnet18", {"cut": "layr4"}, "did you mean 'layer4'"),
        ("resnet18", {"cut": "layer4.0.conv2"}, "inside of one"),
        ("resnet18", {"cut": "layer4", "head": "keep"}, "keep contradicts cut layer4"),
        ("resnet18", {"pool": "avg+max", "head": "keep"}, "keep contradicts pool"),
        ("vit_b_16", {"pool": "max"}, "reads the class token"),
        ("vgg11", {"pool": "avg"}, "every place of the last map"),
        ("squeezenet1_1", {"head": "512"}, "pools inside of its head"),
        ("maxvit_t", {"pool": "gem"}, "pools inside of its head"),
    ],
)
def test_what_cannot_be_done_is_refused(model, fields, words):
    with pytest.raises(RecipeError, match=words) as caught:
        plan(model, **fields)
    assert "\n" not in str(caught.value)


def test_names_that_the_network_lacks():
    with pytest.raises(RecipeError, match=r"has no block layer4\.7"):
        plan(cut="layer4.7").require_fits(RESNET)
    with pytest.raises(RecipeError, match=r"unknown convolution 'conv9'; did you mean 'conv1'"):
        plan(change="conv9:stride=1").require_fits(RESNET)
    with pytest.raises(RecipeError, match=r"layer4.0.conv1 goes with cut layer4"):
        plan(change="layer4.0.conv1:stride=1", cut="layer4").require_useful({"conv1.weight": (64, 3, 7, 7)})
