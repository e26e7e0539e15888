"""Weights: read safely, fetched with their hash, matched strictly, laid out for either framework."""

from ft.weights.download import fetch, package_file
from ft.weights.initial import initial_weights
from ft.weights.layouts import canonical_shape, from_canonical, to_canonical
from ft.weights.match import Match, match_weights
from ft.weights.read import read_weights
from ft.weights.safetensors_file import read_safetensors, write_safetensors
from ft.weights.tensors import cast, require_finite

__all__ = [
    "Match",
    "canonical_shape",
    "cast",
    "fetch",
    "from_canonical",
    "initial_weights",
    "match_weights",
    "package_file",
    "read_safetensors",
    "read_weights",
    "require_finite",
    "to_canonical",
    "write_safetensors",
]
