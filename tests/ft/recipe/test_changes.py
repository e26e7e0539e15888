"""Changes of convolutions as text."""

import pytest

from ft.errors import RecipeError
from ft.recipe import Recipe, from_dict, to_dict
from ft.recipe.changes import Change, group_changes, padding_of, parse_change, resolve_changes

PATHS = ["conv1", "layer4.0.conv2", "layer4.1.conv2"]


def test_commas_part_convolutions_and_numbers():
    text = "layer4.0.conv2:stride=1,dilation=2,conv1:kernel=5"
    assert group_changes(text.split(",")) == ("layer4.0.conv2:stride=1,dilation=2", "conv1:kernel=5")
    recipe = Recipe(change=text)
    assert recipe.change == ("layer4.0.conv2:stride=1,dilation=2", "conv1:kernel=5")
    assert from_dict(to_dict(recipe)) == recipe


def test_a_change_is_what_it_was_read_from():
    change = parse_change("conv1:stride=1,kernel=5")
    assert change == Change("conv1", kernel=5, stride=1)
    assert parse_change(str(change)) == change


def test_a_star_stands_for_any_block():
    by_path = resolve_changes(
        [parse_change("layer4.*.conv2:dilation=2"), parse_change("layer4.0.conv2:stride=1")], PATHS
    )
    assert by_path == {
        "layer4.0.conv2": Change("layer4.0.conv2", stride=1, dilation=2),
        "layer4.1.conv2": Change("layer4.1.conv2", dilation=2),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("layer4.0.conv3:stride=1", "unknown convolution"),
        ("layer4.*.conv2:stride=1,layer4.0.conv2:stride=2", "stride=1 and stride=2"),
    ],
)
def test_what_matches_nothing_or_contradicts_itself(text, words):
    with pytest.raises(RecipeError, match=words):
        resolve_changes([parse_change(part) for part in group_changes([text])], PATHS)


def test_a_recipe_knows_names_by_their_text_alone():
    assert Recipe(change="layer4.[12].conv2:dilation=2,layer4.?.conv1:stride=1").change[1] == "layer4.?.conv1:stride=1"
    with pytest.raises(RecipeError, match="stride=1 and stride=2"):
        Recipe(change="conv1:stride=1,conv1:stride=2")


@pytest.mark.parametrize("text", ["conv1", "conv1:", ":stride=1", "conv1:strid=1", "conv1:stride=x", "conv1:stride=0"])
def test_text_that_is_no_change(text):
    with pytest.raises(RecipeError, match="change: "):
        parse_change(text)


@pytest.mark.parametrize(
    ("numbers", "kernel", "dilation", "padding", "expected"),
    [
        ({"kernel": 5}, 3, 1, 1, 2),
        ({"dilation": 2}, 3, 1, 1, 2),
        ({"dilation": 2}, 1, 1, 0, 0),
        ({"kernel": 3, "dilation": 3}, 7, 1, 3, 3),
        ({"kernel": 5}, 3, 1, 0, 0),  # was not centred, and is not
        ({}, 3, 2, 2, 2),
    ],
)
def test_centred_windows_stay_centred(numbers, kernel, dilation, padding, expected):
    assert padding_of(numbers, kernel=kernel, dilation=dilation, padding=padding) == expected
