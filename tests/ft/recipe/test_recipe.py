"""Recipes as users write them: every typo, wrong type and bad bound is one line, and YAML runs and loses nothing."""

import dataclasses
import math
from dataclasses import dataclass
from typing import get_args

import pytest

from ft import recipe as recipes
from ft.errors import RecipeError
from ft.recipe import FIELDS, TYPES, Recipe
from ft.recipe.optimizer import RULES
from ft.recipe.schedule import Thaw


def refuse(words, **fields):
    """Assert that the fields make no recipe, with one line that holds the words."""
    with pytest.raises(RecipeError) as caught:
        recipes.from_dict(fields)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


# ---- fields


def test_a_recipe_is_frozen_and_replace_checks():
    recipe = Recipe()
    with pytest.raises(AttributeError):
        recipe.lr = 1.0  # pyright: ignore
    assert recipe.replace(lr=0.5).lr == 0.5
    assert recipe.lr == 0.001
    with pytest.raises(RecipeError, match="unknown key 'lrr'; did you mean 'lr'"):
        recipe.replace(lrr=1)
    with pytest.raises(RecipeError, match="above 0"):
        recipe.replace(lr=-1)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("learing_rate", "lr"),
        ("learning_rate", "lr"),
        ("epoch", "epochs"),
        ("batchsize", "batch_size"),
        ("batch-size", "batch_size"),
        ("arch", "model"),
        ("dataset", "data"),
        ("img_size", "image_size"),
        ("min_size", "image_size"),
        ("scheduler", "schedule"),
        ("wieght_decay", "weight_decay"),
        ("freez", "freeze"),
        ("num_epochs", "epochs"),
    ],
)
def test_an_unknown_key_leads_to_the_one_that_was_meant(key, meant):
    refuse([f"unknown key '{key}'; did you mean '{meant}'?"], **{key: 1})


def test_a_key_like_nothing_lists_the_known_ones():
    refuse(["unknown key 'xyzzy'; known: ", " more"], xyzzy=1)
    assert all(field in FIELDS for field in recipes.SYNONYMS.values())
    assert not set(recipes.SYNONYMS) & set(FIELDS)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("randaugment", "9", "randaugment: got '9'; expected operations x magnitude up to 30, such as 2x9"),
        ("randaugment", "2x31", "such as 2x9"),
        ("randaugment", "0x9", "such as 2x9"),
        ("erase", 1.5, "erase: got 1.5; it must be at most 1"),
        ("mixup", -0.1, "mixup: got -0.1; it must be at least 0"),
        ("ema", 1, "ema: got 1; it must be below 1"),
        ("result", "ema", "result: ema needs the moving average"),
        ("l2sp_head", 0.1, "l2sp_head: goes with l2sp, which is 0"),
        ("lr", 0, "lr: got 0; it must be above 0"),
        ("lr", -1e-3, "above 0"),
        ("lr", math.nan, "expected a finite number"),
        ("lr", math.inf, "expected a finite number"),
        ("lr", "fast", "lr: got 'fast'; expected a finite number"),
        ("lr", [0.1], "expected a finite number"),
        ("lr", True, "expected a finite number"),
        ("lr", None, "got None"),
        ("lr", "1e999", "expected a finite number"),
        ("lr", 10**400, "expected a finite number"),
        ("epochs", 0, "epochs: got 0; it must be at least 1"),
        ("epochs", 1.5, "expected a whole number"),
        ("epochs", True, "expected a whole number"),
        ("epochs", "many", "expected a whole number"),
        ("epochs", 10**400, "expected a whole number"),
        ("epochs", "inf", "expected a whole number"),
        ("batch_size", 0, "at least 1"),
        ("batch_size", -4, "at least 1"),
        ("image_size", 7, "at least 8"),
        ("momentum", 1, "below 1"),
        ("momentum", -0.1, "at least 0"),
        ("weight_decay", -1, "at least 0"),
        ("val_fraction", -0.1, "at least 0"),
        ("val_fraction", 1, "below 1"),
        ("dropout", 1, "below 1"),
        ("seed", -1, "at least 0"),
        ("label_smoothing", 1, "below 1"),
        ("patience", 0, "at least 1"),
        ("workers", -1, "at least 0"),
        ("step_factor", 0, "above 0"),
        ("warmup_epochs", -1, "at least 0"),
        ("stochastic_depth", 1.0, "below 1"),
        ("nesterov", "yes", "nesterov: got 'yes'; expected true or false"),
        ("deterministic", 1, "expected true or false"),
        ("model", 5, "model: got 5; expected text"),
        ("model", "", "expected text"),
        ("data", None, "expected text"),
        ("precision", "float16", "unknown value 'float16'; did you mean 'bfloat16'"),
        ("bn", "freeze", "did you mean 'frozen'"),
        ("schedule", "sawtooth", "known: constant, cosine, exponential, linear, one-cycle, plateau, poly, step"),
        ("head", ["new"], "expected text"),
        ("freeze", 3, "expected names separated by commas"),
        ("freeze", "stem,,fc", "expected names"),
        ("freeze", ["stem", 2], "expected names"),
        ("freeze", "base,stem", "'base' and 'none' stand alone"),
        ("betas", "0.9", "betas: got '0.9'; expected 2 numbers"),
        ("betas", [0.9, 1], "betas: got 1; it must be below 1"),
        ("betas", 0.9, "expected 2 numbers"),
        ("class_weights", "balance", "expected a finite number"),
        ("class_weights", "1,0", "above 0"),
        ("class_weights", [], "expected some numbers"),
        ("class_weights", None, "expected some numbers"),
        ("layer_decay", 1.5, "layer_decay: got 1.5; it must be at most 1"),
        ("accumulate", 0, "at least 1"),
        ("focal_gamma", 0.5, "at least 1"),
    ],
)
def test_values_that_cannot_be(field, value, words):
    refuse([f"{field}: ", words], **{field: value})


