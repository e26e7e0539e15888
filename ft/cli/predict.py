"""`ft predict`: what a finished run says of images, as lines, JSON or a CSV."""

import csv
import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Protocol

from ft.cli.parser import Parser, add_backend
from ft.cli.predict_files import as_coco, names_below, write_pictures
from ft.errors import DataError, RecipeError, article, printable
from ft.metrics.matches import SURE
from ft.runs.predictions import escape
from ft.system.files import publishing
from ft.system.progress import counting

if TYPE_CHECKING:
    from ft.api.run import Answer, Run
    from ft.data import Sample

TOP = 3  # classes an image


class Sink(Protocol):
    """Takes the answer to one image after the other."""

    def __call__(self, name: str, answer: "Answer") -> None: ...


def predict(arguments: Sequence[str]) -> int:
    """Say what is on images."""
    parser = Parser(
        prog="ft predict", description="What a run says of images or texts: the most probable classes, masks, boxes."
    )
    parser.add_argument("run", metavar="RUN", help="run folder")
    what = "image files, folders (at any depth), patterns such as 'photos/**/*.jpg', or CSVs with a column path"
    what += "; of a run on text: texts in quotes, CSVs or TSVs with a column text and perhaps text_pair, .txt files, "
    what += "folders of these; a word that names what exists, or has no blank and ends in .csv, .tsv or .txt, is a path"
    parser.add_argument("images", nargs="+", metavar="IMAGE|TEXT", help=what)
    parser.add_argument("--top", type=int, help="classes an image [3; segmentation with --json: all that it shows]")
    parser.add_argument("--out", metavar="CSV", help="write a CSV, name,label,probability,label_2,..., and no lines")
    parser.add_argument("--masks", metavar="DIR", help="segmentation: write each mask there, a PNG of the image's size")
    what = "segmentation and detection: write each image with its mask over it, or its boxes on it, there"
    parser.add_argument("--overlays", metavar="DIR", help=what)
    parser.add_argument("--boxes", metavar="JSON", help="detection: write all boxes as COCO's results")
    text = "detection: the score from which a box is said and drawn [0.5], and written to --boxes [all]"
    parser.add_argument("--score", type=float, help=text)
    parser.add_argument("--force", action="store_true", help="replace it if it exists")
    text = "images that cannot be used: error ends the command, skip names them and goes on [error]"
    parser.add_argument("--on-bad-image", choices=["error", "skip"], default="error", help=text)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_backend(parser, default=None)
    flags = parser.parse(arguments)
    from ft.api.asked import require
    from ft.api.run import Run

    require(top_of(flags), flags.on_bad_image)
    require_new(flags.out, flags.force)
    require_new(flags.boxes, flags.force, "--boxes", "boxes.json")
    run = Run(flags.run, backend=flags.backend)
    require_given(run.task.name, flags)
    asked = run.asking.all_asked(flags.images, missing=flags.on_bad_image == "skip")
    for line in asked.notes:
        tell(f"note: {line}")
    return answer(run, asked.samples, flags)


def top_of(flags: Namespace, run: "Run | None" = None) -> int:
    """Return how many classes of each image are asked for."""
    if flags.top is None and flags.json and run and run.task.name == "segmentation":
        return len(run.classes)
    return TOP if flags.top is None else flags.top


def require_given(task: str, flags: Namespace) -> None:
    """Raise RecipeError where a flag asks a run for what its network does not give."""
    objects = ("overlays", "boxes", "score")
    given = {"segmentation": ("masks", "overlays"), **dict.fromkeys(("detection", "instances", "keypoints"), objects)}
    for name in ("masks", "overlays", "boxes", "score"):
        if getattr(flags, name) is not None and name not in given.get(task, ()):
            raise RecipeError(f"{name}: {printable(flags.run)} is {article(task)} run, whose network gives none")
    if flags.score is not None and not 0 <= flags.score <= 1:
        raise RecipeError(f"score: got {flags.score:g}; expected a number from 0 to 1")


def said(answer: "Answer", score: float, top: int | None = None) -> "Answer":
    """Return an answer with the boxes of at least a score, of which the best `top` are its guesses."""
    if answer.boxes is None:
        return answer
    from ft.api.run import Guess

    boxes = [box for box in answer.boxes if box.score >= score]
    return replace(answer, boxes=boxes, guesses=[Guess(box.label, box.score) for box in boxes[:top]])


