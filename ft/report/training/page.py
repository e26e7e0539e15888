"""A finished run as one HTML file: does it overfit, where does it err, and does it know when it does?

Everything on the page comes from the run's folder (model.json, log.jsonl, predictions.csv), so it can be written again
without a framework; only the thumbnails need the images, and quotes the texts.
"""

import re
from collections.abc import Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np

from ft.data import Sample
from ft.errors import RunError, listed
from ft.metrics.calibration import Reliability
from ft.metrics.confusion import top_confusions
from ft.recipe import Recipe, to_dict
from ft.report.plots import plot_confusion
from ft.report.template import template
from ft.report.thumbnails import data_uri, thumbnail
from ft.report.training.advice import advise
from ft.report.training.box_parts import curve_parts, worst_box_parts
from ft.report.training.charts import (
    confusion_cells,
    confusion_words,
    losses_chart,
    reliability_bars,
    reliability_words,
    score_chart,
)
from ft.report.training.quotes import length_parts, quoted_parts
from ft.report.training.remedies import against_modesty, against_overconfidence
from ft.report.training.sessions import frozen_words, told_sessions, wing_words
from ft.report.training.summary import headline, unit_of
from ft.report.training.worst import worst_parts
from ft.runs.folder import read_log
from ft.system import files, reading
from ft.system.clean import clean
from ft.system.names import CONFUSION, REPORT
from ft.tasks import task_in
from ft.tasks.sections import ByClass, Calibration, Curves, Page, Section, Table, WorstBoxes, WorstMasks
from ft.tasks.task import percent

CELLS = 25  # up to so many classes the matrix is drawn cell by cell, above it is a picture
MISTAKES, CONFUSIONS, CLASSES_SHOWN = 12, 10, 30
Row = Mapping[str, Any]
Parts = dict[str, Any]  # what the template of a section needs
SIDE = 384  # pixels of a mistake that is looked at closely
THUMBNAIL = re.compile(r'<li>.*?<img src="(data:image/\w+;base64,[\w+/=]+)" .*<small class="name">(.*)</small>')


def write_training_report(folder: Path, result: Mapping[str, Any], samples: Sequence[Sample] | None) -> Path:
    """Write report.html, and confusion.png where an image has one class, into a run's folder; return the page's path.

    samples: the validation images, for thumbnails; None where they are not to be had any more.
    """
    page = task_in(result).page(folder, result)
    for section in page.sections:
        if isinstance(section, ByClass) and section.confusion is not None:
            plot_confusion(section.confusion, section.axes or section.classes, folder / CONFUSION)
    files.write_text(folder / REPORT, render_training(folder, result, read_log(folder), page, samples))
    return folder / REPORT


def render_training(
    folder: Path, result: Mapping[str, Any], rows: Sequence[Row], page: Page, samples: Sequence[Sample] | None
) -> str:
    """Return the page. Every name is escaped, and what cannot be seen is replaced. rows: log.jsonl."""
    task, epochs = task_in(result), [row for row in rows if row.get("epoch_end")]
    return template("training.html.j2").render(
        result=result,
        unit=unit_of(result),
        recipe=result["recipe"],
        epochs=len(epochs),
        title=result["recipe"]["name"] or folder.resolve().name,
        tiles=headline(result),
        wings=wing_words(result),
        labels=task.labels_in_words(len(result["classes"])),
        frozen=frozen_words(result["recipe"], len(epochs)),
        sessions=told_sessions(result.get("history", ())),
        advice=advise(result, epochs, page),
        charts=[c for c in (losses_chart(rows, epochs), score_chart(epochs, task.score)) if c],
        val_loss=task.loss,
        steps_scored=any(f"train_{task.score.metric}" in row for row in epochs),
        score_word=task.score.word,
        changed=changed(result["recipe"]),
        sections=[*(drawn(section, folder, samples, result) for section in page.sections), *measured(result)],
    )


