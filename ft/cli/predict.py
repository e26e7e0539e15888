"""`ft predict`: what a finished run says of images, as lines, JSON or a CSV."""

import csv
import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Protocol, cast

from ft.cli.parser import Parser, add_backend
from ft.errors import DataError, RecipeError, printable
from ft.runs.predictions import escape
from ft.system.files import make_folder, publishing, write_bytes
from ft.system.progress import counting

if TYPE_CHECKING:
    import numpy as np

    from ft.api.run import Guess, Run
    from ft.data import Sample


class Sink(Protocol):
    """Takes the answer to one image after the other."""

    def __call__(self, name: str, guesses: "Sequence[Guess]") -> None: ...


def predict(arguments: Sequence[str]) -> int:
    """Say what is on images."""
    parser = Parser(prog="ft predict", description="The most probable classes of images or texts.")
    parser.add_argument("run", metavar="RUN", help="run folder")
    what = "image files, folders (at any depth), patterns such as 'photos/**/*.jpg', or CSVs with a column path"
    what += "; of a run on text: texts in quotes, CSVs or TSVs with a column text and perhaps text_pair, .txt files, "
    what += "folders of these; a word that names what exists, or has no blank and ends in .csv, .tsv or .txt, is a path"
    parser.add_argument("images", nargs="+", metavar="IMAGE|TEXT", help=what)
    parser.add_argument("--top", type=int, default=3, help="classes an image [3]")
    parser.add_argument("--out", metavar="CSV", help="write a CSV, name,label,probability,label_2,..., and no lines")
    parser.add_argument("--masks", metavar="DIR", help="segmentation: write each mask there, a PNG of the image's size")
    parser.add_argument("--overlays", metavar="DIR", help="segmentation: write each image with its mask over it there")
    parser.add_argument("--force", action="store_true", help="replace it if it exists")
    text = "images that cannot be used: error ends the command, skip names them and goes on [error]"
    parser.add_argument("--on-bad-image", choices=["error", "skip"], default="error", help=text)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_backend(parser, default=None)
    flags = parser.parse(arguments)
    from ft.api.asked import require
    from ft.api.run import Run

    require(flags.top, flags.on_bad_image)
    require_new(flags.out, flags.force)
    run = Run(flags.run, backend=flags.backend)
    if (flags.masks or flags.overlays) and run.task.name != "segmentation":
        raise RecipeError(f"masks: {printable(flags.run)} is a {run.task.name} run, whose network gives none")
    asked = run.asking.all_asked(flags.images, missing=flags.on_bad_image == "skip")
    for line in asked.notes:
        tell(f"note: {line}")
    return answer(run, asked.samples, flags)


def answer(run: "Run", samples: "Sequence[Sample]", flags: Namespace) -> int:
    """Hand the answer to each image to what the flags ask for."""
    names, unit = [sample.name for sample in samples], run.card.unit
    sinks = [table(Path(flags.out), run, flags.top)] if flags.out else []
    sinks += [as_json(unit, run.task.guess_columns(1)[1])] if flags.json else []
    sinks = sinks or [lines(names)]
    inner = names_below(names)
    watched = not (flags.json or flags.out) and sys.stdout.isatty()  # the lines are the progress, a bar would mix in
    if watched:
        tell(f"predicting {count_text(len(names), unit)}")
    with counting("predicting", len(names), unit, quiet=watched) as count, ExitStack() as stack:
        takers = [stack.enter_context(sink) for sink in sinks]
        _, began, done = run.learner, time.monotonic(), 0  # built before the clock starts
        for each in run.answers(samples, top=flags.top, on_bad_image=flags.on_bad_image, count=count, say=tell):
            for take in takers:
                take(names[each.index], each.guesses)
            if each.mask is not None:
                write_masks(inner[each.index], samples[each.index], each.mask, flags)
            done += 1
        if not done:
            raise DataError(f"none of {count_text(len(names), unit)} can be used; mend what is named above")
        seconds = max(time.monotonic() - began, 1e-9)
    if flags.out and not flags.json:
        print(printable(flags.out))
    skipped = f", {len(names) - done} skipped" if done < len(names) else ""
    tell(f"{count_text(done, unit)}, {done / seconds:.3g} {unit}s/s{skipped}")
    return 0


def write_masks(name: str, sample: "Sample", mask: "np.ndarray", flags: Namespace) -> None:
    """Write the mask of an image, and the image with it over it, into the folders that the flags name."""
    from ft.data import decode
    from ft.report.masks import as_jpeg, as_png, overlay

    if flags.masks:
        write_below(flags.masks, f"{name}.png", as_png(mask))
    if flags.overlays:
        write_below(flags.overlays, f"{name}.jpg", as_jpeg(overlay(decode(cast("Path", sample.source)), mask)))


def names_below(names: Sequence[str]) -> list[str]:
    """Return the images' names without the folders that all share, and without endings where they differ so, too."""
    paths = [os.path.abspath(name) for name in names]
    shared = os.path.commonpath([os.path.dirname(path) for path in paths])
    inner = [os.path.relpath(path, shared) for path in paths]
    stems = [os.path.splitext(name)[0] for name in inner]
    return stems if len(set(stems)) == len(set(inner)) else inner


def write_below(folder: str, name: str, content: bytes) -> None:
    """Write a file into a folder, and the folders that its name has."""
    path = Path(folder, name)
    make_folder(path.parent)
    write_bytes(path, content)


def count_text(count: int, unit: str) -> str:
    """Return "1 image", "2 images"."""
    return f"{count} {unit}{'' if count == 1 else 's'}"


def tell(line: str) -> None:
    """Print a line that is no result."""
    print(printable(line), file=sys.stderr)


def require_new(out: str | None, force: bool) -> None:
    """Raise RecipeError where --out may not be written."""
    if out and os.path.isdir(out):
        raise RecipeError(f"{printable(out)} is a folder; choose a file as --out, such as preds.csv")
    if out and os.path.lexists(out) and not force:
        raise RecipeError(f"{printable(out)} exists; choose another --out, or replace it with --force")


@contextmanager
def lines(names: Sequence[str]) -> Iterator[Sink]:
    """Print a line an image. names: of all, for the width of their column."""
    width = max(len(printable(name)) for name in names)

    def take(name: str, guesses: "Sequence[Guess]") -> None:
        print(f"{printable(name):<{width}}  " + "  ".join(f"{printable(g.label)} {g.probability:.3f}" for g in guesses))

    yield take


@contextmanager
def as_json(unit: str, measure: str) -> Iterator[Sink]:
    """Print a list of all, each under the name of its unit, when they are done; until then it is kept as text.

    measure: what a class has.
    """
    rows: list[str] = []

    def take(name: str, guesses: "Sequence[Guess]") -> None:
        classes = [{"label": g.label, measure: g.probability} for g in guesses]
        rows.append(indent(json.dumps({unit: name, "classes": classes}, indent=2), "  "))

    yield take
    print("[\n" + ",\n".join(rows) + "\n]")


@contextmanager
def table(path: Path, run: "Run", top: int) -> Iterator[Sink]:
    """Write a CSV, with names as predictions.csv has them; it takes its place when all images are done."""
    task, top = run.task, min(top, len(run.classes))
    with publishing(path) as temporary, temporary.open("x", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["name", *task.guess_columns(top)])

        def take(name: str, guesses: "Sequence[Guess]") -> None:
            rows.writerow([escape(name), *task.guess_cells([(g.label, g.probability) for g in guesses], top)])

        yield take
