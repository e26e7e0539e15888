"""How a job of texts comes about: its data, the tokenizer, and the tensors to start from. The twin of images.py."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ft.data import Batches, Dataset, Policy, Sample
from ft.data.batches.texts import TextBatches
from ft.data.batches.tokens import NextBatches, TagBatches
from ft.data.sources.dataset import Source
from ft.data.sources.texts import read_texts
from ft.data.text.buckets import bucket_lengths, buckets_of
from ft.data.text.open import open_tokenizer
from ft.data.text.process import TextProcess
from ft.errors import DataError, RecipeError, listed
from ft.metrics.multilabel import Labels
from ft.network.freeze import frozen_stages
from ft.recipe import FIELDS, Recipe
from ft.runs.tables import TEXTS
from ft.system import files
from ft.system.names import CONFIG, RESULT, TOKENIZER
from ft.system.reading import require, unfit
from ft.tasks.task import Task
from ft.weights.pretrained import names_a_file
from ft.weights.source import read_source
from ft.weights.text import drawn_text, text_tensors
from ft.weights.text_files import text_weights, tokenizer_files
from ft.zoo.text import TextCard

MEANINGLESS = {  # fields that say nothing of texts: each has to stay at its default
    *("image_size", "max_size", "group_by_aspect", "augment", "randaugment", "jitter", "hue", "erase"),
    *("mixup", "cutmix", "jpeg", "in_channels"),
    *("cut", "change", "dropout", "stochastic_depth", "cache_views"),
}
CHARACTERS = 4  # of a token of English, about: a block of plain text is to have room in max_length
BATCHES = {"sequence": TextBatches, "tokens": TagBatches, "lm": NextBatches}  # by the answer of a task
FORMS: dict[str, Labels] = {
    **dict.fromkeys((".conll", ".conllu", ".iob", ".iob2", ".bio", ".train"), "tags"),
    **dict.fromkeys((".txt", ".text"), "none"),
}
WITHOUT_CLASSES = {"numbers": ("value",), "none": ("perplexity",)}  # labels -> what is said of a text instead


def adapted(card: TextCard, recipe: Recipe) -> TextCard:
    """Return the card as a recipe takes it, with its pool; RecipeError for fields that say nothing of texts."""
    for name in sorted(MEANINGLESS):
        if getattr(recipe, name) != FIELDS[name].default:
            raise RecipeError(f"{name}: {card.name} takes text, of which it says nothing; leave it out")
    if recipe.head_layers is not None:
        raise RecipeError(f"head: {recipe.head} is not there for text; say new or keep")
    return card.with_head(pool=recipe.pool)


def answering(card: TextCard, recipe: Recipe, task: Task) -> TextCard:
    """Return the card with the head that a task puts on it; RecipeError where that has nothing to train."""
    headed = card.with_head(answer=task.answer, pool=recipe.pool)
    if task.answer == "lm" and set(frozen_stages(headed, recipe.freeze)) == set(headed.stages) - {"head"}:
        raise RecipeError(
            f"freeze: {listed(recipe.freeze)} leaves nothing of {card.name} to train, for a language model's head is "
            "its embeddings; pass --freeze none, or freeze some stages"
        )
    return headed


def policy_of(recipe: Recipe, card: TextCard, *, quiet: bool) -> Policy:
    """Return what a recipe says of samples that cannot be used."""
    return Policy.of(recipe, short_side=None, quiet=quiet)


def read_data(recipe: Recipe, spec: str, *, classes: tuple[str, ...] | None, policy: Policy, labels: Labels) -> Source:
    """Read data with labels of a kind, to be split as a recipe says or evaluated. classes: of a trained model.

    Where a training asks for classes of texts, files that have none by their form are taken for what they are.
    """
    if classes is None and labels in ("one", "either"):
        labels = labels_by_form(spec) or labels
    read = read_texts(
        spec,
        val_fraction=recipe.val_fraction,
        seed=recipe.seed,
        classes=None if classes in WITHOUT_CLASSES.values() else classes,
        policy=policy,
        labels=labels,
        block=CHARACTERS * recipe.max_length,
    )
    return read._replace(split=lambda: named(read.split()))


def named(dataset: Dataset) -> Dataset:
    """Return texts with a name in the place of classes, where they have none."""
    return replace(dataset, classes=WITHOUT_CLASSES.get(dataset.labels, dataset.classes))


def labels_by_form(spec: str) -> Labels | None:
    """Return what files hold that have no classes of texts by their form: tags or plain text; None for any others.

    Of a folder it is the file to train on that says so.
    """
    path = Path(spec).expanduser()
    train = sorted(own for own in path.glob("*train*") if own.is_file()) if path.is_dir() else [path]
    return FORMS.get(train[0].suffix.lower()) if train else None


def usable(
    samples: Sequence[Sample], preprocess: TextProcess, bad: Callable[[int, DataError], None] | None
) -> list[int]:
    """Return the positions of the texts that can be used. bad: told of each other; None: the first raises its error."""
    positions = []
    for index, sample in enumerate(samples):
        try:
            preprocess.require(sample)
            positions.append(index)
        except DataError as fault:
            if bad is None:
                raise
            bad(index, fault)
    return positions


def way_in(recipe: Recipe, card: TextCard, dataset: Dataset, *, quiet: bool) -> TextProcess:
    """Return how texts become the network's input."""
    config = card.config
    tokenizer = open_tokenizer(tokenizer_files(card, quiet=quiet), architecture=config.architecture)
    tokenizer.require_fits(config.vocabulary, config.types)
    if recipe.max_length > config.max_length:
        raise RecipeError(
            f"max_length {recipe.max_length}: {card.name} has positions for {config.max_length} tokens; say no more"
        )
    pad = 0 if config.pad is None else config.pad
    return TextProcess(tokenizer, recipe.max_length, pad, recipe.pad_side, types=bool(config.types))


