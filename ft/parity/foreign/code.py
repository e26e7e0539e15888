"""Code of the user's own: found by the name that the user typed, and blamed in one line where it fails."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from ft.errors import RecipeError, UserError, unknown

OPTIMIZER, LOSS, INPUTS = "make_optimizer", "make_loss", "make_inputs"  # what a module may have beside its models


def make_model(target: str) -> Any:
    """Return what the function `module:function` returns; RecipeError where it cannot be had."""
    module, _, name = target.partition(":")
    known = {n: value for n, value in vars(imported(module)).items() if callable(value) and n[0] != "_"}
    if name not in known:
        raise RecipeError(f"in module {module}: {unknown('function', name, known)}")
    with blamed(f"{name}() failed"):
        return known[name]()


def find_optimizer(target: str) -> Callable[[Any], Any] | None:
    """Return `make_optimizer(model)` of the module that `module:function` names, None where it has none."""
    return getattr(imported(target.partition(":")[0]), OPTIMIZER, None)


def find_loss(target: str) -> Callable[[Any], Any] | None:
    """Return `make_loss(model)` of the module that `module:function` names, None where it has none."""
    return getattr(imported(target.partition(":")[0]), LOSS, None)


def find_inputs(target: str) -> Callable[[Any], Any] | None:
    """Return `make_inputs(rng)` of the module that `module:function` names, None where it has none."""
    return getattr(imported(target.partition(":")[0]), INPUTS, None)


def imported(module: str) -> ModuleType:
    """Import a module of the user's."""
    with blamed(f"module {module} does not import"):
        return import_module(module)


def require_numbers(outputs: Mapping[str, np.ndarray]) -> None:
    """Raise RecipeError where a model gives nothing but NaN, which no other NaN can be compared with."""
    for name, x in outputs.items():
        if x.size and np.isnan(x).all():
            raise RecipeError(f"the model gives nothing but NaN as {name}; look at its weights, and at --input")


@contextmanager
def blamed(what: str) -> Iterator[None]:
    """Turn any exception of the user's code into a RecipeError of one line that begins with `what`."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        said = error.args[0] if isinstance(error, KeyError) and error.args else error  # its text is in quotes
        text = re.sub(r"\x1b\[\d*m", "", str(said))  # Keras writes in bold
        raise RecipeError(f"{what}: {type(error).__name__}: {' '.join(text.split())[:300]}") from error
