"""The weights that all runs of a benchmark start from, in one file: `python -m ft.bench.start MODEL WEIGHTS FILE`."""

import sys
from importlib.util import find_spec
from pathlib import Path

from ft.backend import contract as backend
from ft.weights import cast, initial_weights, write_safetensors
from ft.weights.pretrained import pretrained_weights
from ft.weights.source import canonical_tensors
from ft.zoo import find_card


def write_start(model: str, weights: str, path: Path) -> None:
    """Write a network's tensors, 1000 classes, by torchvision's names; weights: as in a recipe, none draws them."""
    wing = backend.load("torch" if find_spec("torch") else "tf")
    card, shapes = find_card(model), wing.weight_shapes(wing.build_model(model))
    source = pretrained_weights(card, weights, quiet=True)
    tensors = initial_weights(shapes, seed=0) if source is None else canonical_tensors(source, card, shapes)
    write_safetensors(path, cast(dict(tensors), "float32"), {})


if __name__ == "__main__":
    write_start(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
