"""Which parameters the regularisers act on, and by how much."""

import pytest

from ft.errors import RecipeError
from ft.recipe import Recipe
from ft.training.job import prepare_job
from ft.training.penalty import Terms, plan_penalty, require_anchor
from ft.zoo import cards, find_card

SHAPES = {"layer4.0.conv1.weight": (8, 4, 3, 3), "layer4.0.bn1.weight": (8,), "fc.weight": (5, 8), "fc.bias": (5,)}
CONV, NORM, HEAD, BIAS = SHAPES


def plan(**fields):
    recipe = Recipe(model="resnet18", freeze="none", **fields)
    return plan_penalty(recipe, find_card("resnet18"), SHAPES)


def test_without_a_factor_there_is_no_term():
    assert plan() == {}


def test_the_elastic_net_acts_on_all_that_trains():
    assert plan(l2=0.1, l1=0.2) == dict.fromkeys(SHAPES, Terms(l2=0.1, l1=0.2))


def test_biases_and_norms_are_left_alone_on_request():
    assert list(plan(l2=0.1, penalty_exempt="norms-and-biases")) == [CONV, HEAD]


def test_l2sp_has_a_factor_of_its_own_for_the_new_head():
    terms = plan(l2sp=0.3, l2sp_head=0.1)
    assert terms == {CONV: Terms(l2sp=0.3), NORM: Terms(l2sp=0.3), HEAD: Terms(l2=0.1), BIAS: Terms(l2=0.1)}
    assert list(plan(l2sp=0.3)) == [CONV, NORM]
    assert plan(l2sp=0.3, l2=0.01)[HEAD] == Terms(l2=0.01)


def test_a_kept_head_has_pretrained_values_too():
    assert plan(l2sp=0.3, head="keep") == dict.fromkeys(SHAPES, Terms(l2sp=0.3))


@pytest.mark.parametrize("name", [card.name for card in cards()])
def test_l2sp_needs_something_pretrained_that_trains(name):
    with pytest.raises(RecipeError, match=rf"l2sp: only the new head trains, .* freeze less of {name}"):
        require_anchor(Recipe(model=name, l2sp=0.1), find_card(name))


def test_l2sp_has_something_pretrained_in_these():
    card = find_card("resnet18")
    require_anchor(Recipe(model="resnet18", l2sp=0.1, head="keep"), card)
    require_anchor(Recipe(model="resnet18", l2sp=0.1, freeze="stem"), card)
    require_anchor(Recipe(model="resnet18", l2sp=0.1, epochs=3, unfreeze="3:layer4"), card)  # it has one by then
    require_anchor(Recipe(model="resnet18"), card)
    with pytest.raises(RecipeError, match="l2sp"):
        prepare_job(Recipe(model="resnet18", l2sp=0.1))