def test_fields_that_contradict_each_other():
    refuse(["nesterov: needs a momentum above 0"], nesterov=True, momentum=0)
    refuse(["warmup_epochs: got 3 of 3 epochs"], warmup_epochs=3, epochs=3)
    refuse(["nesterov: optimizer adam has none", "take optimizer sgd"], optimizer="adam", nesterov=True)
    refuse(["momentum: optimizer adamw has none", "sgd, rmsprop", "lars"], optimizer="adamw", momentum=0.9)
    refuse(["betas: optimizer sgd has none", "take optimizer adam, adamw"], betas=[0.9, 0.99])
    refuse(["centered: optimizer adagrad has none"], optimizer="adagrad", centered=True)
    refuse(["nesterov: has no dampening, got 0.1"], nesterov=True, dampening=0.1)
    refuse(["dampening: dampens what enters the momentum buffer"], momentum=0, dampening=0.1)
    refuse(["clip_norm and clip_value contradict"], clip_norm=1, clip_value=1)
    refuse(["step_factor: got 2", "plateau needs a factor below 1"], schedule="plateau", step_factor=2)
    refuse(["warmup_epochs: schedule one-cycle rises by itself"], schedule="one-cycle", warmup_epochs=1)
    refuse(["group_by_aspect: goes with max_size"], group_by_aspect=True)
    refuse(["max_size: got 300, less than image_size 320"], image_size=320, max_size=300)
    refuse(["cache: not with max_size"], max_size=300, cache="memory")
    refuse(["cache_views: not with max_size"], max_size=300, cache_views=2, augment="crop-flip")
    refuse(["both balanced counts rare classes twice"], sampling="balanced", class_weights="balanced")


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("lr", "1e-3", 1e-3),
        ("lr", 1, 1.0),
        ("epochs", "12", 12),
        ("epochs", 3.0, 3),
        ("epochs", "1e2", 100),
        ("seed", "9007199254740993", 2**53 + 1),
        ("seed", 2**53 + 1, 2**53 + 1),
        ("seed", 0, 0),
        ("momentum", 0, 0.0),
        ("freeze", "stem, layer1", ("stem", "layer1")),
        ("class_weights", "balanced", "balanced"),
        ("class_weights", "1, 2e0", (1.0, 2.0)),
        ("class_weights", [1, "2"], (1.0, 2.0)),
        ("stage_lr", "stem:0.1,layer1:0.3", ("stem:0.1", "layer1:0.3")),
        ("stage_lr", {"stem": 0.1}, ("stem:0.1",)),
        ("freeze", ["stem"], ("stem",)),
        ("dropout", None, None),
        ("image_size", "64", 64),
        ("val_fraction", "0.25", 0.25),
    ],
)
def test_values_arrive_in_their_own_type(field, text, value):
    arrived = getattr(recipes.from_dict({field: text}), field)
    assert arrived == value
    assert type(arrived) is type(value)


