"""A finished run as one HTML file: does it overfit, where does it err, and does it know when it does?

Everything on the page comes from the run's folder (model.json, log.jsonl, predictions.csv), so it can be written again
without a framework; only the thumbnails need the images.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ft.data import Sample
from ft.metrics.calibration import Reliability
from ft.metrics.confusion import top_confusions
from ft.report.plots import plot_confusion
from ft.report.template import template
from ft.report.thumbnails import data_uri, thumbnail
from ft.report.training.advice import advise, percent
from ft.report.training.charts import confusion_cells, losses_chart, reliability_bars, score_chart
from ft.report.training.summary import FRAMEWORKS, headline
from ft.report.training.trained import TrainedClasses, TrainedSets
from ft.runs.folder import read_log
from ft.runs.names import CONFUSION, REPORT
from ft.runs.predictions import read_predictions
from ft.system import files
from ft.tasks import task_in
from ft.tasks.label_sets import read_label_sets
from ft.tasks.multilabel import MULTI

CELLS = 25  # up to so many classes the matrix is drawn cell by cell, above it is a picture
MISTAKES, CONFUSIONS, CLASSES_SHOWN = 12, 10, 30
Report = TrainedClasses | TrainedSets


def write_training_report(folder: Path, result: Mapping[str, Any], samples: Sequence[Sample] | None) -> Path:
    """Write report.html, and confusion.png where an image has one class, into a run's folder; return the page's path.

    samples: the validation images, for thumbnails; None where they are not to be had any more.
    """
    rows = read_log(folder)
    if task_in(result) is MULTI:
        report = TrainedSets(folder, result, rows, read_label_sets(folder))
    else:
        report = TrainedClasses(folder, result, rows, read_predictions(folder))
        plot_confusion(report.confusion, report.classes, folder / CONFUSION)
    page = folder / REPORT
    files.write_text(page, render_training(report, samples))
    return page


def render_training(report: Report, samples: Sequence[Sample] | None) -> str:
    """Return the page. Every name is escaped, and what cannot be seen is replaced."""
    task = report.task
    sources = {sample.name: sample.source for sample in samples or ()}
    mistakes = [(p, thumbnail(sources[p.name]) if p.name in sources else None) for p in report.mistakes[:MISTAKES]]
    return template("training.html.j2").render(
        report=report,
        recipe=report.result["recipe"],
        title=report.result["recipe"]["name"] or report.folder.resolve().name,
        tiles=headline(report.result),
        framework=FRAMEWORKS.get(report.result["backend"], report.result["backend"]),
        advice=advise(report.result, report.epochs, report.answers),
        charts=[c for c in (losses_chart(report.rows, report.epochs), score_chart(report.epochs, task)) if c],
        val_loss=task.words.loss,
        confused=confused_parts(report) if isinstance(report, TrainedClasses) else None,
        table=class_table(report),
        precise="average_precision" in report.result,
        shown=CLASSES_SHOWN,
        mistakes=mistakes,
        wrong=len(report.mistakes),
        images_found=samples is not None,
    )


def confused_parts(report: TrainedClasses) -> dict[str, Any]:
    """Return what the page has only where an image has one class: confusions and calibration."""
    many = len(report.classes) > CELLS
    return {
        "cells": None if many else confusion_cells(report.confusion),
        "picture": data_uri((report.folder / CONFUSION).read_bytes(), "png") if many else None,
        "pairs": [
            (report.classes[i], report.classes[j], count, int(report.confusion[i].sum()))
            for i, j, count in top_confusions(report.confusion, CONFUSIONS)
        ],
        "bars": reliability_bars(report.reliability),
        "calibration": calibration_words(report.reliability),
    }


def class_table(report: Report) -> list[tuple[str, float, float, float, int, float | None]]:
    """Return name, precision, recall, F1, number of images and, of multi-label runs, average precision of every class.

    The lowest F1 comes first.
    """
    s, precisions = report.scores, report.result.get("average_precision", [None] * len(report.classes))
    precisions = [None if p is None or np.isnan(p) else float(p) for p in precisions]
    rows = zip(report.classes, s.precision, s.recall, s.f1, s.support, precisions, strict=True)
    table = [(name, float(p), float(r), float(f), int(n), ap) for name, p, r, f, n, ap in rows]
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
