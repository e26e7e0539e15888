"""Packages whose public names import their module, and with it the framework, only when they are used."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from ft.quiet import quiet_stderr


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module's `__getattr__` (PEP 562) that finds each public name in its home module.

    The function of a name with a source before it, `keras/resnet50`, is called by the last part there.
    """

    def __getattr__(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        home = f"{package}.{homes[name]}"
        if home not in sys.modules:
            with quiet_stderr():
                import_module(home)
        value = getattr(sys.modules[home], name.rpartition("/")[2])
        # a submodule of the same name, such as models.alexnet, has just become an attribute and would hide the function
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__