def changed(recipe: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return name, value and default of the fields whose value is not the default."""
    defaults = to_dict(Recipe())
    return [
        (name, value, defaults.get(name))
        for name, value in recipe.items()
        if name not in defaults or value != defaults[name]
    ]


def measured(result: Row) -> list[Parts]:
    """Return what the page says of the way in, where something was measured of it."""
    return [length_parts(result["lengths"])] if "lengths" in result else []


def drawn(section: Section, folder: Path, samples: Sequence[Sample] | None, result: Row) -> Parts:
    """Return the template of a section, and what it needs."""
    return {"of": unit_of(result), **parts_of(section, folder, samples, result)}


def parts_of(section: Section, folder: Path, samples: Sequence[Sample] | None, result: Row) -> Parts:
    """Return the template of a section, and what is its own."""
    recipe, unit = result["recipe"], unit_of(result)
    if isinstance(section, ByClass):
        return {"template": "classes.html.j2", **class_parts(section), "confused": confused_parts(section, folder)}
    if isinstance(section, Calibration):
        unit, bars = section.unit or unit, reliability_bars(section.reliability)
        words, alt = calibration_words(section.reliability, recipe, unit), reliability_words(bars, unit)
        return {"template": "calibration.html.j2", "of": unit, "bars": bars, "words": words, "alt": alt}
    if isinstance(section, WorstMasks):
        return worst_parts(section, samples)
    if isinstance(section, WorstBoxes):
        return worst_box_parts(section, samples)
    if isinstance(section, Curves):
        return curve_parts(section)
    if isinstance(section, Table):
        return {"template": "table.html.j2", **vars(section)}
    first = section.rows[:MISTAKES]
    if unit == "text":
        return quoted_parts(first, len(section.rows), samples, folder / REPORT)
    sources: dict[str, Any] = {sample.name: sample.source for sample in samples or ()}
    kept = kept_thumbnails(folder / REPORT)
    made = [thumbnail(sources[p.name], side=SIDE) if p.name in sources else None for p in first]
    pictures = [new or kept.get(clean(p.name)) for p, new in zip(first, made, strict=True)]
    return {
        "template": "mistakes.html.j2",
        "rows": list(zip(first, pictures, strict=True)),
        "wrong": len(section.rows),
        "images_found": samples is not None or any(pictures),
    }


def kept_thumbnails(page: Path) -> dict[str, str]:
    """Return the thumbnails of a report that was written before, by the names on it; none where there is no report."""
    try:
        text = reading.read_bytes(page, most=reading.TABLE_BYTES).decode()
    except (OSError, RunError, UnicodeDecodeError):
        return {}
    return {unescape(name): picture for picture, name in THUMBNAIL.findall(text)}


def class_parts(section: ByClass) -> Parts:
    """Return the table of the classes: name, number of images and shares, None for none; the weakest first."""
    shares = np.array([*section.columns.values()]).T
    table = [
        (name, int(count), {h: None if np.isnan(x) else float(x) for h, x in zip(section.columns, row, strict=True)})
        for name, count, row in zip(section.classes, section.support, shares, strict=True)
    ]
    table.sort(key=lambda row: (row[2][section.judged] is None, row[2][section.judged] or 0, row[0]))
    return {
        "columns": list(section.columns),
        "judged": section.judged,
        "note": section.note,
        "unit": section.unit,
        "table": table,
        "shown": CLASSES_SHOWN,
    }


def confused_parts(section: ByClass, folder: Path) -> Parts | None:
    """Return the confusion matrix, cell by cell or as a picture, and the largest confusions."""
    if section.confusion is None:
        return None
    names, counts = section.axes or section.classes, section.confusion
    many = len(names) > CELLS
    return {
        "classes": names,
        "unit": section.unit,
        "alt": confusion_words(counts, section.unit),
        "cells": None if many else confusion_cells(counts),
        "picture": data_uri((folder / CONFUSION).read_bytes(), "png") if many else None,
        "pairs": [(names[i], names[j], n, int(counts[i].sum())) for i, j, n in top_confusions(counts, CONFUSIONS)],
    }


def calibration_words(reliability: Reliability, recipe: Row, unit: str = "image") -> str:
    """Return what the reliability diagram says, with the error that chance alone would give, and what may mend it."""
    filled = reliability.count > 0
    count, confidence = reliability.count[filled], reliability.confidence[filled]
    total = count.sum()
    if not total or not np.isfinite(confidence).all():
        return "There are no finite probabilities to judge."
    right, said = ((x[filled] * count).sum() / total for x in (reliability.accuracy, reliability.confidence))
    # the mean |deviation| of a normal variable of this variance: what a perfect network would show with so few images
    chance = float((np.sqrt(2 / np.pi * confidence * (1 - confidence) / count) * count).sum() / total)
    start = f"On average it gives its answer {percent(said)}, and {percent(right)} of the answers are right."
    measured = (
        f"The expected calibration error is {reliability.ece:.3f}; with {total} {unit}s about {chance:.3f} is chance."
    )
    if reliability.ece <= 1.5 * chance or abs(said - right) < 0.01:
        return f"{start} {measured} Its probabilities can be taken at their word."
    if said > right:
        return (
            f"{start} {measured} It is overconfident: {listed([*against_overconfidence(recipe, unit)])} make its "
            "probabilities more honest."
        )
    return f"{start} {measured} It is too modest: {listed([*against_modesty(recipe)])} make its probabilities larger."
