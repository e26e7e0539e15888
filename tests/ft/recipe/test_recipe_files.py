"""Recipes in files: YAML loses nothing and runs nothing, and files of older versions keep their meaning."""

import sys

import pytest
import yaml

from ft import recipe as recipes
from ft.errors import RecipeError
from ft.recipe import FIELDS, Recipe
from ft.recipe.schedule import Thaw


@pytest.fixture
def read(tmp_path):
    """Write a recipe file and return what is read from it."""

    def read(text):
        path = tmp_path / "mine.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return recipes.load(path)

    return read


CHANGED = {
    "name": "a: b #c",
    "data": "caf\udce9/x\n",
    "freeze": "stem,layer1",
    "lr": 1e-3,
    "dropout": 0.1,
    "seed": 2**60,
    "nesterov": True,
    "patience": 3,
    "model": "no",
    "val_fraction": 0.1 + 0.2,
}


@pytest.mark.parametrize("fields", [{}, CHANGED])
def test_a_saved_recipe_reads_back_the_same(tmp_path, fields):
    recipe = Recipe(**fields)
    recipes.save(recipe, tmp_path / "recipe.yaml")
    values = recipes.load(tmp_path / "recipe.yaml")
    assert recipes.from_dict(values) == recipe
    assert set(values) == set(FIELDS)  # the defaults too: a run's recipe outlives them


def test_a_file_of_before_there_were_versions_counts_epochs_from_0(read, tmp_path):
    said = []
    for line in ("unfreeze: 3:layer4,0:head@0.1", "unfreeze: {'3': layer4, '0': head@0.1}"):
        old = recipes.load(tmp_path / "mine.yaml", note=said.append) if read(f"{line}\n") else {}
        assert recipes.from_dict(old).thaws == (Thaw(0, "head", 0.1), Thaw(3, "layer4"))
    assert said[0].endswith("so its unfreeze counts epochs from 0; it means --unfreeze 4:layer4,1:head@0.1")
    recipe = recipes.from_dict(read("version: 2\nunfreeze: 3:layer4,1:head@0.1\n"))
    assert recipe.thaws == (Thaw(0, "head", 0.1), Thaw(2, "layer4"))
    recipes.save(recipe, tmp_path / "saved.yaml")
    assert recipes.load(tmp_path / "saved.yaml", note=said.append)["unfreeze"] == ["3:layer4", "1:head@0.1"]
    assert len(said) == 2
    for version in ("3", "0", "true", "'2'", "[2]"):
        with pytest.raises(RecipeError, match=r"mine\.yaml: version: got .*; expected 1 to 2, update"):
            read(f"version: {version}\n")


def test_numbers_as_yaml_1_1_reads_them(read):
    assert yaml.safe_load("lr: 1e-3") == {"lr": "1e-3"}  # the trap
    assert recipes.from_dict(read("lr: 1e-3\nweight_decay: 5e-5\nepochs: 7\n")).lr == 1e-3


def test_code_in_a_recipe_never_runs(read, tmp_path):
    canary = tmp_path / "canary"
    for tag in (
        f"!!python/object/apply:os.mkdir ['{canary}']",
        f"!!python/object/new:os.mkdir ['{canary}']",
        "!!python/name:os.system ''",
        "!mine {}",
        "!!map [a]",
        "!!timestamp soon",
    ):
        with pytest.raises(RecipeError, match="tags are not allowed"):
            read(f"data: {tag}\n")
    assert not canary.exists()
    yaml.unsafe_load(f"data: !!python/object/apply:os.mkdir ['{canary}']")  # the payload works where it is let
    assert canary.exists()


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "aliases are not allowed"),
        ("lr: 1\nlr: 2\n", "duplicate or non-text key 'lr'"),
        ("1: 2\n", "duplicate or non-text key 1"),
        ("? [lr]\n: 2\n", "duplicate or non-text key"),
        ("lr: 1\n\tepochs: 2\n", r"found character '\t'"),
        ("- lr\n- 0.1\n", "expected lines like 'lr: 0.001', found a list"),
        ("lr", "found a str"),
        ("", "found nothing"),
        ("lr: [1, 2\n", "expected ',' or ']'"),
        ("lr: 1\n---\nlr: 2\n", "expected a single document"),
        ("#" * 100_001, "more than 100000 bytes"),
        ("[" * 50_000, "recursion"),
        ("name: 2024-13-45\n", "month must be in 1..12"),
        ("seed: " + "9" * 5000, "limit"),
        ("lr: 0b_\n", "invalid literal"),
        (b"name: caf\xe9\n", "unacceptable character"),
        ("name: a\0b\n", "unacceptable character"),
        ("learing_rate: 0.1\n", "unknown key 'learing_rate'; did you mean 'lr'?"),
    ],
)
def test_files_that_are_no_recipe(read, text, words):
    with pytest.raises(RecipeError) as caught:
        read(text)
    assert str(caught.value).startswith("recipe /")
    assert "mine.yaml: " in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(RecipeError, match=r"nowhere.yaml: No such file or directory; pass the path of a YAML file"):
        recipes.load(tmp_path / "nowhere.yaml")
    with pytest.raises(RecipeError, match="Is a directory"):
        recipes.load(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/zero")
def test_a_file_without_end_is_not_read_to_its_end():
    with pytest.raises(RecipeError, match="more than 100000 bytes"):
        recipes.load("/dev/zero")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"cache": "off", "augment": "crop-flip"}, "cache off keeps no features"),
        ({"augment": "crop-flip", "mixup": 0.2}, "mix images anew in every batch"),
        ({"augment": "crop-flip", "cutmix": 1.0}, "mix images anew in every batch"),
        ({}, "every epoch shows the same pixels"),
        ({"cache_views": -1}, "at least 0"),
        ({"cache_limit": 0}, "above 0"),
        ({"cache": "ram"}, "known: auto, disk, memory, off"),
    ],
)
def test_views_that_cannot_be_kept_are_refused(fields, words):
    with pytest.raises(RecipeError, match=words):
        Recipe(**{"cache_views": 2, **fields})


def test_off_is_a_word_in_a_recipe_file_too(read):
    assert recipes.from_dict(read("cache: off")).cache == "off"
    with pytest.raises(RecipeError, match="unknown value 'on'"):
        recipes.from_dict(read("cache: on"))


def test_a_recipe_of_before_there_was_cache_says_the_same(read):
    assert recipes.from_dict(read("cache_features: false")).cache == "off"
    assert recipes.from_dict({"cache_features": True}).cache == "auto"
    assert Recipe().replace(cache_features=False).cache == "off"
    with pytest.raises(RecipeError, match="unknown key 'cache_features'"):
        recipes.from_dict({"cache_features": "no"})
