"""Tensors of a text network: those of a file by the names that a task's class has, and fresh ones.

Files of one network differ: a base alone bears no prefix, one that was trained to fill gaps has that head, old ones
call a LayerNorm's tensors gamma and beta and hold tables that are computed. What is no weight of the network is left
out by name; what else does not fit is for the strict matching to refuse.
"""

import re
from collections.abc import Mapping

import numpy as np

from ft.errors import WeightsError
from ft.weights.initial import random_numbers
from ft.zoo.card import under
from ft.zoo.text import TextCard
from ft.zoo.text.card import BASES

CHILDREN = {
    "bert": ("embeddings", "encoder", "pooler"),
    "roberta": ("embeddings", "encoder", "pooler"),
    "distilbert": ("embeddings", "transformer"),
    "gpt2": ("wte", "wpe", "h", "ln_f"),
}
TABLES = re.compile(r"(.*\.)?(position_ids|token_type_ids|h\.[0-9]+\.attn\.(bias|masked_bias))")
OTHER_HEADS = (
    "cls",
    "lm_head",
    "vocab_transform",
    "vocab_layer_norm",
    "vocab_projector",
    "qa_outputs",
    "multiple_choice_head",
)
ANSWERING = ("pre_classifier", "classifier", "score")  # heads by whose names several tasks go
OLD = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


def text_tensors(tensors: Mapping[str, np.ndarray], card: TextCard) -> dict[str, np.ndarray]:
    """Return a file's tensors by the names of the card's network, without tables and without the heads of other tasks.

    A head of the same task keeps its names. WeightsError where a language model's last matrix is not its embeddings'.
    """
    architecture = card.config.architecture
    base = BASES[architecture]
    renamed: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        for old, new in OLD.items():
            name = f"{name.removesuffix(old)}{new}" if name.endswith(old) else name
        name = f"{base}.{name}" if under(name, CHILDREN[architecture]) else name
        if not TABLES.fullmatch(name):
            renamed[name] = tensor
    if card.answer == "lm":
        require_tied(renamed, f"{base}.wte.weight")
    pooler = () if "pooler" in card.stages else (f"{base}.pooler",)
    others = (*OTHER_HEADS, *pooler, *(path for path in ANSWERING if path not in card.stages["head"]))
    return {name: tensor for name, tensor in renamed.items() if not under(name, others)}


def require_tied(tensors: Mapping[str, np.ndarray], embedding: str) -> None:
    """Raise WeightsError where a file has a last matrix of its own, which this network holds once."""
    last, first = tensors.get("lm_head.weight"), tensors.get(embedding)
    if last is not None and first is not None and not np.array_equal(last, first):
        raise WeightsError(f"lm_head.weight is not {embedding}; expected a network that holds one matrix for both")


def drawn_text(shapes: Mapping[str, tuple[int, ...]], *, spread: float, seed: int) -> dict[str, np.ndarray]:
    """Return a start for every name as transformers draws it: matrices normal, biases 0, LayerNorm's weights 1."""
    return {name: drawn(name, shape, spread, seed) for name, shape in shapes.items()}


def drawn(name: str, shape: tuple[int, ...], spread: float, seed: int) -> np.ndarray:
    """Return the start of one tensor; its generator is keyed by its name."""
    if len(shape) == 2:
        return random_numbers(name, seed).normal(0.0, spread, shape)
    return np.ones(shape) if name.endswith("weight") else np.zeros(shape)
