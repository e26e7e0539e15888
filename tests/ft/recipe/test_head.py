"""Heads as text."""

import pytest

from ft.errors import RecipeError
from ft.recipe.head import HeadLayer, parse_head


def test_the_networks_own_head_has_no_list():
    assert parse_head("new") is None
    assert parse_head("keep") is None


def test_linear_is_the_empty_list():
    assert parse_head("linear") == ()


def test_layers_in_order():
    expected = (HeadLayer("linear", units=512), HeadLayer("relu"), HeadLayer("dropout", rate=0.3))
    assert parse_head("512-relu-dropout0.3") == expected
    assert parse_head("batchnorm-8-layernorm-tanh-dropout.25")[-1] == HeadLayer("dropout", rate=0.25)


@pytest.mark.parametrize(
    "text", ["512-rel", "0", "-3", "512--relu", "dropout1.0", "dropout", "relu6", "linear-relu", ""]
)
def test_anything_else_is_one_line(text):
    with pytest.raises(RecipeError, match="head: ") as caught:
        parse_head(text)
    assert "\n" not in str(caught.value)