def test_l2sp_needs_pretrained_weights():
    refuse(["l2sp: weights none leaves no pretrained values"], l2sp=0.1, weights="none")


@pytest.mark.parametrize(
    ("fields", "stands"),
    [
        ({}, True),
        ({"augment": "crop-flip"}, False),
        ({"augment": "flip"}, False),
        ({"randaugment": "1x1"}, False),
        ({"jitter": 0.1}, False),
        ({"hue": 0.1}, False),
        ({"erase": 0.1}, False),
        ({"mixup": 0.1}, False),
        ({"cutmix": 0.1}, False),
        ({"ema": 0.9, "l2": 0.1}, True),
    ],
)
def test_epochs_are_alike_only_without_augmentation(fields, stands):
    assert Recipe(**fields).stands_still is stands


# ---- what a field decides


def mute(cls):
    """Return the fields of a recipe that do not say what they decide."""
    return [field.name for field in dataclasses.fields(cls) if not field.metadata.get("decides")]


def test_a_field_says_what_it_decides_or_is_none():
    @dataclass(frozen=True, kw_only=True)
    class Planted(Recipe):
        blur: float = 0.0

    assert mute(Recipe) == []
    assert mute(Planted) == ["blur"]
    with pytest.raises(AssertionError, match="say what it decides, in words of DECIDES"):
        recipes.option(0.0, "blur", group="data", decides=set())
    with pytest.raises(AssertionError, match=r"not \{'pixel'\}"):
        recipes.option(0.0, "blur", group="data", decides={"pixel"})
    assert set().union(*(field.metadata["decides"] for field in FIELDS.values())) == set(recipes.DECIDES)


def test_what_a_resumed_run_keeps():
    tensors = "model head cut pool change in_channels freeze unfreeze optimizer l2sp penalty_exempt ema precision task"
    assert set(recipes.deciding("tensors")) == set(tensors.split())
    order = {"data", "batch_size", "accumulate", "sampling", "seed", "group_by_aspect"}
    assert set(recipes.deciding("order")) == order
    assert recipes.deciding("statistics") == ("bn",)
    assert recipes.deciding("slots") == ("momentum", "dampening", "centered")


def test_the_numbers_of_all_optimizers_are_fields_that_say_so():
    assert {name for rule in RULES.values() for name in rule.numbers} == set(recipes.deciding("rule"))
    needed = {number for rule in RULES.values() for number in rule.slots.values() if number}
    assert needed == set(recipes.deciding("slots"))
    assert get_args(TYPES["optimizer"]) == tuple(RULES)


def test_no_two_sections_have_a_field_of_one_name():
    names = [name for section in Recipe.__bases__ for name in getattr(section, "__dataclass_fields__", ())]
    assert sorted(names) == sorted(FIELDS)


def test_text_is_read_once(monkeypatch):
    recipe = Recipe(
        head="512-relu", change="conv1:stride=1", randaugment="2x9", stage_lr="stem:0.1", unfreeze="6:all,4:layer4@0.5"
    )
    for module, name in (("model", "parse_head"), ("model", "parse_change"), ("schedule", "parse_thaw")):
        monkeypatch.setattr(f"ft.recipe.{module}.{name}", None)
    monkeypatch.setattr("ft.recipe.schedule.positive", None)
    assert (len(recipe.head_layers or ()), recipe.changes[0].stride, recipe.operations) == (2, 1, (2, 9))
    assert recipe.stage_factors == {"stem": 0.1}
    assert recipe.thaws == (Thaw(3, "layer4", 0.5), Thaw(5, "all"))


def test_the_title_names_model_and_data(tmp_path):
    assert Recipe().title == "efficientnet_lite0-digits"
    assert Recipe(model="keras/x", data=str(tmp_path / "pets")).title == "keras_x-pets"
    assert Recipe(name="mine").title == "mine"


# ---- files
