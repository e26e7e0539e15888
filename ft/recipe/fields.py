"""How a field of the recipe is declared, what it may decide, and how a value becomes one of its type."""

import contextlib
import math
import operator
import types
from collections.abc import Mapping
from dataclasses import Field, field
from typing import Any, Literal, Union, get_args, get_origin

from ft.errors import RecipeError, listed, unknown

DECIDES = {  # what a field may decide: every list of fields elsewhere is a query on these words, see `deciding`
    "title": "what a run is called",
    "base": "what a frozen base computes of an image, or where it ends",
    "tensors": "which tensors there are, also of the optimizer, the average and the anchors",
    "statistics": "which tensors beside the parameters change",
    "shapes": "what each stage hands on",
    "start": "the values that training starts from",
    "images": "which images there are",
    "preprocess": "how a file becomes pixels, the same in every epoch: it stands in `Preprocess`",
    "pixels": "which pixels and targets an image has, drawn anew in every epoch; none are drawn at the field's default",
    "draws": "what everything random is drawn from",
    "order": "which images make a step",
    "opening": "how a data set is opened: it stands in `Policy`",
    "check": "what `ft data check` finds",
    "limits": "what is refused, and what is let pass",
    "length": "when the training ends",
    "rate": "the learning rate of a parameter in a step",
    "loss": "what is minimised",
    "penalty": "what pulls weights towards zero, or towards their start",
    "update": "how gradients become an update",
    "rule": "a number of the optimizer's rule",
    "slots": "which slots the optimizer's rule has",
    "step": "a plain step of any network",
    "result": "which weights a run ends with",
    "machine": "on what it is computed, and how fast",
    "cache": "where features are kept, and how many",
}
BOUNDS = {"at_least": operator.lt, "above": operator.le, "below": operator.ge, "at_most": operator.gt}


def option(
    default: Any,
    text: str,
    *,
    group: str,
    decides: set[str],
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    flags: tuple[str, ...] = (),
) -> Any:
    """Declare a field with its help text, its heading, what it decides (see DECIDES), its bounds, and further flags."""
    assert set() < decides <= DECIDES.keys(), f"say what it decides, in words of DECIDES, not {decides}"
    bounds = {"at_least": at_least, "at_most": at_most, "above": above, "below": below}
    return field(default=default, metadata={"help": text, "group": group, "decides": decides, "flags": flags, **bounds})


def that_decide(fields: Mapping[str, "Field[Any]"], *words: str) -> tuple[str, ...]:
    """Return the names of those fields that decide any of these (see DECIDES), in their order."""
    assert DECIDES.keys() >= set(words), f"expected words of DECIDES, not {words}"
    return tuple(name for name, each in fields.items() if each.metadata["decides"] & set(words))


def fitted(field: "Field[Any]", kind: Any, value: Any) -> Any:
    """Return `value` as `kind`, the type of a field, within the field's bounds, or raise RecipeError."""
    name = field.name
    if get_origin(kind) in (Union, types.UnionType):
        words = [word for k in get_args(kind) if get_origin(k) is Literal for word in get_args(k)]
        if (value is None and type(None) in get_args(kind)) or (isinstance(value, str) and value in words):
            return value
        kinds = [k for k in get_args(kind) if k is not type(None)]
        kind = next((k for k in kinds if get_origin(k) is not Literal), kinds[0])
    if get_origin(kind) is Literal:
        if isinstance(value, bool) and "off" in get_args(kind):  # what YAML 1.1 reads from these words
            value = "on" if value else "off"
        if value in get_args(kind):
            return value
        raise RecipeError(f"{name}: {unknown('value', str(value), get_args(kind))} (known: {listed(get_args(kind))})")
    if get_origin(kind) is tuple:
        return stage_list(name, value) if get_args(kind)[0] is str else number_list(field, kind, value)
    return bounded(field, parsed(name, kind, value), value)


def bounded(field: "Field[Any]", number: Any, value: Any) -> Any:
    """Return a number, found in `value`, that is within the bounds of a field; RecipeError for any other."""
    bounds = field.metadata
    for rule, fails in BOUNDS.items():
        if bounds[rule] is not None and fails(number, bounds[rule]):
            raise RecipeError(f"{field.name}: got {value}; it must be {rule.replace('_', ' ')} {bounds[rule]:g}")
    return number


def parsed(name: str, kind: type, value: Any) -> Any:
    """Return `value` as str, bool, int or float. Text that spells a number is one: YAML 1.1 reads 1e-3 as text."""
    if kind is str and isinstance(value, str) and value.strip():
        return value
    if kind is bool and isinstance(value, bool):
        return value
    if kind in (int, float) and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            return float_of(value) if kind is float else int_of(value)
    wanted = {str: "text", bool: "true or false", int: "a whole number", float: "a finite number"}[kind]
    raise RecipeError(f"{name}: got {value!r}; expected {wanted}")


def float_of(value: int | float | str) -> float:
    """Return a finite number as a float; ValueError or OverflowError for any other."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def int_of(value: int | float | str) -> int:
    """Return a whole number as an int, exactly: a float on the way would round seeds above 2 ** 53."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return int(value)  # what int cannot read, such as 1e3, may still be a whole number
    number = float_of(value)
    if not number.is_integer():
        raise ValueError(value)
    return int(number if isinstance(value, str) else value)


def stage_list(name: str, value: Any) -> tuple[str, ...]:
    """Return "stem,layer1" or a list of names as a tuple of names; a mapping gives KEY:VALUE for each of its lines."""
    if isinstance(value, dict):
        value = [f"{key}:{number}" for key, number in value.items()]
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(p, str) and p.strip() for p in parts):
        raise RecipeError(f"{name}: got {value!r}; expected names separated by commas, or a list of names")
    return tuple(p.strip() for p in parts)


def number_list(field: "Field[Any]", kind: Any, value: Any) -> tuple[float, ...]:
    """Return "0.9,0.999" or a list of numbers as a tuple of floats, as many as its kind has."""
    parts = value.split(",") if isinstance(value, str) else value
    name, wanted = field.name, None if Ellipsis in get_args(kind) else len(get_args(kind))
    if not isinstance(parts, (list, tuple)) or not parts or (wanted and len(parts) != wanted):
        raise RecipeError(f"{name}: got {value!r}; expected {wanted or 'some'} numbers separated by commas, or a list")
    return tuple(bounded(field, parsed(name, float, part), part) for part in parts)


def positive(name: str, entry: str, text: str) -> float:
    """Return the factor that an entry of the list `name` ends with."""
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise RecipeError(f"{name}: got '{entry}'; expected a factor above 0 at its end, such as 0.1")
    return factor
