"""Write ft/__init__.pyi, by which editors complete what is imported late: python -m ft.api.stub > ft/__init__.pyi"""

import inspect
from collections import defaultdict
from inspect import Parameter
from textwrap import indent
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import ft

HEADER = '''# Written by `python -m ft.api.stub > ft/__init__.pyi`
"""{doc}"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

{imports}

__all__ = [
{names}
]

__version__: str
'''


def render() -> str:
    """Return the stub: every public name from where it is, and the calls that take a recipe's fields written out."""
    public = {name: getattr(ft, name) for name in sorted(ft.__all__)}
    calls = [value for value in public.values() if "__signature__" in vars(value)]
    homes = defaultdict(list)
    for name, value in public.items():
        if value not in calls:
            homes[value.__module__].append(name)
    header = HEADER.format(
        doc=ft.__doc__,
        imports="\n".join(f"from {home} import {', '.join(names)}" for home, names in sorted(homes.items())),
        names="\n".join(f'    "{name}",' for name in public),
    )
    return "\n".join([header, *map(definition, calls)])


def definition(call: Any) -> str:
    """Return a function without its body: its signature, a parameter a line, and its docstring."""
    signature, lines = inspect.signature(call), []
    for p in signature.parameters.values():
        if p.kind is Parameter.KEYWORD_ONLY and "    *," not in lines:
            lines.append("    *,")
        lines.append(f"    {p.name}: {spelled(p.annotation)} = {quoted(p.default)},")
    end = f") -> {spelled(signature.return_annotation)}:"
    said = indent(f'"""{inspect.getdoc(call)}\n"""\n', "    ")  # not __doc__: its indentation is new in Python 3.13
    return "\n".join([f"def {call.__name__}(", *lines, end, said])


def spelled(kind: Any) -> str:
    """Return a type as code; every version of Python would print it in its own way."""
    args = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return " | ".join(map(spelled, args))
    if get_origin(kind) is Literal:
        return f"Literal[{', '.join(map(quoted, args))}]"
    name = "None" if kind is NoneType else kind.__name__
    return f"{name}[{', '.join(map(spelled, args))}]" if args else name


def quoted(value: Any) -> str:
    """Return a default as code, text in double quotes."""
    return repr(value).replace("'", '"')


if __name__ == "__main__":
    print(render(), end="")
