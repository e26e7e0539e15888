"""Every image has one class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ft.metrics.accuracy import Metrics, softmax
from ft.metrics.calibration import reliability_of
from ft.metrics.confusion import confusion_of, macro_f1
from ft.runs.predictions import Prediction, read_predictions, write_predictions
from ft.tasks.task import Task, Words


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
        write_predictions(folder, names, labels, logits.argmax(1), softmax(logits).max(1), classes)

    def read_predictions(self, folder: Path) -> Sequence[Prediction]:
        """Return the lines of predictions.csv."""
        return read_predictions(folder)


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
