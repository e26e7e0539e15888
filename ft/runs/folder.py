"""The folder of a run: where it is made, its log, its predictions and its result.

    runs/<name>/ recipe.yaml  log.jsonl  predictions.csv  model.safetensors  model.json  checkpoints/  curves.png ...

log.jsonl is one JSON object a line, one line an update, one an epoch ("epoch_end": true), and notes ("note": text). NaN
and the infinities are null there, for JSON has no word for them: a key that is present and null was measured and is not
finite.
"""

import contextlib
import io
import json
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from ft.errors import RunError
from ft.runs.tables import BY_CLASS, EPOCH_ROW, NEEDED, ROW, RUN, whole_recipe
from ft.runs.tables import RESULT as RESULT_TABLE
from ft.system import files, reading
from ft.system.names import CHECKPOINTS, LOG, RECIPE, RESULT, STEP

FORMAT = 1  # of model.json
LOG_BYTES, LINE_BYTES = 1 << 30, 1 << 16
SIGNS_OF_A_RUN = (RECIPE, LOG, CHECKPOINTS)


@contextmanager
def new_run(out: Path | None, *, title: str, backend: str, root: Path = Path("runs")) -> Iterator[files.Hold]:
    """Make the folder of a new run and hold it: `out`, or else the next free `root/<title>-<backend>-NNN`.

    Where the block fails before there is something to lose, nothing is left of it. Raises RunError where `out` is in
    use, by another process as well, or cannot be written: then the folder is somebody else's and stays as it is.
    """
    made = out is None or not os.path.exists(out)
    folder = numbered(root, f"{file_name(title)}-{backend}") if out is None else out
    if not made and not os.path.lexists(folder / files.LOCK):
        require_unused(folder)  # a folder that is no run's gets no lock either
    with files.lock(folder, make=True) as hold:
        require_unused(folder)
        try:
            if not os.access(folder, os.W_OK | os.X_OK):
                raise RunError(f"cannot write to {folder}: permission denied; choose an --out that you may write to")
            yield hold
        except BaseException:
            discard(hold, whole=made)
            raise


def discard(hold: files.Hold, *, whole: bool) -> None:
    """Remove what a start left, unless there is something to lose or the folder is no longer this process's.

    whole: the folder as well, for this process made it.
    """
    if hold.used or not hold.stands() or any((hold.folder / CHECKPOINTS).glob(f"{STEP}*")):
        return
    with contextlib.suppress(RunError):  # what failed first is what counts
        files.remove_folder(hold.folder) if whole else files.empty_folder(hold.folder)


def numbered(root: Path, stem: str) -> Path:
    """Make the first folder `stem-NNN` that does not exist; mkdir decides between two processes that try at once."""
    with files.explained(root):
        files.make_folder(root)
    for number in count(1):
        folder = root / f"{stem}-{number:03d}"
        with files.explained(folder), contextlib.suppress(FileExistsError):  # the number is taken
            folder.mkdir()
            files.sync(root)
            return folder
    raise AssertionError("count never ends")


def claimed(out: Path, *, replaceable: Collection[str] = (), mend: str = "") -> Path:
    """Make `out`, or take it over where it holds nothing to lose: nothing but a lock file and what is replaceable.

    mend: what to do where it does, "" for what goes with a run.
    """
    with files.explained(out):
        files.make_folder(out)
    require_unused(out, replaceable=replaceable, mend=mend)
    return out


def require_unused(out: Path, *, replaceable: Collection[str] = (), mend: str = "") -> None:
    """Raise RunError where a folder holds something to lose: anything but a lock file and what is replaceable."""
    with files.explained(out):
        used = [name for name in os.listdir(out) if name not in {files.LOCK, *replaceable}]
    if used:
        mend = mend or f"choose another --out, or go on with --resume {out}"
        raise RunError(f"{out} is in use (it holds {sorted(used)[0]}); {mend}")


def file_name(title: str) -> str:
    """Return a title as part of a file name: no slashes, no blanks, not hidden, and short enough for any disk."""
    return re.sub(r"[^\w.+-]+", "_", title).strip("._")[:60] or "run"


