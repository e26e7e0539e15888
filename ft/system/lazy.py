"""Imports that wait: of a module until a name of it is used, and of what belongs to a framework until that is here."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ft.system.quiet import quiet_stderr


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a module's `__getattr__` and `__dir__` (PEP 562): the one finds each public name in its home module.

    The other lists what `__all__` names, and `__version__`, which every such module has.
    The function of a name with a source before it, `keras/resnet50`, is called by the last part there.
    """

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version  # what is rarely asked for is not imported with every `import ft`

            return version("ft-parity")
        if name not in homes:
            from difflib import get_close_matches

            near = get_close_matches(name, __dir__(), n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            # with a name Python adds no hint of its own: notebooks never show that one
            raise AttributeError(f"module '{package}' has no attribute '{name}'{hint}", name=name)
        home = f"{package}.{homes[name]}"
        if home not in sys.modules:
            with quiet_stderr():
                import_module(home)
        value = getattr(sys.modules[home], name.rpartition("/")[2])
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:
        return sorted(["__version__", *filter(str.isidentifier, sys.modules[package].__all__)])

    class Package(ModuleType):
        """A package whose submodules, such as models.alexnet, never hide the function of their name."""

        def __setattr__(self, attribute: str, value: Any) -> None:
            if attribute not in homes or not isinstance(value, ModuleType):
                super().__setattr__(attribute, value)

    sys.modules[package].__class__ = Package
    return __getattr__, __dir__


def once_imported(package: str, do: Callable[[], Any]) -> None:
    """Call `do` when `package` has been imported: now, or as soon as anybody imports it."""
    if package in sys.modules:
        do()
    else:
        sys.meta_path.insert(0, Awaited(package, do))


class Awaited:
    """Finds one package as the other finders of sys.meta_path do, and calls `do` behind its import."""

    def __init__(self, package: str, do: Callable[[], Any]) -> None:
        self.package, self.do = package, do

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        if fullname != self.package:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next((candidate for finder in others if (candidate := finder.find_spec(fullname, path, target))), None)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                self.do()

            spec.loader.exec_module = exec_module  # of this loader alone: each import has its own
        return spec
