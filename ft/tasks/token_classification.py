"""Every word of a text has a tag, which its first token bears: the network answers with one for each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from ft.errors import RecipeError
from ft.metrics.accuracy import softmax
from ft.metrics.entities import EntityCounts
from ft.metrics.tokens import TokenCounts
from ft.tasks.sections import ByClass, Page, Table, scores_by_class
from ft.tasks.tag_rows import Tagged, TagRow, joined, read_tag_rows, write_tag_rows
from ft.tasks.task import Arrays, Measure, Meter, PredictionTable, Score, Task
from ft.tasks.tokens import told

if TYPE_CHECKING:
    from ft.backend.objective import Objective
    from ft.data.targets import Targets
    from ft.recipe import Recipe

WORST = 20  # texts that the page names
LOSSES = ("cross-entropy", "focal")
NOTE = "An entity counts as found where its kind, its first and its last word are right."


@final
class TagMeter(Meter):
    """Counts and sums: nothing of a single text is kept."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes, self.count_ = tuple(classes), 0
        self.tokens, self.entities = TokenCounts(), EntityCounts()

    @property
    def count(self) -> int:
        """Texts so far."""
        return self.count_

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of logits (N, T, K) and the tags of tokens (N, T)."""
        for logits, labels in told(outputs, targets):
            self.tokens.update(logits, labels)
            self.entities.update(*([self.classes[k] for k in tags] for tags in (labels, logits.argmax(1))))
            self.count_ += 1

    def merge(self, other: Self) -> None:
        """Add what another meter saw."""
        self.tokens.merge(other.tokens)
        self.entities.merge(other.entities)
        self.count_ += other.count_

    def result(self) -> dict[str, Any]:
        """Return f1, precision and recall of entities, token_accuracy and loss."""
        precision, recall, f1 = self.entities.overall
        of_tokens = {"token_accuracy": self.tokens.accuracy, "loss": self.tokens.loss}
        return {"f1": f1, "precision": precision, "recall": recall, **of_tokens}

    def by_class(self) -> dict[str, np.ndarray]:
        """Return nothing: predictions.csv tells all."""
        return {}


@final
class TagTable(PredictionTable):
    """The tags of every text, those that are said to be, and how probable each of these is."""

    def __init__(self) -> None:
        self.rows: list[Tagged] = []

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of logits (N, T, K) and the tags of tokens (N, T)."""
        for logits, labels in told(outputs, targets):
            self.rows.append(Tagged(labels.tolist(), logits.argmax(1).tolist(), softmax(logits).max(1).tolist()))

    def write(self, folder: Path, names: Sequence[str], classes: Sequence[str]) -> None:
        """Write predictions.csv."""
        write_tag_rows(folder, names, self.rows, classes)

    @staticmethod
    def read(folder: Path) -> Sequence[TagRow]:
        """Return the lines of predictions.csv."""
        return read_tag_rows(folder)

    @staticmethod
    def agree(a: TagRow, b: TagRow) -> bool:
        """Tell whether both give every word the same tag."""
        return a.predicted == b.predicted


@final
class TokenClassification(Task):
    """Every word has a tag: class numbers of tokens (N, T), NO_LABEL for those that begin no word."""

    name = "token-classification"
    labels = "tags"
    answer = "tokens"
    score = Score(
        "f1",
        "higher",
        word="entity F1",
        heading="Entity F1",
        axis="F1 of entities (%)",
        page="F1 of entities (%)",
        scale=100,
    )
    logged = (Measure("f1", "entity F1", ".4f"), Measure("token_accuracy", "words right", "%"))
    measures = (
        logged[0],
        Measure("precision", "precision", ".4f"),
        Measure("recall", "recall", ".4f"),
        logged[1],
        Measure("loss", "loss", ".4f"),
    )
    share = None
    loss, loss_axis = "cross-entropy", "cross-entropy of a word's tag (nats)"
    predictions = TagTable

    def require(self, recipe: "Recipe") -> None:
        """Raise RecipeError for a loss that a tag has not."""
        if recipe.loss not in LOSSES:
            raise RecipeError(f"loss: {recipe.loss} is none for {self.name}; say cross-entropy or focal")

    def targets(self, labels: Sequence[Any], *, classes: int, dtype: str) -> "Targets":
        """Return the targets of tokens, texts of one length."""
        return {"tokens": np.stack(labels)}

    def objective(self, recipe: "Recipe", class_weights: tuple[float, ...] | None) -> "Objective":
        """Return the loss that the recipe names."""
        from ft.tasks.objective import objective_of  # not at the top: it reads YAML and images

        return objective_of(recipe, class_weights, task="tokens")

    def meter(self, classes: Sequence[str]) -> TagMeter:
        """Return a meter that has seen nothing yet."""
        return TagMeter(classes)

    def guesses(self, outputs: Arrays, targets: Arrays, top: int) -> list[list[tuple[int, float]]]:
        """Return the most probable tag of each word, in the order of the words."""
        guesses = []
        for logits, _ in told(outputs, targets):
            best = logits.argmax(1).tolist()
            guesses.append(list(zip(best, softmax(logits).max(1).tolist(), strict=True)))
        return guesses

    def guess_columns(self, top: int) -> list[str]:
        """Return one column for the tags of all words, and one for their probabilities."""
        return ["label", "probability"]

    def guess_cells(self, guesses: Sequence[tuple[str, float]], top: int) -> list[str]:
        """Return the tags, as in predictions.csv."""
        return [joined(tag for tag, _ in guesses), " ".join(repr(p) for _, p in guesses)]

    def page(self, folder: Path, result: Mapping[str, Any]) -> Page:
        """Return the scores of the kinds of entities, and the texts with most words wrong."""
        rows, counts = read_tag_rows(folder), EntityCounts()
        for row in rows:
            counts.update(row.label, row.predicted)
        scores = counts.by_kind
        table = ByClass(counts.kinds, scores_by_class(scores), "F1", scores.support, NOTE, unit="entities")
        worst = sorted((row for row in rows if row.wrong), key=lambda row: (-row.wrong, row.name))[:WORST]
        cells = [(row.name, str(len(row.label)), str(row.wrong)) for row in worst]
        errs = Table("Where it errs most", ("name", "words", "wrong tags"), cells)
        return Page((*((table,) if counts.kinds else ()), errs))


TAGGING: Task = TokenClassification()
