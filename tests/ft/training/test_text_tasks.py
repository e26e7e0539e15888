"""Which task a text network is trained for: by the data, or where that leaves it open by the recipe."""

from dataclasses import replace

import pytest

from ft.data import Dataset, Sample
from ft.data.sources.text import Text
from ft.errors import RecipeError
from ft.recipe import Recipe
from ft.tasks import TASKS, task_for
from ft.training import images, texts
from ft.training.job import labels_of, recipe_of
from ft.zoo import find_card
from ft.zoo.text import parse_config, text_card


def card(architecture):
    return text_card("small", parse_config({"model_type": architecture, "vocab_size": 53}, origin=architecture))


def data(label, text="a b", **fields):
    return Dataset("made", ("A",), (Sample("1", label, Text(text)),), (), **fields)


def test_the_labels_say_which_task():
    made = [data(1), data((0,), multilabel=True), data(2.5), data((0, 1), ("a", "b")), data(None)]
    names = ["single-label", "multi-label", "regression", "token-classification", "language-model"]
    assert [task_for(card("gpt2"), each).name for each in made] == names
    only_val = [replace(each, train=(), val=each.train) for each in made]
    assert [task_for(card("gpt2"), each).name for each in only_val] == names


def test_the_recipe_says_which_labels():
    for name, labels in (("regression", "numbers"), ("token-classification", "tags"), ("language-model", "none")):
        assert labels_of(Recipe(task=name), None) == labels_of(Recipe(), TASKS[name]) == labels
    assert labels_of(Recipe(), None) == "one"


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("a.conll", "tags"),
        ("a.TXT", "none"),
        ("a.csv", None),
        ("train.iob2", "tags"),
        ("train.txt", "none"),
        ("train.csv", None),
        ("good/1.txt", None),
    ],
)
def test_files_without_classes_are_known_by_their_form(name, labels, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    asked = path if name.startswith("a.") else tmp_path
    assert texts.labels_by_form(str(asked)) == labels


def test_the_head_is_that_of_the_task():
    for name, answer in (("regression", "sequence"), ("token-classification", "tokens"), ("language-model", "lm")):
        headed = texts.answering(card("gpt2"), Recipe(freeze="none"), TASKS[name])
        assert headed.answer == answer
    assert texts.answering(card("bert"), Recipe(pool="mean"), TASKS["regression"]).pool == "mean"


@pytest.mark.parametrize(
    ("architecture", "task", "fields", "words"),
    [
        ("bert", "language-model", {}, "bert sees the whole text; expected gpt2"),
        ("gpt2", "language-model", {}, "freeze: base leaves nothing of small to train"),
        ("bert", "token-classification", {"pool": "mean"}, "pool 'mean': expected"),
    ],
)
def test_heads_that_cannot_be(architecture, task, fields, words):
    with pytest.raises(RecipeError, match=words):
        texts.answering(card(architecture), Recipe(**fields), TASKS[task])


@pytest.mark.parametrize(
    ("task", "fields"),
    [
        ("regression", {"loss": "bce"}),
        ("regression", {"label_smoothing": 0.1}),
        ("language-model", {"class_weights": "balanced"}),
        ("token-classification", {"loss": "dice"}),
    ],
)
def test_fields_that_say_nothing_of_a_task(task, fields):
    with pytest.raises(RecipeError, match=f"{next(iter(fields))}: .* for {task}"):
        TASKS[task].require(Recipe(**fields))


def test_images_have_no_such_task():
    with pytest.raises(RecipeError, match="task: resnet18 takes images"):
        images.adapted(find_card("resnet18"), Recipe(task="regression"))


def test_a_language_model_trains_whole_unless_told_otherwise():
    usual = card("gpt2").usual
    assert usual({"task": "language-model"}) == {**usual({"freeze": "none"}), "freeze": "none"}
    assert "freeze" not in usual({})
    assert recipe_of({"model": "minilm_l6", "task": "regression"}).task == "regression"
