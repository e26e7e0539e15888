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

from ft.metrics.multilabel import Labels
from ft.runs.predictions import Prediction
from ft.tasks.label_sets import SetPrediction


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

    name: in model.json and checkpoints; labels: what the data may hold, see ft/data/sources/dataset.py; score: the
    metric, the higher the better, that `best`, `patience` and `average_best` follow; logged: the metrics of every
    epoch; share: the metric that is a share of the images.
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
