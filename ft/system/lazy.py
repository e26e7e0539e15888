"""Packages whose public names import their module, and with it the framework, only when they are used."""

import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from typing import Any

from ft.system.quiet import quiet_stderr


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a module's `__getattr__` and `__dir__` (PEP 562): the one finds each public name in its home module.

    The other lists what `__all__` names, and `__version__`, which every such module has.
    The function of a name with a source before it, `keras/resnet50`, is called by the last part there.
    """

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return version("ft-parity")
        if name not in homes:
            near = get_close_matches(name, __dir__(), n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            # with a name Python adds no hint of its own: notebooks never show that one
            raise AttributeError(f"module '{package}' has no attribute '{name}'{hint}", name=name)
        home = f"{package}.{homes[name]}"
        if home not in sys.modules:
            with quiet_stderr():
                import_module(home)
        value = getattr(sys.modules[home], name.rpartition("/")[2])
        # a submodule of the same name, such as models.alexnet, has just become an attribute and would hide the function
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:
        return sorted(["__version__", *filter(str.isidentifier, sys.modules[package].__all__)])

    return __getattr__, __dir__
