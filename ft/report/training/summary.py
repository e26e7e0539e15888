"""What a run is, in few words: its headline figures, one line of text, and a table for a notebook."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ft.errors import RunError, listed, printable
from ft.report.template import template
from ft.report.thumbnails import data_uri
from ft.system import reading
from ft.system.names import CURVES
from ft.tasks import task_in
from ft.tasks.task import LABEL_WORDS, Measure

LARGEST = 300_000  # bytes of a picture that a notebook keeps
FRAMEWORKS = {"torch": "PyTorch", "tf": "Keras"}


def headline(result: Mapping[str, Any]) -> dict[str, str]:
    """Return the metrics that a person reads first, those that were measured: name -> figure. result: model.json.

    Of the test samples, where there are any, what the run was trained for and the loss.
    """
    task, metrics = task_in(result), result["metrics"]
    tested = [measure for measure in task.measures if measure.name in (task.score.metric, "loss")]
    seen, unseen = figures(metrics, task.measures), figures(metrics.get("test", {}), tested)
    return seen | {f"test {heading}": text for heading, text in unseen.items()}


def unit_of(result: Mapping[str, Any]) -> str:
    """Return the word for one sample of a run; runs of before were on images."""
    return result.get("unit", "image")


def figures(metrics: Mapping[str, Any], measures: Iterable[Measure]) -> dict[str, str]:
    """Return those of the measures that were taken, in words. What has no figure is null in a file, else NaN."""
    taken = {measure: metrics.get(measure.name) for measure in measures}
    return {m.heading: m.text(x) for m, x in taken.items() if x is not None and not math.isnan(x)}


def facts(folder: Path, result: Mapping[str, Any], backend: str) -> dict[str, str]:
    """Return the rest that says which run it is. backend: the wing that it is opened in."""
    recipe, end = result["recipe"], result.get("epoch")
    return {
        "model": result["architecture"],
        "data": recipe["data"],
        "wing": FRAMEWORKS.get(backend, backend),
        "epochs": f"{recipe['epochs']}" if end in (None, recipe["epochs"]) else f"{end} of {recipe['epochs']}",
        "folder": str(folder),
    }


def run_line(folder: Path, result: Mapping[str, Any], backend: str) -> str:
    """Return the run in one line, the metric that it was trained for included."""
    said = {key: printable(value) for key, value in facts(folder, result, backend).items()}
    task = task_in(result)
    name = next(measure.heading for measure in task.measures if measure.name == task.score.metric)
    score = headline(result).get(name, "not finite")
    return (
        f"<Run {said['model']} on {said['data']}, {said['wing']}, epochs: {said['epochs']}, {name}: {score}, "
        f"{said['folder']}>"
    )


def run_table(folder: Path, result: Mapping[str, Any], backend: str) -> str:
    """Return the run as a piece of HTML that stands alone, with its curves. Every name is escaped."""
    classes = result["classes"]
    rows = {
        **headline(result),
        **facts(folder, result, backend),
    }
    if task_in(result).labels not in LABEL_WORDS:
        rows["classes"] = f"{len(classes)}: {listed(classes)}"
    return template("run.html.j2").render(rows=rows, curves=picture(folder / CURVES))


def picture(path: Path) -> str | None:
    """Return a PNG file as a data URI; None where it is large, or not there any more."""
    try:
        content = reading.read_bytes(path, most=reading.TABLE_BYTES)
    except (OSError, RunError):
        return None
    return data_uri(content, "png") if len(content) <= LARGEST else None
