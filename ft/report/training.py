"""A finished run as one HTML file: does it overfit, where does it err, and does it know when it does?

Everything on the page comes from the run's folder (model.json, log.jsonl, predictions.csv), so it can be written again
without a framework; only the thumbnails need the images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ft import files
from ft.calibration import Reliability, reliability_of
from ft.confusion import ClassScores, class_scores, confusion_of, top_confusions
from ft.data import Sample
from ft.errors import RunError, printable
from ft.plots import plot_confusion
from ft.report.advice import advise, percent
from ft.report.template import template
from ft.report.thumbnails import data_uri, thumbnail
from ft.report.training_chart import accuracy_chart, confusion_cells, losses_chart, reliability_bars
from ft.runfolder import PREDICTIONS, Prediction, read_log, read_predictions

REPORT, CONFUSION = "report.html", "confusion.png"
CELLS = 25  # up to so many classes the matrix is drawn cell by cell, above it is a picture
MISTAKES, CONFUSIONS, CLASSES_SHOWN = 12, 10, 30
HEADLINE = {"top1": "top-1", "top5": "top-5", "loss": "loss", "macro_f1": "macro F1", "ece": "calibration error"}


@dataclass(frozen=True)
class TrainingReport:
    """What the page says of a run. result: model.json; rows: log.jsonl; predictions: predictions.csv, all of val."""

    folder: Path
    result: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    predictions: Sequence[Prediction]

    @property
    def classes(self) -> list[str]:
        """The class names, in the order of the network's outputs."""
        return self.result["classes"]

    @property
    def epochs(self) -> list[Mapping[str, Any]]:
        """The lines of the log that end an epoch."""
        return [row for row in self.rows if row.get("epoch_end")]

    @cached_property
    def confusion(self) -> np.ndarray:
        """How many images of class i were taken for class j, (K, K)."""
        place = {name: i for i, name in enumerate(self.classes)}
        for name in {name for p in self.predictions for name in (p.label, p.predicted)} - place.keys():
            raise RunError(f"{self.folder / PREDICTIONS}: class '{printable(name)}' is not among the run's classes")
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
    def mistakes(self) -> list[Prediction]:
        """The wrong predictions, the most confident one first."""
        wrong = [p for p in self.predictions if p.label != p.predicted]
        return sorted(wrong, key=lambda p: (-p.probability, p.name))


def write_training_report(folder: Path, result: Mapping[str, Any], samples: Sequence[Sample] | None) -> Path:
    """Write report.html and confusion.png into a run's folder and return the page's path.

    samples: the validation images, for thumbnails; None where they are not to be had any more.
    """
    report = TrainingReport(folder, result, read_log(folder), read_predictions(folder))
    plot_confusion(report.confusion, report.classes, folder / CONFUSION)
    page = folder / REPORT
    files.write_text(page, render_training(report, samples))
    return page


def render_training(report: TrainingReport, samples: Sequence[Sample] | None) -> str:
    """Return the page. Every name is escaped, and what cannot be seen is replaced."""
    metrics, many = report.result["metrics"], len(report.classes) > CELLS
    sources = {sample.name: sample.source for sample in samples or ()}
    mistakes = [(p, thumbnail(sources[p.name]) if p.name in sources else None) for p in report.mistakes[:MISTAKES]]
    return template("training.html.j2").render(
        report=report,
        recipe=report.result["recipe"],
        title=report.result["recipe"]["name"] or report.folder.resolve().name,
        tiles=[(label, metrics.get(key)) for key, label in HEADLINE.items() if metrics.get(key) is not None],
        advice=advise(report.result, report.epochs, report.confusion),
        charts=[c for c in (losses_chart(report.rows, report.epochs), accuracy_chart(report.epochs)) if c],
        cells=None if many else confusion_cells(report.confusion),
        picture=data_uri((report.folder / CONFUSION).read_bytes(), "png") if many else None,
        confusions=[
            (report.classes[i], report.classes[j], count, int(report.confusion[i].sum()))
            for i, j, count in top_confusions(report.confusion, CONFUSIONS)
        ],
        table=class_table(report),
        shown=CLASSES_SHOWN,
        bars=reliability_bars(report.reliability),
        calibration=calibration_words(report.reliability),
        mistakes=mistakes,
        wrong=len(report.mistakes),
        images_found=samples is not None,
    )


def class_table(report: TrainingReport) -> list[tuple[str, float, float, float, int]]:
    """Return name, precision, recall, F1 and number of images of every class, the lowest F1 first."""
    s = report.scores
    rows = zip(report.classes, s.precision, s.recall, s.f1, s.support, strict=True)
    table = [(name, float(p), float(r), float(f), int(n)) for name, p, r, f, n in rows]
    return sorted(table, key=lambda row: (row[3], row[0]))


def calibration_words(found: Reliability) -> str:
    """Return what the reliability diagram says, in a sentence, with the error that chance alone would give."""
    filled = found.count > 0
    count, confidence = found.count[filled], found.confidence[filled]
    total = count.sum()
    if not total or not np.isfinite(confidence).all():
        return "There are no finite probabilities to judge."
    right, said = ((x[filled] * count).sum() / total for x in (found.accuracy, found.confidence))
    # the mean |deviation| of a normal variable of this variance: what a perfect network would show with so few images
    chance = float((np.sqrt(2 / np.pi * confidence * (1 - confidence) / count) * count).sum() / total)
    start = f"On average it gives its answer {percent(said)}, and {percent(right)} of the answers are right."
    measured = f"The expected calibration error is {found.ece:.3f}; with {total} images about {chance:.3f} is chance."
    if found.ece <= 1.5 * chance or abs(said - right) < 0.01:
        return f"{start} {measured} Its probabilities can be taken at their word."
    if said > right:
        return (
            f"{start} {measured} It is overconfident: label smoothing, mixup, fewer epochs, or one temperature above 1 "
            "that all logits are divided by make its probabilities more honest."
        )
    return (
        f"{start} {measured} It is too modest: less label smoothing or mixup, more epochs, or one temperature below 1 "
        "that all logits are divided by."
    )
