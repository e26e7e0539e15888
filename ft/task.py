"""What the labels of a data set are, and what follows: probabilities, metrics, predictions, the score to train for.

    single-label    every image has one class; the probabilities of the classes add up to 1 (softmax)
    multi-label     an image has any number of classes; each class is a yes or no of its own (sigmoid)

The rest of the house asks the task, and hardly ever which of the two it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ft import multilabel, runfolder
from ft.calibration import reliability_of
from ft.confusion import confusion_of, macro_f1
from ft.label_sets import SetPrediction, read_label_sets, write_label_sets
from ft.metrics import Metrics, softmax
from ft.multilabel import Labels
from ft.runfolder import Prediction


@dataclass(frozen=True)
class Words:
    """What a person reads of the score: its name in a sentence, over a plot, at an axis, on a page; and of the loss.

    right: how the share of right images is told; guess: what is the same for all images where nothing was learnt;
    headline: metric -> its name, in the order of a page.
    """

    score: str
    heading: str
    axis: str
    page: str
    loss: str
    right: str
    guess: str
    headline: Mapping[str, str]


@dataclass(frozen=True)
class Task:
    """What labels are.

    name: in model.json and checkpoints; labels: what the data may hold, see ft/data/index.py; score: the metric, the
    higher the better, that `best`, `patience` and `average_best` follow; logged: the metrics of every epoch; share: the
    metric that is a share of the images.
    """

    name: str
    labels: Labels
    score: str
    logged: tuple[str, ...]
    share: str
    words: Words

    def columns(self, classes: int) -> int | None:
        """Return the number of columns of labels (N, K), None where they are (N,)."""
        raise NotImplementedError

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probability of every class, float64 (N, K). logits: (N, K)."""
        raise NotImplementedError

    def shown(self, probabilities: np.ndarray, top: int) -> int:
        """Return how many classes of an image to name where `top` are asked for. probabilities: (K,)."""
        raise NotImplementedError

    def measure(self, logits: Sequence[np.ndarray], labels: Sequence[np.ndarray]) -> dict[str, Any]:
        """Return the metrics of a split, from its batches of logits (N, K) and labels, (N,) or (N, K)."""
        raise NotImplementedError

    def by_class(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Return what model.json keeps of every class, (K,), for what predictions.csv does not tell."""
        return {}

    def write_predictions(
        self, folder: Path, names: Sequence[str], logits: np.ndarray, labels: np.ndarray, classes: Sequence[str]
    ) -> None:
        """Write predictions.csv of a split. logits: (N, K); labels: (N,) or (N, K)."""
        raise NotImplementedError

    def read_predictions(self, folder: Path) -> Sequence[Prediction] | Sequence[SetPrediction]:
        """Return the lines of predictions.csv."""
        raise NotImplementedError


class SingleLabel(Task):
    """Every image has one class: labels (N,)."""

    def columns(self, classes: int) -> int | None:
        """Return None."""
        return None

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the softmax."""
        return softmax(logits)

    def shown(self, probabilities: np.ndarray, top: int) -> int:
        """Return what was asked for."""
        return top

    def measure(self, logits: Sequence[np.ndarray], labels: Sequence[np.ndarray]) -> dict[str, Any]:
        """Return top1, top5 (None up to five classes), loss, macro_f1 and ece."""
        metrics = Metrics()
        for batch in zip(logits, labels, strict=True):
            metrics.update(*batch)
        every, truth = np.concatenate(logits), np.concatenate(labels)
        predicted, probability = every.argmax(1), softmax(every).max(1)
        return {
            "top1": metrics.top1,
            "top5": metrics.top5,
            "loss": metrics.loss,
            "macro_f1": macro_f1(confusion_of(truth, predicted, every.shape[1])),
            "ece": reliability_of(probability, predicted == truth).ece,
        }

    def write_predictions(
        self, folder: Path, names: Sequence[str], logits: np.ndarray, labels: np.ndarray, classes: Sequence[str]
    ) -> None:
        """Write each image's class, and the class of its largest logit, the first one of equal ones."""
        runfolder.write_predictions(folder, names, labels, logits.argmax(1), softmax(logits).max(1), classes)

    def read_predictions(self, folder: Path) -> Sequence[Prediction]:
        """Return the lines of predictions.csv."""
        return runfolder.read_predictions(folder)


class MultiLabel(Task):
    """An image has any number of classes: labels of 0 and 1, (N, K)."""

    def columns(self, classes: int) -> int | None:
        """Return one for each class."""
        return classes

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the sigmoid."""
        return multilabel.sigmoid(logits)

    def shown(self, probabilities: np.ndarray, top: int) -> int:
        """Return what was asked for, or more where more classes are a yes."""
        return max(top, int((probabilities > multilabel.THRESHOLD).sum()))

    def measure(self, logits: Sequence[np.ndarray], labels: Sequence[np.ndarray]) -> dict[str, Any]:
        """Return mAP, exact_match, loss and macro_f1."""
        every, truth = np.concatenate(logits), np.concatenate(labels) > 0
        predicted = self.probabilities(every) > multilabel.THRESHOLD
        return {
            "mAP": multilabel.mean_of_known(multilabel.average_precisions(truth, every)),
            "exact_match": multilabel.exact_match(truth, predicted),
            "loss": multilabel.binary_cross_entropy(every, truth),
            "macro_f1": multilabel.macro_f1(truth, predicted),
        }

    def by_class(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Return the average precision, NaN for a class without an image."""
        return {"average_precision": multilabel.average_precisions(labels > 0, logits)}

    def write_predictions(
        self, folder: Path, names: Sequence[str], logits: np.ndarray, labels: np.ndarray, classes: Sequence[str]
    ) -> None:
        """Write each image's classes, and those that are more probable than one half."""
        write_label_sets(folder, names, labels, self.probabilities(logits), classes)

    def read_predictions(self, folder: Path) -> Sequence[SetPrediction]:
        """Return the lines of predictions.csv."""
        return read_label_sets(folder)


SINGLE: Task = SingleLabel(
    name="single-label",
    labels="one",
    score="top1",
    logged=("top1", "top5"),
    share="top1",
    words=Words(
        score="accuracy",
        heading="Accuracy",
        axis="top-1 accuracy",
        page="Accuracy (top-1, %)",
        loss="cross-entropy",
        right="right on",
        guess="class",
        headline={"top1": "top-1", "top5": "top-5", "loss": "loss", "macro_f1": "macro F1", "ece": "calibration error"},
    ),
)
MULTI: Task = MultiLabel(
    name="multi-label",
    labels="sets",
    score="mAP",
    logged=("mAP", "exact_match"),
    share="exact_match",
    words=Words(
        score="mAP",
        heading="mAP",
        axis="mean average precision",
        page="Mean average precision (%)",
        loss="binary cross-entropy",
        right="right on every label of",
        guess="set of labels",
        headline={"mAP": "mAP", "exact_match": "exact match", "loss": "loss", "macro_f1": "macro F1"},
    ),
)
TASKS = {task.name: task for task in (SINGLE, MULTI)}


def task_of(labels: np.ndarray) -> Task:
    """Return the task of labels that are not mixed: (N,) or (N, K)."""
    return SINGLE if labels.ndim == 1 else MULTI


def task_in(record: Mapping[str, Any]) -> Task:
    """Return the task that model.json or a checkpoint's state records; those of before there were two have none."""
    return TASKS[record.get("task", SINGLE.name)]