def notes(preprocess: TextProcess, dataset: Dataset) -> list[str]:
    """Return what is to be said of the way in: how many texts lose their end."""
    samples = {split: getattr(dataset, split) for split in ("train", "val", "test")}
    cut = {split: int(preprocess.tokens(own).truncated.sum()) for split, own in samples.items() if own}
    if not any(cut.values()):
        return []
    words = listed(f"{count} of {len(samples[split])} {split}" for split, count in cut.items())
    return [
        f"texts longer than {preprocess.max_length} tokens lose their end: {words}; --max-length says how many stay"
    ]


def measured(preprocess: TextProcess, dataset: Dataset) -> dict[str, Any]:
    """Return what model.json says of the samples on their way in: how many are padded to which length, and cut."""
    padded = bucket_lengths(preprocess.max_length)
    tokens = {split: preprocess.tokens(getattr(dataset, split)) for split in ("train", "val")}
    counts = {s: [int((buckets_of(t.lengths, padded) == n).sum()) for n in padded] for s, t in tokens.items()}
    cut = {split: int(t.truncated.sum()) for split, t in tokens.items()}
    return {"lengths": {"max_length": preprocess.max_length, "padded": list(padded), **counts, "cut": cut}}


def reopened(folder: Path, values: dict[str, Any], card: TextCard) -> TextProcess:
    """Return the way in of a run, from what its model.json says and from its tokenizer.json."""
    config, where = card.config, folder / RESULT
    require(values, TEXTS, f"{where}, preprocess")
    if values["max_length"] > config.max_length:
        raise unfit(where, "preprocess.max_length", values["max_length"], f"at most {config.max_length}")
    if values["pad"] >= config.vocabulary:
        raise unfit(where, "preprocess.pad", values["pad"], f"a number below {config.vocabulary}")
    if values["types"] != bool(config.types):
        raise unfit(where, "preprocess.types", values["types"], "true" if config.types else "false")
    tokenizer = open_tokenizer([folder / TOKENIZER], architecture="")
    tokenizer.require_fits(config.vocabulary, config.types)
    return TextProcess.from_dict(values, tokenizer)


def kept(preprocess: TextProcess, card: TextCard, folder: Path) -> dict[str, Any]:
    """Return what model.json keeps of the way in; tokenizer and config become files of the run's folder."""
    files.write_json(folder / CONFIG, card.config.as_json())
    files.write_text(folder / TOKENIZER, preprocess.tokenizer.to_json())
    return preprocess.to_dict()


def published(recipe: Recipe, card: TextCard, *, quiet: bool) -> Mapping[str, np.ndarray] | None:
    """Return the pretrained tensors that a recipe names; None for none."""
    if recipe.weights == "none":
        return None
    if names_a_file(recipe.weights):
        return text_tensors(read_source(Path(recipe.weights).expanduser()).tensors, card)
    if recipe.weights != "imagenet":  # the default: the network's own
        raise RecipeError(f"weights: {card.name} has one published set; leave weights out, pass a file, or none")
    return text_weights(card, quiet=quiet)


def drawn(shapes: Mapping[str, tuple[int, ...]], card: TextCard, *, seed: int) -> dict[str, np.ndarray]:
    """Return a start for tensors that are not pretrained, as transformers draws it."""
    return drawn_text(shapes, spread=card.config.spread, seed=seed)


def batches_for(task: Task) -> type[Batches]:
    """Return what makes batches of the samples."""
    return BATCHES[task.answer]
