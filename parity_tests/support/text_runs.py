"""Runs of a tiny text network: its folder as everybody has it, a table of texts, and what is trained of them."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from ft.data.text import open_tokenizer
from ft.weights import cast, write_safetensors
from ft.zoo.card import under
from parity_tests.support.texts import small_card, start

WORDS = ("the", "cat", "sat", "on", "a", "mat", "while", "some", "dogs", "ran", "far", "away", "from", "it", "barked")
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
FIELDS: dict[str, Any] = {"freeze": "none", "precision": "float64", "batch_size": 8, "epochs": 1, "max_length": 24}


def tiny_folder(folder: Path, architecture: str = "bert", **values: Any) -> str:
    """Make a folder with config.json, model.safetensors and a tokenizer, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    places = {"n_positions" if architecture == "gpt2" else "max_position_embeddings": 32}
    card = small_card(architecture, vocab_size=len(VOCABULARY), **places, **values)
    (folder / "config.json").write_text(json.dumps(card.config.as_json()))
    base = {name: tensor for name, tensor in start(card).items() if not under(name, card.stages["head"])}
    write_safetensors(folder / "model.safetensors", cast(base, "float32"), {})
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    rust = open_tokenizer(
        [folder / "vocab.txt"], architecture="bert"
    ).rust  # of any network here, for the words are few
    (folder / "tokenizer.json").write_text(rust.to_str())
    return str(folder)


def tagged(path: Path, *, sentences: int = 24) -> str:
    """Write sentences of 1 to 12 words with a tag each, as CoNLL has them, and return the path."""
    rng = np.random.default_rng(2)
    texts = [rng.choice(WORDS, int(rng.integers(1, 13))) for _ in range(sentences)]
    lines = ["\n".join(f"{word} {'B-ANI' if word in ('cat', 'dogs') else 'O'}" for word in words) for words in texts]
    path.write_text("\n\n".join(["cat B-ANI\nand O", *lines]) + "\n")
    return str(path)


def plain(path: Path) -> str:
    """Write paragraphs of plain text, and return the path."""
    rng = np.random.default_rng(3)
    path.write_text("\n\n".join(" ".join(rng.choice(WORDS, int(rng.integers(3, 13)))) for _ in range(24)) + "\n")
    return str(path)


def numbers(path: Path) -> str:
    """Write texts with how many words they have, and return the path."""
    rng, lines = np.random.default_rng(4), ["text,label"]
    for _ in range(24):
        words = rng.choice(WORDS, int(rng.integers(1, 13)))
        lines.append(f"{' '.join(words)},{len(words) / 4}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


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
