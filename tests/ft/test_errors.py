"""The messages: the nearest name first, long lists cut, and one family of errors that a command catches."""

import pytest

from ft import errors


@pytest.mark.parametrize(
    ("word", "known", "message"),
    [
        ("resnet81", ["resnet18", "vgg"], "unknown model 'resnet81'; did you mean 'resnet18'?"),
        ("zzz", ["b", "a"], "unknown model 'zzz'; known: a, b"),
        ("zzz", [], "unknown model 'zzz'; known: "),
        ("a\t\x1b[2J", ["a"], "unknown model 'a\\t\\x1b[2J'; known: a"),
    ],
)
def test_unknown_names_the_nearest_or_all(word, known, message):
    assert errors.unknown("model", word, known) == message


def test_unknown_takes_what_can_be_read_only_once():
    assert errors.unknown("key", "lrr", iter(["lr"])).endswith("did you mean 'lr'?")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a, b, c and 1 more"),
        (iter("abcdefg"), "a, b, c and 4 more"),
    ],
)
def test_listed_says_how_many_it_leaves_out(names, text):
    assert errors.listed(names, 3) == text


def test_commands_catch_them_all_by_one_name():
    kinds = (errors.RecipeError, errors.DataError, errors.WeightsError, errors.RunError)
    assert all(issubclass(kind, errors.UserError) for kind in kinds)
    assert not issubclass(errors.UserError, (ValueError, OSError))
