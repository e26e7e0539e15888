"""What `ft` shows of itself: to dir() and help(), to a notebook, and in the stub that editors read."""

import ast
import inspect
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import ft
from ft.api.stub import render
from ft.backend.contract import FRAMEWORKS
from ft.recipe import FIELDS, TYPES

STUB = Path(ft.__file__).with_suffix(".pyi")
DEFAULTS = {name: field.default for name, field in FIELDS.items()}
CALLS = [name for name in ft.__all__ if inspect.isfunction(getattr(ft, name))]
TAKE_FIELDS = [name for name in CALLS if getattr(ft, name).__code__.co_flags & inspect.CO_VARKEYWORDS]


@pytest.mark.parametrize("package", ["ft", *(f"ft_{wing}" for wing in FRAMEWORKS)])
def test_a_package_shows_its_api(package):
    module = import_module(package)
    assert dir(module) == sorted([*module.__all__, "__version__"])
    assert module.__version__ == version("ft-parity")
    assert Path(module.__file__).with_name("py.typed").exists()


def test_star_gives_the_api():
    names: dict[str, Any] = {}
    exec("from ft import *", names)
    assert set(names) - {"__builtins__"} == set(ft.__all__)


def test_a_mistyped_name_leads_to_the_right_one():
    with pytest.raises(AttributeError, match=r"^module 'ft' has no attribute 'finetun'; did you mean 'finetune'\?$"):
        ft.finetun  # noqa: B018
    assert not hasattr(ft, "quux")


def test_the_stub_is_that_of_this_code():
    assert STUB.read_text() == render(), "python -m ft.api.stub > ft/__init__.pyi"


def test_there_are_calls_with_fields():
    assert {"finetune", "find_lr"} <= set(TAKE_FIELDS)


@pytest.mark.parametrize("name", TAKE_FIELDS)
def test_a_notebook_sees_the_recipe(name):
    shown = inspect.signature(getattr(ft, name)).parameters.values()
    assert {p.name: p.default for p in shown if p.kind is p.KEYWORD_ONLY and p.name in FIELDS} == DEFAULTS
    assert all(p.kind is not p.VAR_KEYWORD for p in shown)
    assert next(p for p in shown if p.name == "pool").annotation == TYPES["pool"]


@pytest.mark.parametrize("name", TAKE_FIELDS)
def test_an_editor_sees_the_recipe(name):
    functions = {node.name: node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.FunctionDef)}
    shown = functions[name].args
    defaults = {a.arg: ast.literal_eval(d) for a, d in zip(shown.kwonlyargs, shown.kw_defaults, strict=True)}
    assert {name: defaults[name] for name in FIELDS} == DEFAULTS
    assert shown.kwarg is None
    assert all(a.annotation for a in shown.kwonlyargs)


def test_gpus_that_stay_idle_are_told(fake_wing, write_images, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tests.numpy_wing.prepare", lambda **_: "cuda")
    for count, said in ((1, False), (4, True)):
        monkeypatch.setattr("tests.numpy_wing.count_gpus", lambda count=count: count)
        fields = {"model": "resnet18", "weights": "none", "image_size": 16, "epochs": 1}
        ft.finetune(**fields, data=str(write_images(f"pets{count}")), out=tmp_path / str(count), backend="tf")
        line = "1 of 4 GPUs computes; ft launch --processes 4 --backend tf takes all of them"
        assert (line in " ".join(capsys.readouterr().err.split())) == said
