"""An image has any number of classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ft.metrics import multilabel
from ft.tasks.label_sets import SetPrediction, read_label_sets, write_label_sets
from ft.tasks.task import Task, Words


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
