"""An image has any number of classes; each class is a yes or no of its own (sigmoid)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from ft.metrics import multilabel
from ft.runs.predictions import escape, number_classes
from ft.tasks.label_sets import LabelSet, SetPrediction, read_label_sets, sets_in, write_label_sets
from ft.tasks.sections import Answers, ByClass, Mistake, Mistakes, Page, scores_by_class
from ft.tasks.task import Arrays, Measure, Meter, PredictionTable, Score, Share, Task

if TYPE_CHECKING:
    from ft.backend.objective import Objective
    from ft.data.targets import Targets
    from ft.recipe import Recipe

NOTE = (
    "A label is given where its probability is above one half: precision, recall and F1 are of these. AP, the average "
    "precision, is over all thresholds."
)


@final
class SetMeter(Meter):
    """The scores of every image, 4 bytes a class, and its labels, 1: the rank of each among all is what AP measures."""

    def __init__(self) -> None:
        self.scores: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []

    @property
    def count(self) -> int:
        """Images so far."""
        return sum(map(len, self.labels))

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of logits and labels of 0 or 1, (N, K)."""
        self.scores.append(outputs["logits"])
        self.labels.append(targets["shares"] > 0)

    def merge(self, other: Self) -> None:
        """Add what another meter saw."""
        self.scores += other.scores
        self.labels += other.labels

    def result(self) -> dict[str, Any]:
        """Return mAP, exact_match, loss and macro_f1."""
        scores, labels = np.concatenate(self.scores), np.concatenate(self.labels)
        predicted = multilabel.sigmoid(scores) > multilabel.THRESHOLD
        return {
            "mAP": multilabel.mean_of_known(multilabel.average_precisions(labels, scores)),
            "exact_match": multilabel.exact_match(labels, predicted),
            "loss": multilabel.binary_cross_entropy(scores, labels),
            "macro_f1": multilabel.macro_f1(labels, predicted),
        }

    def by_class(self) -> dict[str, np.ndarray]:
        """Return the average precision, NaN for a class without an image."""
        scores, labels = np.concatenate(self.scores), np.concatenate(self.labels)
        return {"average_precision": multilabel.average_precisions(labels, scores)}


@final
class SetTable(PredictionTable):
    """Each image's classes, and those that are more probable than one half."""

    def __init__(self) -> None:
        self.rows: list[LabelSet] = []

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of logits and labels of 0 or 1, (N, K)."""
        self.rows += sets_in(targets["shares"], multilabel.sigmoid(outputs["logits"]))

    def write(self, folder: Path, names: Sequence[str], classes: Sequence[str]) -> None:
        """Write predictions.csv."""
        write_label_sets(folder, names, self.rows, classes)

    @staticmethod
    def read(folder: Path) -> Sequence[SetPrediction]:
        """Return the lines of predictions.csv."""
        return read_label_sets(folder)

    @staticmethod
    def agree(a: SetPrediction, b: SetPrediction) -> bool:
        """Tell whether both name the same set of classes."""
        return a.predicted == b.predicted


@final
class MultiLabel(Task):
    """An image has any number of classes: labels of 0 and 1, (N, K)."""

    name = "multi-label"
    labels = "sets"
    score = Score(
        "mAP",
        "higher",
        word="mAP",
        heading="mAP",
        axis="mean average precision (%)",
        page="Mean average precision (%)",
        scale=100,
    )
    logged = (Measure("mAP", "mAP", ".4f"), Measure("exact_match", "exact match", "%"))
    measures = (*logged, Measure("loss", "loss", ".4f"), Measure("macro_f1", "macro F1", ".4f"))
    share = Share("exact_match", right="right on every label of", guess="set of labels")
    loss, loss_axis = "binary cross-entropy", "binary cross-entropy (nats)"
    predictions = SetTable

    def targets(self, labels: Sequence[Any], *, classes: int, dtype: str) -> "Targets":
        """Return a yes (1) or no (0) for each class."""
        shares = np.zeros((len(labels), classes), dtype)
        for row, own in zip(shares, labels, strict=True):
            row[[own] if isinstance(own, int) else list(own)] = 1  # an image to be predicted has a number
        return {"shares": shares}

    def objective(self, recipe: "Recipe", class_weights: tuple[float, ...] | None) -> "Objective":
        """Return the loss that the recipe names."""
        from ft.tasks.objective import objective_of  # not at the top: it reads YAML and images

        return objective_of(recipe, class_weights)

    def meter(self, classes: Sequence[str]) -> SetMeter:
        """Return a meter that has seen nothing yet."""
        return SetMeter()

    def guesses(self, outputs: Arrays, targets: Arrays, top: int) -> list[list[tuple[int, float]]]:
        """Return as many classes as were asked for, or more where more are a yes."""
        guesses = []
        for p in multilabel.sigmoid(outputs["logits"]):
            count = max(top, int((p > multilabel.THRESHOLD).sum()))
            guesses.append([(int(k), float(p[k])) for k in np.argsort(-p, kind="stable")[:count]])
        return guesses

    def guess_columns(self, top: int) -> list[str]:
        """Return one column for all labels, and one for their probabilities."""
        return ["label", "probability"]

    def guess_cells(self, guesses: Sequence[tuple[str, float]], top: int) -> list[str]:
        """Return the labels that are a yes, as in predictions.csv; none may be."""
        given = [(escape(label), repr(p)) for label, p in guesses if p > multilabel.THRESHOLD]
        return [multilabel.BETWEEN.join(label for label, _ in given), multilabel.BETWEEN.join(p for _, p in given)]

    def page(self, folder: Path, result: Mapping[str, Any]) -> Page:
        """Return the scores of the classes and the mistakes."""
        rows, classes = read_label_sets(folder), result["classes"]
        scores = multilabel.set_scores(*indicators(folder, rows, classes))
        columns, note = scores_by_class(scores), ""
        if "average_precision" in result:
            columns["AP"], note = np.array(result["average_precision"], np.float64), NOTE
        most = max(Counter(p.label for p in rows).values(), default=0)
        answers = Answers(len(rows), sum(p.label == p.predicted for p in rows), most)
        return Page((ByClass(classes, columns, "F1", scores.support, note), Mistakes(mistakes_in(rows))), answers)


def indicators(folder: Path, rows: Sequence[SetPrediction], classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and predictions as bool (N, K)."""
    number = number_classes(folder, classes, {name for p in rows for name in (*p.label, *p.predicted)})
    labels, predicted = np.zeros((2, len(rows), len(classes)), np.bool_)
    for i, p in enumerate(rows):
        labels[i, [number[name] for name in p.label]] = True
        predicted[i, [number[name] for name in p.predicted]] = True
    return labels, predicted


def mistakes_in(rows: Sequence[SetPrediction]) -> list[Mistake]:
    """Return the wrong predictions, the most confident wrong label first; last those that only lack labels."""
    wrong = sorted((p for p in rows if p.label != p.predicted), key=lambda p: (-p.certainty, p.name))
    return [Mistake(p.name, named(p.predicted), p.certainty, named(p.label)) for p in wrong]


def named(labels: Sequence[str]) -> str:
    """Return a set of labels in words."""
    return ", ".join(labels) or "nothing"


MULTI: Task = MultiLabel()
