"""What the page of a finished run says of its validation images, from model.json, log.jsonl and predictions.csv."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ft.errors import RunError, printable
from ft.metrics.calibration import Reliability, reliability_of
from ft.metrics.confusion import ClassScores, class_scores, confusion_of
from ft.metrics.multilabel import set_scores
from ft.report.training.advice import Answers
from ft.runs.names import PREDICTIONS
from ft.runs.predictions import Prediction
from ft.tasks import task_in
from ft.tasks.label_sets import SetPrediction
from ft.tasks.task import Task


@dataclass(frozen=True)
class Mistake:
    """One wrong answer: the image, what was said, with which probability (0: only labels were missed), what it is."""

    name: str
    said: str
    probability: float
    truth: str


@dataclass(frozen=True)
class Trained:
    """What both kinds of labels have in common. result: model.json; rows: log.jsonl."""

    folder: Path
    result: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]

    @property
    def task(self) -> Task:
        """What the labels are."""
        return task_in(self.result)

    @property
    def classes(self) -> list[str]:
        """The class names, in the order of the network's outputs."""
        return self.result["classes"]

    @property
    def epochs(self) -> list[Mapping[str, Any]]:
        """The lines of the log that end an epoch."""
        return [row for row in self.rows if row.get("epoch_end")]

    def place(self, names: set[str]) -> dict[str, int]:
        """Return the number of every class; RunError where one of `names`, of predictions.csv, is none of them."""
        place = {name: i for i, name in enumerate(self.classes)}
        for name in names - place.keys():
            raise RunError(f"{self.folder / PREDICTIONS}: class '{printable(name)}' is not among the run's classes")
        return place


@dataclass(frozen=True)
class TrainedClasses(Trained):
    """A run with one class an image. predictions: predictions.csv, all of val."""

    predictions: Sequence[Prediction]

    @cached_property
    def confusion(self) -> np.ndarray:
        """How many images of class i were taken for class j, (K, K)."""
        place = self.place({name for p in self.predictions for name in (p.label, p.predicted)})
        labels, predicted = ([place[getattr(p, key)] for p in self.predictions] for key in ("label", "predicted"))
        return confusion_of(np.array(labels, np.int64), np.array(predicted, np.int64), len(self.classes))

    @cached_property
    def scores(self) -> ClassScores:
        """Precision, recall and F1 of every class."""
        return class_scores(self.confusion)

    @cached_property
    def reliability(self) -> Reliability:
        """How often the network is right when it says so."""
        return reliability_of(
            np.array([p.probability for p in self.predictions]),
            np.array([p.label == p.predicted for p in self.predictions]),
        )

    @property
    def answers(self) -> Answers:
        """How many images there are, are right, and are of the most frequent class."""
        counts = self.confusion
        return Answers(int(counts.sum()), int(np.trace(counts)), int(counts.sum(1).max()))

    @property
    def mistakes(self) -> list[Mistake]:
        """The wrong predictions, the most confident one first."""
        wrong = [p for p in self.predictions if p.label != p.predicted]
        wrong = sorted(wrong, key=lambda p: (-p.probability, p.name))
        return [Mistake(p.name, p.predicted, p.probability, p.label) for p in wrong]


@dataclass(frozen=True)
class TrainedSets(Trained):
    """A multi-label run. predictions: predictions.csv, all of val."""

    predictions: Sequence[SetPrediction]

    @cached_property
    def scores(self) -> ClassScores:
        """Precision, recall and F1 of every class."""
        place = self.place({name for p in self.predictions for name in (*p.label, *p.predicted)})
        labels, predicted = np.zeros((2, len(self.predictions), len(self.classes)), np.bool_)
        for i, p in enumerate(self.predictions):
            labels[i, [place[name] for name in p.label]] = True
            predicted[i, [place[name] for name in p.predicted]] = True
        return set_scores(labels, predicted)

    @property
    def answers(self) -> Answers:
        """How many images there are, are right in every label, and have the most frequent set of labels."""
        sets = Counter(p.label for p in self.predictions)
        right = sum(p.label == p.predicted for p in self.predictions)
        return Answers(len(self.predictions), right, max(sets.values(), default=0))

    @property
    def mistakes(self) -> list[Mistake]:
        """The wrong predictions, the most confident wrong label first; last those that only lack labels."""
        wrong = [p for p in self.predictions if p.label != p.predicted]
        wrong = sorted(wrong, key=lambda p: (-p.certainty, p.name))
        return [Mistake(p.name, named(p.predicted), p.certainty, named(p.label)) for p in wrong]


def named(labels: Sequence[str]) -> str:
    """Return a set of labels in words."""
    return ", ".join(labels) or "nothing"
