"""Calls that take a recipe's fields as keywords say so: to help(), to a notebook and, by ft/api/stub.py, to editors."""

import inspect
import operator
from collections.abc import Callable, Sequence
from functools import reduce
from inspect import Parameter
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from ft.recipe import FIELDS, TYPES

Call = TypeVar("Call", bound=Callable[..., Any])


def takes_fields(call: Call) -> Call:
    """Show a function's `**fields` as what they are: every field of the recipe, keyword-only, with type and default."""
    shown = inspect.signature(call)
    own = [p for p in shown.parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
    fields = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=field.default, annotation=accepted(TYPES[name]))
        for name, field in FIELDS.items()
    ]
    vars(call)["__signature__"] = shown.replace(parameters=[*own, *fields])
    return call


def accepted(kind: Any) -> Any:
    """Return what a field of this type may be given as: a tuple also as a list, as text, or as a mapping of names."""
    if get_origin(kind) in (Union, UnionType):
        return reduce(operator.or_, map(accepted, get_args(kind)))
    if get_origin(kind) is tuple:
        return Sequence[str] | dict if get_args(kind)[0] is str else Sequence[float] | str
    return kind
