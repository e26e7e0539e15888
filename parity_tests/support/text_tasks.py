"""Small text networks with the learners of both wings for a task, and batches of texts that are in memory."""

from typing import Any

import numpy as np

from ft.backend import contract as backend
from ft.backend.contract import Learner
from ft.data import Batch, Dataset, Sample, Sampling
from ft.data.sources.text import Text
from ft.data.text.open import word_pieces
from ft.data.text.process import TextProcess
from ft.data.text.tokenizer import Tokenizer
from ft.network.freeze import plan_at
from ft.noise import generator
from ft.recipe import Recipe
from ft.tasks.task import Task
from ft.training.texts import batches_for
from ft.zoo.text import TextCard
from parity_tests.support.texts import start

LENGTH = 12  # tokens at most: one text is cut
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = (*SPECIAL, *(f"w{i}" for i in range(24)), *(f"##x{i}" for i in range(24)))  # 53
TAGS = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")
WORDS = (3, 1, 5, 14, 2, 4)  # of each text


def tokenizer() -> Tokenizer:
    """Return a tokenizer of words w0 to w23, and of parts of words."""
    return Tokenizer(word_pieces("\n".join(VOCABULARY), {}))


def samples(task: Task, *, seed: int = 0, classes: int = len(TAGS)) -> tuple[Sample, ...]:
    """Return texts with labels as a task has them; every third word is of two tokens."""
    rng = generator(seed, "samples")
    drawn = []
    for index, count in enumerate(WORDS):
        words = [f"w{rng.integers(24)}" + (f"x{rng.integers(24)}" if i % 3 == 1 else "") for i in range(count)]
        label: Any = None
        if task.labels == "numbers":
            label = float(rng.normal(2, 3))
        if task.labels == "tags":
            label = tuple(rng.integers(0, classes, count).tolist())
        text = tuple(words) if task.labels == "tags" else " ".join(words)
        drawn.append(Sample(f"line {index + 1}", label, Text(text)))
    return tuple(drawn)


def dataset(task: Task, classes: tuple[str, ...]) -> Dataset:
    """Return texts that train, and others to validate."""
    return Dataset("made", classes, samples(task), samples(task, seed=1))


def text_batch(card: TextCard, task: Task, *, side: str = "right", seed: int = 0) -> Batch:
    """Return all texts as one batch, as a training's batches make it."""
    process = TextProcess(tokenizer(), LENGTH, card.config.pad or 0, side, types=bool(card.config.types))
    own, teach = samples(task, seed=seed), task.teach(classes=len(TAGS), dtype="float64")
    make = batches_for(task)
    (batch,) = make(own, process, Sampling(len(own)), teach=teach).epoch(0)
    return batch


def text_learners(card: TextCard, task: Task, **fields: Any) -> dict[str, Learner]:
    """Return a text network's learner in each wing, "torch" and "tf", starting from the same tensors."""
    recipe = Recipe(**{"freeze": "none", "weights": "none", "precision": "float64", **fields})
    classes = 1 if task.labels == "numbers" else len(TAGS)
    pair = {}
    for name in ("torch", "tf"):
        wing = backend.load(name)
        model = wing.build_text(card, num_classes=classes, dtype="float64")
        plan = plan_at(recipe, card, list(wing.parameters(model)))
        objective = task.objective(recipe, None if recipe.class_weights == "none" else recipe.class_weights)
        pair[name] = wing.Learner(model, card=card, plan=plan, recipe=recipe, objective=objective)
        pair[name].set_weights(start(card, classes))
    return pair


def seen(batch: Batch, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return outputs, of padding 0, whose numbers nobody reads."""
    logits, mask = outputs["logits"], batch.inputs.arrays["mask"]
    return {"logits": logits * mask[:, :, None] if logits.ndim == 3 else logits}
