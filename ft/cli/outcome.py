"""What a comparison leaves: its text, the files that were asked for, also of a refusal, and the exit code."""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ft.errors import RecipeError, UserError
from ft.system import files
from ft.system.names import REPORT

JUNIT, DATA = "junit.xml", "verdict.json"
LOGS = "*.log"  # what the user's code has printed
REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """What a comparison found, in every form."""

    text: Callable[[], str]
    data: dict[str, Any]
    page: Callable[[], str]
    junit: Callable[[], str]
    code: int


def judge(make: Callable[[Path], Outcome], flags: argparse.Namespace) -> int:
    """Compare, print what was found, write the files that were asked for, and return the exit code.

    Page and JUnit are written of a refusal as well: a CI server that finds none shows the ones of before.
    """
    asked = [(flags.html, "page"), (flags.junit, "junit")]
    with refusals_written(asked), places_checked(flags), working_folder(flags.out) as folder:
        kept = [(folder / REPORT, "page"), (folder / JUNIT, "junit"), (folder / DATA, "data")] if flags.out else []
        with refusals_written(kept), emptied_where_refused(folder):
            outcome = make(folder)
        print(json.dumps(outcome.data, indent=2) if flags.json else outcome.text())
        write(outcome, [*asked, *kept])
    return outcome.code


@contextmanager
def places_checked(flags: argparse.Namespace) -> Iterator[None]:
    """Raise RecipeError for a file that no folder can take, before anything is compared."""
    for path, flag in ((flags.html, "--html"), (flags.junit, "--junit")):
        if path and not Path(path).parent.is_dir():
            raise RecipeError(f"{flag} {path}: there is no folder {Path(path).parent}; make it")
        if path and Path(path).is_dir():
            raise RecipeError(f"{flag} {path} is a folder; pass a file")
    yield


def write(outcome: Outcome, places: list[tuple[Any, str]]) -> None:
    """Write what was found: page, JUnit or data, each where it is wanted."""
    for path, kind in places:
        if path:
            form = getattr(outcome, kind)
            files.write_json(path, form) if kind == "data" else files.write_text(path, form())


@contextmanager
def refusals_written(places: list[tuple[Any, str]]) -> Iterator[None]:
    """Where the block is refused, write that in place of what was asked for."""
    try:
        yield
    except UserError as error:
        with suppress(UserError):  # the refusal is the news, not that its place cannot be written
            write(refusal(str(error)), places)
        raise


def refusal(message: str) -> Outcome:
    """Return the outcome of a comparison that was refused."""
    from ft.report.comparison import render_refusal, render_refusal_page

    return Outcome(
        text=lambda: message,
        data={"verdict": REFUSED, "equal": False, "passed": False, "error": message},
        page=lambda: render_refusal_page(message),
        junit=lambda: render_refusal(message),
        code=2,
    )


@contextmanager
def emptied_where_refused(folder: Path) -> Iterator[None]:
    """Where the block is refused, remove what it has written so far, but logs: half a trace is of no use."""
    try:
        yield
    except UserError:
        with suppress(UserError):
            files.empty_folder(folder, but=LOGS)
        raise


def left_by_refusal(out: Path) -> list[str]:
    """Return the files of a folder in which a comparison was refused: there is nothing to lose in them."""
    try:
        refused = json.loads((out / DATA).read_text(encoding="utf-8")).get("verdict") == REFUSED
    except (OSError, ValueError, AttributeError):
        return []
    return [REPORT, JUNIT, DATA, *(log.name for log in out.glob(LOGS))] if refused else []


@contextmanager
def working_folder(out: str | None) -> Iterator[Path]:
    """Give the folder that was asked for, or one that is gone afterwards."""
    if out:
        from ft.runs.folder import claimed

        old = left_by_refusal(Path(out))
        folder = claimed(Path(out), replaceable=old, mend=f"choose another --out, or remove {out}")
        for name in old:
            with files.explained(folder):
                (folder / name).unlink(missing_ok=True)
        yield folder
        return
    folder = Path(tempfile.mkdtemp(prefix="ft-compare-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
