"""One door for files of weights: of either framework, told by their bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ft.errors import WeightsError
from ft.weights.keras_file import HDF5_MAGIC, is_keras_archive, read_keras
from ft.weights.keras_names import is_keras_named, to_torch_names
from ft.weights.match import strip_prefix
from ft.weights.read import read_head, read_weights
from ft.weights.torch_file import LEGACY_MAGIC
from ft.zoo import Card


@dataclass(frozen=True)
class Source:
    """What a file or folder holds: tensors in its own names, types and layouts.

    prefix: what was cut off from every name; model, image_size and recipe: what a run says of itself.
    """

    path: Path
    kind: str
    tensors: dict[str, np.ndarray]
    prefix: str = ""
    model: str | None = None
    image_size: int | None = None
    recipe: dict[str, Any] | None = None

    @property
    def keras_named(self) -> bool:
        """Whether the tensors bear Keras's names and layouts."""
        return is_keras_named(self.tensors)

    def canonical(self, card: Card, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        """Return the tensors by canonical name and layout as far as there is one; the others keep their names.

        shapes: the canonical names and shapes of the card's network.
        """
        if self.keras_named:
            return dict(canonical_tensors(self.tensors, card, shapes))
        renamed: dict[str, np.ndarray] = {}
        for name, tensor in strip_prefix(self.tensors, shapes)[1].items():
            today = card.renames(name)
            renamed[name if today in renamed else today] = tensor
        return renamed


def canonical_tensors(
    tensors: Mapping[str, np.ndarray], card: Card, shapes: Mapping[str, tuple[int, ...]]
) -> Mapping[str, np.ndarray]:
    """Return tensors in Keras's names and layouts in the canonical ones; others as they are.

    shapes: the canonical names and shapes of the card's network.
    """
    return to_torch_names(tensors, shapes, by_place=card.by_place) if is_keras_named(tensors) else tensors


def count_outputs(tensors: Mapping[str, np.ndarray], card: Card) -> int | None:
    """Return how many classes the last layer tells apart, None where the tensors do not tell.

    A detector knows what its outputs are.
    In a file that goes by place that layer may bear another name: it is the last one with a matrix.
    """
    kernels = [tensors[f"{card.last}{end}"] for end in ("/0", "/kernel", ".weight") if f"{card.last}{end}" in tensors]
    if not kernels and card.by_place and is_keras_named(tensors):
        kernels = [tensor for tensor in tensors.values() if tensor.ndim == 2][-1:]
    if not kernels or not kernels[0].size or not kernels[0].ndim:
        return None
    outputs = kernels[0].shape[-1 if is_keras_named(tensors) else 0]
    return card.detector.classes_of(outputs) if card.detector else outputs


def with_own_keypoints(card: Card, tensors: Mapping[str, np.ndarray]) -> Card:
    """Return the card of a network with as many keypoints as canonical tensors have; others as they are."""
    bias = tensors.get(f"{card.beside[-1]}.bias") if card.keypoints is not None else None
    return card if bias is None else replace(card, keypoints=len(bias))


def read_source(path: Path) -> Source:
    """Read a weights file, without a framework; UserError, one line, for anything else."""
    kind, read = find_reader(path)
    try:
        tensors = read(path)
    except OSError as error:
        raise WeightsError(f"weights {path}: {error.strerror or error}; expected a file that can be read") from None
    except WeightsError as error:
        raise WeightsError(f"weights {path}: {str(error).removeprefix(f'weights {path}: ')}") from None
    if not tensors:
        raise WeightsError(f"weights {path}: holds no tensors; expected those of a network")
    prefix, stripped = strip_prefix(tensors, {})
    kind += " in Keras's names" if kind.startswith("safetensors") and is_keras_named(tensors) else ""
    return Source(path, kind, dict(stripped), prefix)


def find_reader(path: Path) -> tuple[str, Callable[[Path], dict[str, np.ndarray]]]:
    """Return what a file is by its first bytes, in words, and what reads it."""
    try:
        head = read_head(path)
    except OSError as error:
        raise WeightsError(f"weights {path}: {error.strerror or error}; pass a weights file or a run folder") from None
    except WeightsError as error:
        raise WeightsError(f"weights {path}: {error}") from None
    if head.startswith(HDF5_MAGIC):
        return "Keras weights file", read_keras
    if head.startswith(b"PK\x03\x04"):
        return ("Keras file", read_keras) if is_keras_archive(path) else ("PyTorch file", read_weights)
    return "legacy PyTorch file" if head.startswith(LEGACY_MAGIC) else "safetensors file", read_weights
