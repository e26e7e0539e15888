"""What models of the user's own take: said in words (`--input`), drawn from the seed, handed over as they want it."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft.errors import RecipeError

PATTERN = re.compile(
    r"(?:(?P<name>\w+):)?(?:(?P<type>float|bool|map|int<(?P<limit>\d+)>)[x:]?)?(?P<shape>\d+(?:x\d+)*)?"
)
EXPECTED = "expected CxHxW, such as 3x64x64, or NAME:TYPE:SHAPE,..., such as ids:int<50>:12,mask:bool:12"
IMAGES = "images"
LARGEST = 2**63  # limit of whole numbers


@dataclass(frozen=True)
class Spec:
    """One input: its name, type and shape without the samples.

    A type is float, bool, int (below a limit) or map, numbers with their channels first in the shape.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    limit: int = 0

    def draw(self, rng: np.random.Generator, samples: int) -> np.ndarray:
        """Return an array of this input; a map has its channels last here."""
        shape = samples, *self.shape
        if self.type == "map":
            return rng.normal(size=(samples, *self.shape[1:], self.shape[0]))
        if self.type == "int":
            return rng.integers(0, self.limit, shape)
        if self.type == "bool":
            mask = rng.random(shape) < 0.7
            mask[(slice(None), *(0,) * len(self.shape))] = True  # a sample that is masked as a whole has no meaning
            return mask
        return rng.normal(size=shape)


def read_inputs(text: str) -> tuple[Spec, ...]:
    """Return what `--input` says; RecipeError for what it cannot mean."""
    specs = tuple(read_input(part.strip(), text) for part in text.lower().split(","))
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise RecipeError(f"input: '{text}' has one name twice; {EXPECTED}")
    return specs


def read_input(part: str, text: str) -> Spec:
    """Return one input: `3x64x64` is images, `8` and `24x3` are numbers."""
    match = PATTERN.fullmatch(part)
    shape = tuple(int(side) for side in (match["shape"] or "").split("x") if side) if match else ()
    limit = int(match["limit"] or 0) if match else 0
    kind = (match["type"] or "").partition("<")[0] if match else ""
    images = not kind and len(shape) == 3
    if match is None or (not kind and not shape) or 0 in shape or (kind == "int" and not 1 <= limit <= LARGEST):
        raise RecipeError(f"input: got '{text}'; {EXPECTED}")
    name = match["name"] or (IMAGES if images else "inputs")
    return Spec(name, kind or ("map" if images else "float"), shape, limit)


def handed(call: Callable[..., Any], forward: Callable[..., Any], inputs: Mapping[str, Any], **more: Any) -> Any:
    """Call a model with its inputs as the signature of `forward` takes them: by name, one by one, or at once."""
    if len(inputs) == 1:
        return call(*inputs.values(), **more)
    parameters = inspect.signature(forward).parameters.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = [name for name in names if name not in ("self", "training", "mask")] + ["mask"] * ("mask" in inputs)
    if set(inputs) <= set(names):
        return call(**inputs, **more)
    if len(names) >= len(inputs) or any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return call(*inputs.values(), **more)
    try:
        return call(dict(inputs), **more)
    except (TypeError, KeyError, ValueError, IndexError, AttributeError):
        return call(list(inputs.values()), **more)


def flattened(value: Any, is_leaf: Callable[[Any], bool], prefix: str = "") -> dict[str, Any]:
    """Return the tensors in what a model gives, by their keys and places; one alone is called "logits"."""
    if is_leaf(value):
        return {prefix or "logits": value}
    pairs = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    )
    leaves = {}
    for key, part in pairs:
        leaves |= flattened(part, is_leaf, f"{prefix}.{key}" if prefix else str(key))
    return leaves
