"""A model that is a file, an ONNX file or a SavedModel: its runtime gives its outputs, and nothing else."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ft.backend import contract as backend
from ft.errors import RecipeError
from ft.parity.foreign.code import blamed, require_numbers
from ft.parity.foreign.onnx_file import open_onnx
from ft.parity.foreign.sides import file_of
from ft.parity.trace import FILES
from ft.weights import read_safetensors, write_safetensors

WINGS: dict[str, str] = {"saved-model": "tf"}  # whose wing runs which; onnxruntime needs none
FEED, OUTPUTS = "feed.safetensors", "outputs-{}.safetensors"  # what both take, and what a side gives
RUNTIMES: dict[str, str] = dict(zip(FILES, ("onnxruntime", "tensorflow"), strict=True))


def wing_of(kind: str) -> str:
    """Return the wing that a side of some kind needs, "" for none."""
    return WINGS.get(kind, "" if kind in FILES else kind)


@dataclass
class ModelFile:
    """A file as a side: what it takes, and what it gives for the inputs of the other side."""

    kind: str
    path: Path
    takes: Mapping[str, tuple[tuple[int | None, ...], str]] = field(init=False)
    remark: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if not self.path.exists():
            raise RecipeError(f"there is no such file; expected what {self.runtime} opens")
        if self.kind == "onnx" and not is_installed(self.runtime):
            raise RecipeError('onnxruntime is not installed; pip install "ft-parity[export]"')
        with blamed(f"{self.runtime} cannot open it"):
            if self.kind in WINGS:
                self.takes, self.compute = backend.load(WINGS[self.kind]).open_exported(self.path)
            else:
                self.takes, self.compute, self.remark = open_onnx(self.path)

    @property
    def runtime(self) -> str:
        """The package that runs it."""
        return RUNTIMES[self.kind]

    @property
    def versions(self) -> dict[str, str]:
        """Which runtime it is."""
        return {self.runtime: version(self.runtime)}

    @property
    def dtype(self) -> str:
        """The type that it computes in, as far as its inputs say it: whole numbers go with float32."""
        kinds = {kind for _, kind in self.takes.values() if "float" in kind or kind == "double"}
        return next(iter(kinds), "float32")

    def outputs(self, inputs: Mapping[str, np.ndarray], maps: Iterable[str]) -> dict[str, np.ndarray]:
        """Return what it gives. maps: inputs with channels, which are last here."""
        named = dict(self.given(inputs, set(maps)))
        with blamed(f"it fails on {self.words(named)}, see --input and --batch-size"):
            return {name: np.asarray(x) for name, x in self.compute(named).items() if np.asarray(x).dtype.kind == "f"}

    def given(self, inputs: Mapping[str, np.ndarray], maps: set[str]) -> Iterator[tuple[str, np.ndarray]]:
        """Yield its inputs: by name, else in order, in its types and with channels where it has them."""
        if len(inputs) != len(self.takes):
            raise RecipeError(f"it takes {', '.join(self.takes)}; got {', '.join(inputs)}")
        names = inputs if set(inputs) == set(self.takes) else self.takes
        for own, (name, x) in zip(names, inputs.items(), strict=True):
            shape, kind = self.takes[own]
            yield own, np.ascontiguousarray(self.laid_out(x, shape) if name in maps else x, numbers(kind, own))

    def laid_out(self, x: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
        """Return a map with its channels where the file's shape has them, else where its runtime has them."""
        ways = [np.moveaxis(x, -1, 1), x] if self.kind == "onnx" else [x, np.moveaxis(x, -1, 1)]
        ways = [way for way in ways if len(shape) == way.ndim] or ways
        fits = (way for way in ways if all(a in (None, b) for a, b in zip(shape[1:], way.shape[1:], strict=False)))
        return next(fits, ways[0])

    def words(self, named: Mapping[str, np.ndarray]) -> str:
        """Return inputs in words."""
        return ", ".join(f"{name} of shape {x.shape}" for name, x in named.items())


def numbers(kind: str, name: str) -> np.dtype:
    """Return the type of an input by its word; RecipeError where it is none of numbers, such as text."""
    try:
        return np.dtype(kind)
    except TypeError:
        raise RecipeError(f"it takes {name} as {kind}; expected an input of numbers") from None


def is_installed(package: str) -> bool:
    """Tell whether a package can be imported."""
    from importlib.util import find_spec

    return find_spec(package) is not None


@dataclass
class FileHost:
    """What answers the hub in the process of a file."""

    kind: str
    target: str
    label: str
    folder: Path

    @cached_property
    def file(self) -> ModelFile:
        """The file, opened when it is first asked for."""
        return ModelFile(self.kind, Path(self.target))

    def opened(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Say in which type the file computes, and what there is to remark."""
        return {"dtype": self.file.dtype, "remark": self.file.remark}

    def outputs(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Write what the file gives for the inputs of both."""
        inputs = read_feed(self.folder, request["dtype"])
        given = self.file.outputs(inputs, request["maps"])
        require_numbers(given)
        write_safetensors(self.folder / OUTPUTS.format(file_of(self.label)), given, {})
        return {"versions": self.file.versions}


def write_feed(folder: Path, inputs: Mapping[str, np.ndarray]) -> None:
    """Write inputs for both sides; a file of arrays has no truth values."""
    numbers = {name: x for name, x in inputs.items() if x.dtype != bool}
    arrays = {**numbers, **{f"?{name}": x.view(np.uint8) for name, x in inputs.items() if x.dtype == bool}}
    write_safetensors(folder / FEED, arrays, {})


def read_feed(folder: Path, dtype: str) -> dict[str, np.ndarray]:
    """Return the inputs of both sides, numbers in a type."""
    inputs = {}
    for name, x in read_safetensors(folder / FEED).items():
        x = x.astype(bool) if name[0] == "?" else x
        inputs[name.removeprefix("?")] = x.astype(dtype) if x.dtype.kind == "f" else x
    return inputs
