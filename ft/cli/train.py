"""`ft train`, and `python -m ft_torch.train` with its twin."""

import argparse
import csv
import os
import shlex
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ft.cli.guard import guarded
from ft.cli.parser import Parser, add_backend, add_recipe_flags, config_fields
from ft.cli.runs import metrics_line
from ft.errors import RecipeError, UserError, printable
from ft.recipe import FIELDS
from ft.system.follow import follow_starter
from ft.system.names import PREDICTIONS, REPORT

if TYPE_CHECKING:
    from ft.api.run import Run


def train_parser(prog: str, *, choose_backend: bool) -> Parser:
    """Return the parser of a training command."""
    parser = Parser(
        prog=prog,
        description="Fine-tune a pretrained network: for classes of images, masks, boxes, keypoints, or texts. The "
        "network says which (`ft models`), the data must hold that. Without flags: EfficientNet-Lite0 on handwritten "
        "digits, base frozen, new head.",
    )
    parser.add_argument("--config", metavar="FILE", help="recipe file (YAML); flags win over it")
    parser.add_argument("--out", metavar="DIR", help="run folder, new or empty [runs/MODEL-DATA-BACKEND-NNN]")
    parser.add_argument("--resume", metavar="RUN", help="go on with this run, begun in either wing, at its next step")
    parser.add_argument("--quiet", action="store_true", help="print the result only")
    if choose_backend:
        add_backend(parser, default=None, text="torch; with --resume the run's own")
    add_recipe_flags(parser)
    return parser


def train_command(arguments: Sequence[str], *, backend: str | None = None, prog: str | None = None) -> int:
    """Run a training command and return its exit code. backend: fixed by `python -m ft_torch.train` and its twin."""
    prog = prog or f"python -m ft_{backend}.train"
    follow_starter()
    return guarded(lambda: train_by(train_parser(prog, choose_backend=backend is None), arguments, backend))


def train(arguments: Sequence[str]) -> int:
    """Run `ft train`."""
    return train_by(train_parser("ft train", choose_backend=True), arguments, None)


def train_by(parser: Parser, arguments: Sequence[str], backend: str | None) -> int:
    """Fine-tune by the arguments; a mistake in those of several processes is said by one of them."""
    try:
        flags = parser.parse(arguments)
        asked = asked_by(flags)
    except UserError as error:
        from ft.training.ranks import refuse

        refuse(backend, error)
    return finetune_by(flags, asked, backend or flags.backend)


def asked_by(flags: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a recipe that the flags and their file set."""
    fields = {name: getattr(flags, name) for name in FIELDS if getattr(flags, name) is not None}
    if flags.config and flags.resume:
        raise RecipeError("--config and --resume contradict each other; a resumed run has its recipe")
    return {**config_fields(flags.config), **fields}


def finetune_by(flags: argparse.Namespace, fields: dict[str, Any], backend: str | None) -> int:
    """Fine-tune by the flags and print the result, by one of several processes."""
    from ft.api.finetune import finetune
    from ft.backend.ranks import seat_of, usual_backend

    run = finetune(backend=backend, out=flags.out, resume=flags.resume, quiet=flags.quiet, **fields)
    if (seat := seat_of(backend or usual_backend())) and seat.rank:
        return 0
    print(f"{metrics_line(run.metrics)}  in {run.result['seconds']:.1f} s\n{printable(run.folder)}")
    if tested := run.metrics.get("test"):
        print(f"test: {metrics_line(tested)}")
    if not flags.quiet:
        for line in what_next(run):
            print(printable(line), file=sys.stderr)
    return 0


def what_next(run: "Run") -> list[str]:
    """Return where the report is, and two commands to go on with, whole, as a shell takes them."""
    image = example_of(run)
    first = ["predict", str(run.folder), str(image)] if image else ["evaluate", str(run.folder)]
    native = {"torch": "torch-export", "tf": "savedmodel"}[run.backend]  # takes no further packages
    commands = [first, ["export", str(run.folder), "--format", native]]
    return [f"report: {run.folder / REPORT}", *(f"next: {shlex.join(['ft', *command])}" for command in commands)]


def example_of(run: "Run") -> Path | None:
    """Return a validation image of a run, None where it has no file."""
    from ft.runs.predictions import unescape

    with open(run.folder / PREDICTIONS, encoding="utf-8", newline="") as file:
        rows = list(islice(csv.reader(file), 1, 2))  # the first below the header
    data, name = Path(run.recipe.data), unescape(rows[0][0]) if rows else ""
    places = data / name, data.parent / name  # of a folder, and of a CSV
    return next((place for place in places if os.path.isfile(place)), None)
