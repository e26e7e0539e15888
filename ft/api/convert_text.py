"""The folder of a text network as transformers has it: what `ft convert` reads of one, and writes.

config.json, model.safetensors in the names of the stock class, tokenizer.json.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ft import recipe as recipes
from ft.errors import RunError, WeightsError
from ft.runs import checkpoint
from ft.runs import folder as runfolder
from ft.system import files
from ft.system.names import CONFIG, MODEL, RESULT, TOKENIZER
from ft.tasks import task_in
from ft.training.ways import way_of
from ft.weights import write_safetensors
from ft.weights.read import read_weights
from ft.weights.source import Source, read_source
from ft.weights.text_files import tokenizer_files, weights_file
from ft.zoo import TextCard, find_card
from ft.zoo.text.card import REFERENCE

FOLDER = "/"  # in place of an ending
STOCK = {"bert": "Bert", "roberta": "Roberta", "distilbert": "DistilBert", "gpt2": "GPT2"}
ENDS = {"sequence": "ForSequenceClassification", "tokens": "ForTokenClassification", "lm": "LMHeadModel"}


def text_card_of(source: Path, model: str | None) -> TextCard | None:
    """Return the card of what is converted where it is a text network's: a folder's, or that of `model`."""
    if model is not None:
        card = find_card(model)
        return as_saved(card) if isinstance(card, TextCard) else None
    if not os.path.isfile(source / CONFIG):
        return None
    if os.path.isfile(source / RESULT):
        result = runfolder.read_result(source, to_open=True)
        recipe = recipes.from_dict(result["recipe"])
        card = find_card(recipe.model, source)
        way = way_of(card)
        return way.answering(way.adapted(replace(card, folder=source), recipe), recipe, task_in(result))
    card = find_card(str(source))
    return as_saved(card) if isinstance(card, TextCard) else None


def as_saved(card: TextCard) -> TextCard:
    """Return the card with the head of the class that its folder's config.json names; one of texts for none known."""
    if card.folder is None:
        return card
    answer = next((answer for answer, end in ENDS.items() if card.config.saved_as.endswith(end)), "sequence")
    return card.with_head(answer=answer, pool=REFERENCE if answer == "sequence" else None)


def read_text(source: Path, card: TextCard) -> Source:
    """Return the tensors of a run, of a folder, or of a file."""
    if not os.path.isdir(source):
        return read_source(source)
    if not os.path.isfile(source / RESULT):
        return read_source(weights_file(replace(card, folder=source)))
    result = runfolder.read_result(source, to_open=True)
    if (sha256 := result.get("sha256", {}).get(MODEL)) is None:
        raise RunError(f"{source / RESULT} lacks the sha256 of {MODEL}; expected the file that a run wrote")
    if checkpoint.sha256_of(source / MODEL) != sha256:
        raise WeightsError(f"weights {source / MODEL}: changed since the run wrote it (sha256); restore it")
    return Source(source, "run folder", read_weights(source / MODEL), model=card.name)


def labels_of(source: Path, classes: int) -> list[str]:
    """Return the names of a run's classes, else numbers as transformers has them."""
    known = runfolder.read_result(source, to_open=True)["classes"] if os.path.isfile(source / RESULT) else []
    return list(known) if len(known) == classes else [f"LABEL_{k}" for k in range(classes)]


def write_folder(folder: Path, card: TextCard, tensors: dict[str, np.ndarray], labels: list[str]) -> None:
    """Write what transformers opens: config, weights, tokenizer."""
    files.make_folder(folder)
    files.write_json(folder / CONFIG, config_json(card, labels))
    write_safetensors(folder / MODEL, tensors, {"format": "pt"})
    paths = tokenizer_files(card)
    if [path.name for path in paths] == [TOKENIZER]:
        files.write_bytes(folder / TOKENIZER, paths[0].read_bytes())
        return
    from ft.data.text import open_tokenizer

    files.write_text(folder / TOKENIZER, open_tokenizer(paths, architecture=card.config.architecture).to_json())


def config_json(card: TextCard, labels: list[str]) -> dict[str, Any]:
    """Return config.json with the stock class and the names of the labels."""
    values = card.config.as_json()
    if is_stock(card):
        values["architectures"] = [f"{STOCK[card.config.architecture]}{ENDS[card.answer]}"]
    if card.answer != "lm":
        values |= {"id2label": {str(k): name for k, name in enumerate(labels)}}
        values |= {"label2id": {name: k for k, name in enumerate(labels)}}
    return values


def is_stock(card: TextCard) -> bool:
    """Tell whether transformers has a class with this head: its own pool is the only one that it knows."""
    return card.pool is None


def folder_notes(card: TextCard) -> list[str]:
    """Return what a person should know of a folder that was written."""
    if is_stock(card):
        return []
    return [f"transformers has no class with pool {card.pool}: it opens the base; the head is in the file all the same"]
