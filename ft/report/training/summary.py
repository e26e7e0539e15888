"""What a run is, in few words: its headline figures, one line of text, and a table for a notebook."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft.errors import listed, printable
from ft.report.template import template
from ft.report.thumbnails import data_uri
from ft.report.training.advice import percent
from ft.runs.names import CURVES
from ft.tasks import task_in

LARGEST = 300_000  # bytes of a picture that a notebook keeps
SHARES = ("top1", "top5", "exact_match")  # told in percent
FRAMEWORKS = {"torch": "PyTorch", "tf": "Keras"}


def headline(result: Mapping[str, Any]) -> dict[str, str]:
    """Return the metrics that a person reads first, those that were measured: name -> figure. result: model.json."""
    names, metrics = task_in(result).words.headline, result["metrics"]
    return {
        name: percent(metrics[key]) if key in SHARES else f"{metrics[key]:.4f}"
        for key, name in names.items()
        if metrics.get(key) is not None
    }


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
    name = task_in(result).words.headline[task_in(result).score]
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
        "classes": f"{len(classes)}: {listed(classes)}",
    }
    return template("run.html.j2").render(rows=rows, curves=picture(folder / CURVES))


def picture(path: Path) -> str | None:
    """Return a PNG file as a data URI; None where it is large, or not there any more."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return data_uri(content, "png") if len(content) <= LARGEST else None
