"""Rows 44 to 47, and the parts of row 33 that need no framework: recipes, flags, output folders."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import ft
from ft import recipe as recipes
from ft.api.run import Run
from ft.backend import contract as backend
from ft.cli.train import train_command
from ft.errors import DataError, RecipeError, RunError
from ft.network.freeze import plan_freeze
from ft.recipe import Recipe
from ft.training.build import build_learner, require_company
from ft.training.job import prepare_job
from ft.zoo import find_card
from tests.oracle import needs_torch

NET = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "workers": 0, "epochs": 1}


def load(tmp_path, text):
    (tmp_path / "mine.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return recipes.load(tmp_path / "mine.yaml")


# ---- row 33


def test_row_33_fewer_images_than_a_batch(folder):
    few = Recipe(**{**NET, "batch_size": 32}, data=str(folder))
    assert prepare_job(few).notes == ["fewer training images than batch_size: every epoch is one step of 10"]
    assert prepare_job(few.replace(batch_size=10)).notes == []


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"freeze": "none"}, True),
        ({"freeze": "stem,layer1"}, True),
        ({"freeze": "base", "bn": "update"}, True),
        ({"freeze": "base"}, False),
        ({"freeze": "none", "batch_size": 2}, False),
    ],
)
def test_row_33_batches_of_one_with_batchnorm(fields, refused, folder):
    recipe = Recipe(**{**NET, "batch_size": 1, **fields}, data=str(folder))
    card = find_card("resnet18")
    names = ["conv1.weight", "layer4.1.bn2.weight", "layer4.1.bn2.running_var", "fc.weight"]
    plan = plan_freeze(card, ["conv1.weight", "layer4.1.bn2.weight", "fc.weight"], freeze=recipe.freeze, bn=recipe.bn)
    job = prepare_job(recipe)
    if not refused:
        require_company(job, plan, names)
        return
    with pytest.raises(RecipeError, match=r"single image, from which BatchNorm \(layer4\.1\.bn2\) cannot learn; raise"):
        require_company(job, plan, names)
    require_company(job, plan, ["conv1.weight", "fc.weight"])  # without BatchNorm one image is enough


def test_row_33_offers_to_freeze_what_is_no_head():
    card = find_card("lraspp_mobilenet_v2")
    job: Any = SimpleNamespace(recipe=Recipe(batch_size=1), dataset=SimpleNamespace(train=range(9)), card=card)
    for module, freeze, offered in (("classifier.cbr.1", "base", False), ("backbone.0.1", "none", True)):
        plan = plan_freeze(card, [f"{module}.weight"], freeze=Recipe(freeze=freeze).freeze, bn="frozen")
        with pytest.raises(RecipeError, match=f"BatchNorm .{module}. cannot learn; raise --batch-size") as told:
            require_company(job, plan, [f"{module}.running_var"])
        assert ("--freeze base" in str(told.value)) == offered


def test_row_33_asks_for_all_that_will_have_thawed(fake_wing, folder, monkeypatch):
    plans = []
    monkeypatch.setattr("ft.training.build.require_company", lambda job, plan, names: plans.append(plan.stages))
    for fields in ({}, {"unfreeze": "3:layer4"}):
        job = prepare_job(Recipe(**{**NET, "epochs": 3}, data=str(folder), **fields))
        build_learner(job, backend.load("torch"), device="cpu")
    assert ["layer4" in frozen for frozen in plans] == [True, False]


# ---- row 44

ALIASES = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ALIASES, "aliases are not allowed"),
        ("lr: 1\nlr: 2\n", "duplicate or non-text key 'lr'"),
        ("lr: 1\n\tepochs: 2\n", r"found character '\t'"),
        ("- lr\n", "expected lines like 'lr: 0.001', found a list"),
        ("#" * 100_001, "more than 100000 bytes"),
        ("[" * 2_000, "recursion"),
        ('{"lr": 1 "ep\U0003e600": 2}', r"ep\U0003e600"),
    ],
    ids=["aliases", "duplicate", "tab", "list", "size", "depth", "no character"],
)
def test_row_44_yaml(text, words, tmp_path):
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_row_44_yaml_runs_nothing(tmp_path):
    text = f"data: !!python/object/apply:os.mkdir ['{tmp_path / 'canary'}']\n"
    with pytest.raises(RecipeError, match="tags are not allowed"):
        load(tmp_path, text)
    assert not (tmp_path / "canary").exists()
    yaml.unsafe_load(text)
    assert (tmp_path / "canary").exists()  # it works where it is let


# ---- row 45


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"learing_rate": 0.1}, "unknown key 'learing_rate'; did you mean 'lr'?"),
        ({"on_bad_images": "skip"}, "did you mean 'on_bad_image'?"),
        ({"lr": "fast"}, "lr: got 'fast'; expected a finite number"),
        ({"lr": 0}, "lr: got 0; it must be above 0"),
        ({"lr": float("nan")}, "expected a finite number"),
        ({"epochs": 0}, "epochs: got 0; it must be at least 1"),
        ({"batch_size": 0}, "batch_size: got 0; it must be at least 1"),
        ({"on_bad_image": "skp"}, "on_bad_image: unknown value 'skp'; did you mean 'skip'?"),
        ({"max_bad_fraction": 1}, "max_bad_fraction: got 1; it must be below 1"),
        ({"max_pixels": 0}, "max_pixels: got 0; it must be at least 1"),
        ({"fail_on_leak": "yes"}, "fail_on_leak: got 'yes'; expected true or false"),
    ],
)
def test_row_45_keys_and_values(fields, words):
    with pytest.raises(RecipeError) as caught:
        recipes.from_dict(fields)
    assert words in str(caught.value)


def test_row_45_numbers_as_yaml_1_1_reads_them(tmp_path):
    assert yaml.safe_load("lr: 1e-3") == {"lr": "1e-3"}  # the trap
    assert recipes.from_dict(load(tmp_path, "lr: 1e-3\n")).lr == 1e-3


# ---- rows 46 and 47


@needs_torch
def test_row_46_classes_and_freeze_rules(folder, fake_wing, no_plots, tmp_path):
    recipe = Recipe(**NET, data=str(folder))
    for freeze, words in (("layer9", "unknown stage 'layer9'"), ("stem,conv1", "unknown stage 'conv1'")):
        with pytest.raises(RecipeError, match=words):
            prepare_job(recipe.replace(freeze=freeze))
    run = ft.finetune(recipe, backend="torch", out=tmp_path / "run", quiet=True)
    (folder / "cat").rename(folder / "cow")
    for other in (str(folder), None):
        with pytest.raises(DataError, match=r"unknown class 'cow'.*\(the model's classes decide\)"):
            Run(run.folder).evaluate(other)


@needs_torch
def test_row_47_output_folders(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(backend, "load", lambda name: pytest.fail("a framework was loaded"))
    recipe = Recipe(**NET, data=str(folder))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "full" not in str(path) and real(path, mode))
    for out, words in (
        ("out", r"out is in use \(it holds thesis\.tex\)"),
        ("file/out", "cannot write .*Not a directory"),
        ("full", "cannot write to .*permission denied; choose an --out"),
    ):
        with pytest.raises(RunError, match=words):
            ft.finetune(recipe, backend="torch", out=tmp_path / out, quiet=True)
    assert (tmp_path / "out/thesis.tex").read_text() == "x"


@needs_torch
def test_row_47_a_full_disk(folder, fake_wing, tmp_path, monkeypatch, capsys):
    from ft.system import files

    def write_new(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_new", write_new)
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in NET.items()]
    code = train_command([*flags, "--data", str(folder), "--out", str(tmp_path / "out"), "--quiet"], backend="torch")
    error = capsys.readouterr().err
    assert (code, error.count("\n")) == (2, 1)
    assert "No space left on device (" in error
    assert "bytes needed, " in error
    assert "free some space or choose another --out" in error