class Log:
    """log.jsonl, open for appending. A context manager; nothing is buffered, so a killed run loses no line."""

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / LOG
        self._file = self._open()

    def _open(self) -> io.FileIO:
        with files.explained(self.path):
            return open(files.own(self.path.parent, self.path), "a+b", buffering=0)

    def write(self, row: dict[str, Any]) -> None:
        """Append one line. Raises RunError where the disk refuses."""
        line = json.dumps(files.plain(row), allow_nan=False).encode() + b"\n"
        with files.explained(self.path, needed=len(line)):
            while line:
                line = line[self._file.write(line) :]  # a disk that is nearly full takes a part

    def note(self, step: int, text: str) -> None:
        """Append what is to be known of the run after `step`, but is none of its figures."""
        self.write({"step": step, "note": text})

    def sync(self) -> None:
        """Wait until the lines are on the disk: a checkpoint must not outlive the log of its steps."""
        with files.explained(self.path):
            os.fsync(self._file.fileno())

    def trim(self, step: int) -> None:
        """Drop the lines beyond `step`, and whatever a crash tore: a resumed run writes them again."""
        self._file.close()
        rows = rows_of(self.path, torn=True)
        kept = [row for row in rows if row is not None and row.get("step", 0) <= step]
        files.write_text(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        self._file = self._open()

    def check(self) -> str | None:
        """Write the lines again where somebody removed or replaced the file, and return a line that says so."""
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(self._file.fileno()), os.lstat(self.path)):
                return None
        self._file.seek(0)
        files.write_bytes(self.path, self._file.read())
        self._file.close()
        self._file = self._open()
        return f"{self.path} was removed or replaced while this run wrote to it; its lines are written again"

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class NoLog(Log):
    """Stands for the log where another process writes it."""

    def __init__(self) -> None:
        pass

    def write(self, row: dict[str, Any]) -> None:
        """Do nothing."""

    def trim(self, step: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def rows_of(path: Path, *, torn: bool = False) -> list[dict[str, Any] | None]:
    """Return the checked lines of a log; None for a last one that a crash tore. torn: for any other, too.

    Raises OSError, or RunError that names the line.
    """
    lines = reading.read_bytes(path, most=LOG_BYTES).split(b"\n")
    rows = [parsed(line) for line in lines]
    for number, row in enumerate(rows, start=1):
        if row is not None:
            where = f"{path}, line {number}"
            reading.require(row, ROW, where)
            if row.get("epoch_end"):
                reading.require(row, EPOCH_ROW, where)
        elif not torn and number < len(rows):
            raise RunError(f"{path}, line {number}: expected a JSON object; delete the line to go on")
    return rows


def parsed(line: bytes) -> dict[str, Any] | None:
    """Return one line of a log; None for one that was torn by a crash."""
    try:
        row = reading.parsed(line, LOG) if len(line) <= LINE_BYTES else None
    except RunError:
        return None
    return row if isinstance(row, dict) else None


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return the figures of a run's log. A torn last line is left out, any other raises RunError."""
    path = Path(folder) / LOG
    try:
        return [row for row in rows_of(path) if row is not None and "note" not in row]
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}; pass the folder of a run") from None


def read_result(folder: Path, *, to_open: bool = False) -> dict[str, Any]:
    """Return model.json, which a run writes last, checked, its recipe with every field.

    to_open: all must be there that a `Run` is made of. Raises RunError: not a run, not finished, not what a run writes.
    """
    folder = Path(folder)
    try:
        result = reading.read_json(folder / RESULT, reading.OBJECT)
    except (FileNotFoundError, NotADirectoryError):
        if any((folder / name).exists() for name in SIGNS_OF_A_RUN):
            raise RunError(f"the run {folder} is not finished (no {RESULT}); go on with --resume {folder}") from None
        raise RunError(
            f"{folder} is not the folder of a run (no {RESULT}); pass one like runs/NAME-torch-001"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise RunError(f"cannot read {folder / RESULT}: {error}; expected the file that a run wrote") from None
    if result.get("format") != FORMAT:
        raise RunError(
            f"{folder / RESULT}: format {reading.shown(result.get('format'))}, expected {FORMAT}; "
            "update ft-parity if a newer one wrote it"
        )
    return checked_result(result, folder / RESULT, RUN if to_open else RESULT_TABLE)


def checked_result(result: dict[str, Any], path: Path, check: reading.Check) -> dict[str, Any]:
    """Return the content of model.json after a look at every key that is used."""
    reading.require(result, check, path)
    if "classes" in result:
        require_by_class(result, path)
    if "lengths" in result:
        require_lengths(result["lengths"], path)
    return {**result, **whole_recipe(result, path)} if "recipe" in result else result


def require_by_class(result: dict[str, Any], path: Path) -> None:
    """Raise RunError where a list of what each class has lacks one, or its task needs a list that is not there."""
    count = len(result["classes"])
    for key in NEEDED.get(str(result.get("task")), ()):
        if key not in result:
            raise reading.unfit(path, key, reading.MISSING, f"a list of {count}, as of classes")
    for key in BY_CLASS:
        if len(result.get(key, result["classes"])) != count:
            raise reading.unfit(path, key, result[key], f"a list of {count}, as of classes")
    for row in result.get("pixel_confusion", ()):
        if len(row) != count:
            raise reading.unfit(path, "pixel_confusion", row, f"a list of {count}, as of classes")


def require_lengths(lengths: dict[str, Any], path: Path) -> None:
    """Raise RunError where there are not as many counts of texts as lengths that they are padded to."""
    for split in ("train", "val"):
        if len(lengths[split]) != len(lengths["padded"]):
            expected = f"a list of {len(lengths['padded'])}, as of padded"
            raise reading.unfit(path, f"lengths.{split}", lengths[split], expected)
