"""Every image has one class; the probabilities of the classes add up to 1 (softmax)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from ft.metrics.accuracy import Metrics, softmax
from ft.metrics.calibration import Calibrator, reliability_of
from ft.metrics.confusion import Counts, class_scores, confusion_of
from ft.runs.predictions import Prediction, escape, number_classes, read_predictions, write_predictions
from ft.tasks.sections import Answers, ByClass, Calibration, Mistake, Mistakes, Page, scores_by_class
from ft.tasks.task import Arrays, Measure, Meter, PredictionTable, Score, Share, Task

if TYPE_CHECKING:
    from ft.backend.objective import Objective
    from ft.data.targets import Targets
    from ft.recipe import Recipe

TOP1, TOP5 = Measure("top1", "top-1", "%"), Measure("top5", "top-5", "%", told=False)


@final
class ClassMeter(Meter):
    """Counts and sums: nothing of a single image is kept."""

    def __init__(self, classes: int) -> None:
        self.metrics, self.counts, self.calibrator = Metrics(), Counts(classes), Calibrator()

    @property
    def count(self) -> int:
        """Images so far."""
        return self.metrics.count

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of logits (N, K) and labels (N,)."""
        logits, labels = outputs["logits"], targets["labels"]
        self.metrics.update(logits, labels)
        predicted = logits.argmax(1)
        self.counts.update(labels, predicted)
        self.calibrator.update(softmax(logits).max(1), predicted == labels)

    def merge(self, other: Self) -> None:
        """Add what another meter saw."""
        self.metrics.merge(other.metrics)
        self.counts.merge(other.counts)
        self.calibrator.merge(other.calibrator)

    def result(self) -> dict[str, Any]:
        """Return top1, top5 (None up to five classes), loss, macro_f1, matthews and ece."""
        return {
            "top1": self.metrics.top1,
            "top5": self.metrics.top5,
            "loss": self.metrics.loss,
            "macro_f1": self.counts.macro_f1,
            "matthews": self.counts.matthews,
            "ece": self.calibrator.reliability.ece,
        }

    def by_class(self) -> dict[str, np.ndarray]:
        """Return nothing: predictions.csv tells all."""
        return {}


@final
class ClassTable(PredictionTable):
    """Each image's class, and the class of its largest logit, the first one of equal ones: three numbers an image."""

    def __init__(self) -> None:
        self.labels: list[int] = []
        self.predicted: list[int] = []
        self.probability: list[float] = []

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of logits (N, K) and labels (N,)."""
        logits = outputs["logits"]
        self.labels += targets["labels"].tolist()
        self.predicted += logits.argmax(1).tolist()
        self.probability += softmax(logits).max(1).tolist()

    def write(self, folder: Path, names: Sequence[str], classes: Sequence[str]) -> None:
        """Write predictions.csv."""
        write_predictions(folder, names, self.labels, self.predicted, self.probability, classes)

    @staticmethod
    def read(folder: Path) -> Sequence[Prediction]:
        """Return the lines of predictions.csv."""
        return read_predictions(folder)

    @staticmethod
    def agree(a: Prediction, b: Prediction) -> bool:
        """Tell whether both name the same class."""
        return a.predicted == b.predicted


@final
class SingleLabel(Task):
    """Every image has one class: labels (N,)."""

    name = "single-label"
    labels = "one"
    score = Score(
        "top1",
        "higher",
        word="accuracy",
        heading="Accuracy",
        axis="top-1 accuracy (%)",
        page="Accuracy (top-1, %)",
        scale=100,
    )
    logged = (TOP1, TOP5)
    measures = (
        *logged,
        Measure("loss", "loss", ".4f"),
        Measure("macro_f1", "macro F1", ".4f"),
        Measure("matthews", "Matthews", ".4f"),
        Measure("ece", "calibration error", ".4f"),
    )
    share = Share("top1", right="right on", guess="class")
    of_steps = "top1"
    loss, loss_axis = "cross-entropy", "cross-entropy (nats)"
    predictions = ClassTable

    def targets(self, labels: Sequence[Any], *, classes: int, dtype: str) -> "Targets":
        """Return class numbers."""
        return {"labels": np.array(labels, np.int64)}

    def objective(self, recipe: "Recipe", class_weights: tuple[float, ...] | None) -> "Objective":
        """Return the loss that the recipe names."""
        from ft.tasks.objective import objective_of  # not at the top: it reads YAML and images

        return objective_of(recipe, class_weights)

    def meter(self, classes: Sequence[str]) -> ClassMeter:
        """Return a meter that has seen nothing yet."""
        return ClassMeter(len(classes))

    def guesses(self, outputs: Arrays, targets: Arrays, top: int) -> list[list[tuple[int, float]]]:
        """Return as many classes as were asked for."""
        probabilities = softmax(outputs["logits"])
        return [[(int(k), float(p[k])) for k in np.argsort(-p, kind="stable")[:top]] for p in probabilities]

    def guess_columns(self, top: int) -> list[str]:
        """Return a column for each class that is asked for, and one for its probability."""
        return [name + ("" if i == 1 else f"_{i}") for i in range(1, top + 1) for name in ("label", "probability")]

    def guess_cells(self, guesses: Sequence[tuple[str, float]], top: int) -> list[str]:
        """Return the classes that were asked for."""
        return [cell for label, p in guesses[:top] for cell in (escape(label), repr(p))]

    def page(self, folder: Path, result: Mapping[str, Any]) -> Page:
        """Return the confusions, the scores of the classes, the calibration and the mistakes."""
        rows, classes = read_predictions(folder), result["classes"]
        confusion = confusion_in(folder, rows, classes)
        probability, right = np.array([p.probability for p in rows]), np.array([p.label == p.predicted for p in rows])
        scores, unit = class_scores(confusion), f"{result.get('unit', 'image')}s"
        sections = (
            ByClass(classes, scores_by_class(scores), "F1", scores.support, confusion=confusion, unit=unit),
            Calibration(reliability_of(probability, right)),
            Mistakes(mistakes_in(rows)),
        )
        return Page(sections, Answers(len(rows), int(right.sum()), int(scores.support.max())))


def confusion_in(folder: Path, rows: Sequence[Prediction], classes: Sequence[str]) -> np.ndarray:
    """Return how many images of class i were taken for class j, (K, K)."""
    number = number_classes(folder, classes, {name for p in rows for name in (p.label, p.predicted)})
    labels, predicted = ([number[getattr(p, key)] for p in rows] for key in ("label", "predicted"))
    return confusion_of(np.array(labels, np.int64), np.array(predicted, np.int64), len(classes))


def mistakes_in(rows: Sequence[Prediction]) -> list[Mistake]:
    """Return the wrong predictions, the most confident one first."""
    wrong = sorted((p for p in rows if p.label != p.predicted), key=lambda p: (-p.probability, p.name))
    return [Mistake(p.name, p.predicted, p.probability, p.label) for p in wrong]


SINGLE: Task = SingleLabel()
