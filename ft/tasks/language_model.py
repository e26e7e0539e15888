"""A text is told token by token, each from those before it: the network answers with the next one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from ft.metrics.tokens import TokenCounts, perplexity
from ft.tasks.refused import refuse
from ft.tasks.sections import Page, Table
from ft.tasks.task import Arrays, Measure, Meter, PredictionTable, Score, Task, percent
from ft.tasks.text_rows import TextRow, Told, read_text_rows, write_text_rows
from ft.tasks.tokens import told

if TYPE_CHECKING:
    from ft.backend.objective import Objective
    from ft.data.targets import Targets
    from ft.recipe import Recipe

HARDEST = 20  # texts that the page names
REFUSED = {
    "loss": "it minimises the cross-entropy of the next token",
    "class_weights": "its classes are all tokens",
    "sampling": "there are no classes",
}


@final
class NextMeter(Meter):
    """Counts and sums: nothing of a single text is kept."""

    def __init__(self) -> None:
        self.tokens, self.texts = TokenCounts(), 0

    @property
    def count(self) -> int:
        """Texts so far."""
        return self.texts

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of logits (N, T, K) and next tokens (N, T)."""
        for logits, labels in told(outputs, targets):
            self.tokens.update(logits, labels)
            self.texts += 1

    def merge(self, other: Self) -> None:
        """Add what another meter saw."""
        self.tokens.merge(other.tokens)
        self.texts += other.texts

    def result(self) -> dict[str, Any]:
        """Return perplexity, token_accuracy and loss."""
        loss = self.tokens.loss
        return {"perplexity": perplexity(loss), "token_accuracy": self.tokens.accuracy, "loss": loss}

    def by_class(self) -> dict[str, np.ndarray]:
        """Return nothing: there are no classes."""
        return {}


@final
class NextTable(PredictionTable):
    """How well each text was told: three numbers a text."""

    def __init__(self) -> None:
        self.rows: list[Told] = []

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of logits (N, T, K) and next tokens (N, T)."""
        self.rows += measured(outputs, targets)

    def write(self, folder: Path, names: Sequence[str], classes: Sequence[str]) -> None:
        """Write predictions.csv."""
        write_text_rows(folder, names, self.rows)

    @staticmethod
    def read(folder: Path) -> Sequence[TextRow]:
        """Return the lines of predictions.csv."""
        return read_text_rows(folder)

    @staticmethod
    def agree(a: TextRow, b: TextRow) -> bool:
        """Tell whether both find the text as hard, but for a thousandth of a nat; a text of one token is always so."""
        return a.label == b.label and (not a.label or abs(a.predicted - b.predicted) <= 1e-3)


def measured(outputs: Arrays, targets: Arrays) -> list[Told]:
    """Return how well each text of a batch was told."""
    measures = []
    for logits, labels in told(outputs, targets):
        counts = TokenCounts()
        counts.update(logits, labels)
        measures.append(Told(counts.count, counts.loss, counts.accuracy))
    return measures


@final
class LanguageModel(Task):
    """The next token of each token (N, T), NO_LABEL behind the last one."""

    name = "language-model"
    labels = "none"
    answer = "lm"
    score = Score("perplexity", "lower", word="perplexity", heading="Perplexity", axis="perplexity", page="Perplexity")
    logged = (Measure("perplexity", "perplexity", ".4g"), Measure("token_accuracy", "tokens right", "%"))
    measures = (*logged, Measure("loss", "loss", ".4f"))
    share = None
    loss, loss_axis = "cross-entropy", "cross-entropy of a token (nats)"
    predictions = NextTable

    def require(self, recipe: "Recipe") -> None:
        """Raise RecipeError for what has no meaning where there are no classes."""
        refuse(recipe, self.name, REFUSED)

    def targets(self, labels: Sequence[Any], *, classes: int, dtype: str) -> "Targets":
        """Return the targets of tokens, texts of one length."""
        return {"tokens": np.stack(labels)}

    def objective(self, recipe: "Recipe", class_weights: tuple[float, ...] | None) -> "Objective":
        """Return the cross-entropy of the next token."""
        from ft.tasks.objective import objective_of  # not at the top: it reads YAML and images

        return objective_of(recipe, task="tokens")

    def meter(self, classes: Sequence[str]) -> NextMeter:
        """Return a meter that has seen nothing yet."""
        return NextMeter()

    def guesses(self, outputs: Arrays, targets: Arrays, top: int) -> list[list[tuple[int, float]]]:
        """Return the perplexity in the place of a probability, the only number there is."""
        return [[(0, perplexity(row.loss))] for row in measured(outputs, targets)]

    def guess_columns(self, top: int) -> list[str]:
        """Return one column."""
        return ["perplexity"]

    def guess_cells(self, guesses: Sequence[tuple[str, float]], top: int) -> list[str]:
        """Return the perplexity."""
        return [repr(value) for _, value in guesses]

    def page(self, folder: Path, result: Mapping[str, Any]) -> Page:
        """Return the texts that are the hardest to tell."""
        rows = sorted((r for r in read_text_rows(folder) if r.label), key=lambda row: (-row.predicted, row.name))
        cells = [(r.name, str(r.label), f"{r.perplexity:.4g}", percent(r.right)) for r in rows[:HARDEST]]
        return Page((Table("Which texts are the hardest", ("name", "tokens", "perplexity", "told right"), cells),))


LANGUAGE_MODEL: Task = LanguageModel()
