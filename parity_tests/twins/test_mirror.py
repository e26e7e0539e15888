"""The wings are twins: the same files, the same public names, the same signatures. Layers and helpers are free.

That each fulfils the protocols of the hub: tests/wings/test_protocol.py.
"""

import importlib
import inspect
from pathlib import Path

import pytest

import ft_tf
import ft_torch
from ft.backend.contract import Learner

ROOT = Path(__file__).parents[2]
OPTIMIZER = ("update", "get_slots", "set_slots")
METHODS = {
    "Learner": [name for name, value in vars(Learner).items() if inspect.isfunction(value) and name[0] != "_"],
    **dict.fromkeys(("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "LARS"), OPTIMIZER),
    "Penalty": ("add", "anchor", "get_slots", "set_slots"),
    "Average": ("update", "restart", "in_place", "get_slots", "set_slots"),
}


def files(wing: str) -> set[Path]:
    """Return the files of a wing, by their place in it; its layers are what its framework lacks."""
    every = {path.relative_to(ROOT / wing) for path in (ROOT / wing).rglob("*.py")}
    return {path for path in every if path.parts[0] != "layers"}


def parameters(function: object) -> list[tuple[str, object, object]]:
    """Return name, kind and default of every parameter: types differ by framework, these must not."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


def test_same_files():
    assert files("ft_torch") == files("ft_tf")


def test_same_public_names():
    assert ft_torch.__all__ == ft_tf.__all__
    torch, tf = (importlib.import_module(f"{wing}.models") for wing in ("ft_torch", "ft_tf"))
    assert torch.__all__ == tf.__all__


@pytest.mark.parametrize("name", ft_torch.__all__)
def test_same_signatures(name):
    torch, tf = getattr(ft_torch, name), getattr(ft_tf, name)
    assert inspect.isclass(torch) == inspect.isclass(tf)
    assert parameters(torch) == parameters(tf)
    for method in METHODS.get(name, ()):
        assert parameters(getattr(torch, method)) == parameters(getattr(tf, method)), method


@pytest.mark.parametrize("task", importlib.import_module("ft_torch.tasks").TASKS)
def test_same_tasks(task):
    torch, tf = (importlib.import_module(f"{wing}.tasks").TASKS[task] for wing in ("ft_torch", "ft_tf"))
    assert parameters(torch.loss) == parameters(tf.loss)


@pytest.mark.parametrize("name", importlib.import_module("ft_torch.models").__all__)
def test_same_networks(name):
    torch, tf = (importlib.import_module(f"{wing}.models") for wing in ("ft_torch", "ft_tf"))
    assert parameters(getattr(torch, name)) == parameters(getattr(tf, name))


def test_the_comparison_can_fail():
    assert parameters(lambda a, *, b=1: None) != parameters(lambda a, *, b=2: None)
    assert parameters(lambda a: None) != parameters(lambda b: None)
