"""Runs of a tiny text network: its folder as everybody has it, a table of texts, and what is trained of them."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from ft.parity.arrays import Tensors
from ft.weights import cast, write_safetensors
from ft.weights.text import drawn_text
from ft.zoo.text import parse_config, text_card

WORDS = ("the", "cat", "sat", "on", "a", "mat", "while", "some", "dogs", "ran", "far", "away", "from", "it", "barked")
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
CONFIG = {
    "model_type": "bert",
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
}
FIELDS: dict[str, Any] = {"freeze": "none", "precision": "float64", "batch_size": 8, "epochs": 1, "max_length": 24}


def tiny_folder(folder: Path, **values: Any) -> str:
    """Make a folder with config.json, model.safetensors and vocab.txt, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **values}))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    write_safetensors(folder / "model.safetensors", cast(base_tensors(**values), "float32"), {})
    return str(folder)


def base_tensors(**values: Any) -> Tensors:
    """Return tensors of the base, pooler included, none of one value alone."""
    from ft_torch.models.text import build_text
    from ft_torch.weights import weight_shapes

    card = text_card("tiny", parse_config({**CONFIG, **values}, origin="tiny"))
    shapes = weight_shapes(build_text(card, num_classes=2))
    rng = np.random.default_rng(0)
    drawn = drawn_text({name: s for name, s in shapes.items() if name.startswith("bert.")}, spread=0.2, seed=0)
    return {name: t + rng.normal(0, 0.05, t.shape) for name, t in drawn.items()}


def table(path: Path, *, rows: int = 40, pairs: bool = False) -> str:
    """Write texts of two classes, of 1 to 20 words, and return the path."""
    rng = np.random.default_rng(1)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", *["text_pair"] * pairs])
        for row in range(rows):
            words = list(rng.choice(WORDS, int(rng.integers(1, 20))))
            more = [" ".join(rng.choice(WORDS, 3))] if pairs else []
            writer.writerow([" ".join([*words, "cat" if row % 2 else "dogs"]), "ab"[row % 2], *more])
    return str(path)