def answer(run: "Run", samples: "Sequence[Sample]", flags: Namespace) -> int:
    """Hand the answer to each image to what the flags ask for."""
    names, unit = [sample.name for sample in samples], run.card.unit
    sinks = [table(Path(flags.out), run, top_of(flags))] if flags.out else []
    sinks += [as_json(unit, run.task.guess_columns(1)[1])] if flags.json else []
    sinks = sinks or [lines(names)]
    inner, sure, top = names_below(names), SURE if flags.score is None else flags.score, top_of(flags, run)
    watched = not (flags.json or flags.out) and sys.stdout.isatty()  # the lines are the progress, a bar would mix in
    if watched:
        tell(f"predicting {count_text(len(names), unit)}")
    with counting("predicting", len(names), unit, quiet=watched) as count, ExitStack() as stack:
        takers = [stack.enter_context(sink) for sink in sinks]
        numbers = run.result.get("category_ids") or range(1, len(run.classes) + 1)
        known = dict(zip(run.classes, numbers, strict=True))
        files = [stack.enter_context(as_coco(Path(flags.boxes), known, flags.score or 0.0))] if flags.boxes else []
        _, began, done = run.learner, time.monotonic(), 0  # built before the clock starts
        for each in run.answers(samples, top=top, on_bad_image=flags.on_bad_image, count=count, say=tell):
            for take in files:
                take(names[each.index], each)
            for take in takers:
                take(names[each.index], said(each, sure, top))
            write_pictures(inner[each.index], samples[each.index], said(each, sure), run.result, flags)
            done += 1
        if not done:
            raise DataError(f"none of {count_text(len(names), unit)} can be used; mend what is named above")
        seconds = max(time.monotonic() - began, 1e-9)
    if flags.out and not flags.json:
        print(printable(flags.out))
    skipped = f", {len(names) - done} skipped" if done < len(names) else ""
    tell(f"{count_text(done, unit)}, {done / seconds:.3g} {unit}s/s{skipped}")
    return 0


def count_text(count: int, unit: str) -> str:
    """Return "1 image", "2 images"."""
    return f"{count} {unit}{'' if count == 1 else 's'}"


def tell(line: str) -> None:
    """Print a line that is no result."""
    print(printable(line), file=sys.stderr)


def require_new(out: str | None, force: bool, flag: str = "--out", such_as: str = "preds.csv") -> None:
    """Raise RecipeError where a file may not be written."""
    if out and os.path.isdir(out):
        raise RecipeError(f"{printable(out)} is a folder; choose a file as {flag}, such as {such_as}")
    if out and os.path.lexists(out) and not force:
        raise RecipeError(f"{printable(out)} exists; choose another {flag}, or replace it with --force")


@contextmanager
def lines(names: Sequence[str]) -> Iterator[Sink]:
    """Print a line an image. names: of all, for the width of their column."""
    width = max(len(printable(name)) for name in names)

    def take(name: str, answer: "Answer") -> None:
        said = "  ".join(f"{printable(g.label)} {g.probability:.3f}" for g in answer.guesses)
        print(f"{printable(name):<{width}}  {said or 'nothing'}")

    yield take


@contextmanager
def as_json(unit: str, measure: str) -> Iterator[Sink]:
    """Print a list of all, each under the name of its unit, when they are done; until then it is kept as text.

    measure: what a class has.
    """
    rows: list[str] = []

    def take(name: str, answer: "Answer") -> None:
        classes = {"classes": [{"label": g.label, measure: g.probability} for g in answer.guesses]}
        boxes = {"boxes": [box.row for box in answer.boxes or ()]}
        row = {unit: name, **(classes if answer.boxes is None else boxes)}
        rows.append(indent(json.dumps(row, indent=2), "  "))

    yield take
    print("[\n" + ",\n".join(rows) + "\n]")


@contextmanager
def table(path: Path, run: "Run", top: int) -> Iterator[Sink]:
    """Write a CSV, with names as predictions.csv has them; it takes its place when all images are done."""
    task, top = run.task, min(top, len(run.classes))
    with publishing(path) as temporary, temporary.open("x", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["name", *task.guess_columns(top)])

        def take(name: str, answer: "Answer") -> None:
            guesses = [(g.label, g.probability) for g in answer.guesses]
            rows.writerow([escape(name), *task.guess_cells(guesses, top)])

        yield take
