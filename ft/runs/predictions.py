"""predictions.csv: what a run says of every validation image."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from ft.errors import RunError, printable
from ft.system import files, reading
from ft.system.names import PREDICTIONS

ROUNDING = 1e-3  # by which a probability may be above 1
FORMULA = re.compile("'*[=+@-]")  # with apostrophes, for such a name gets one more


@dataclass(frozen=True)
class Prediction:
    """What a model says about one image: class names, and the probability of the predicted one."""

    name: str
    label: str
    predicted: str
    probability: float


def write_predictions(
    folder: Path,
    names: Iterable[str],
    labels: Iterable[int],
    predicted: Iterable[int],
    probability: Iterable[float],
    classes: Sequence[str],
) -> None:
    """Write predictions.csv: name,label,predicted,probability, one image a line.

    labels, predicted: indices into `classes`. Names are escaped, see `escape`: any name fits in a line of UTF-8.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(field.name for field in fields(Prediction))
    for name, label, guess, p in zip(names, labels, predicted, probability, strict=True):
        table.writerow((escape(name), escape(classes[label]), escape(classes[guess]), repr(float(p))))
    files.write_text(Path(folder) / PREDICTIONS, text.getvalue())


def rows_of(folder: Path) -> list[list[str]]:
    """Return the lines of predictions.csv below its header, four cells each."""
    path = Path(folder) / PREDICTIONS
    try:
        content = reading.read_bytes(path, most=reading.TABLE_BYTES).decode("utf-8")
        rows = list(csv.reader(io.StringIO(content, newline="")))
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}; pass the folder of a finished run") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: {error}; expected the file that a run wrote") from None
    if not rows or rows[0] != [field.name for field in fields(Prediction)]:
        raise RunError(f"{path}: expected the header name,label,predicted,probability")
    if any(len(row) != len(rows[0]) for row in rows):
        raise RunError(f"{path}: a line without four columns; expected the file that a run wrote")
    return rows[1:]


def read_predictions(folder: Path) -> list[Prediction]:
    """Return the lines of predictions.csv."""
    rows = rows_of(folder)
    try:
        read = [
            Prediction(unescape(name), unescape(label), unescape(guess), float(p)) for name, label, guess, p in rows
        ]
    except ValueError as error:
        raise RunError(f"{Path(folder) / PREDICTIONS}: {error}; expected a number in the last column") from None
    odd = next((row.probability for row in read if row.probability < 0 or row.probability > 1 + ROUNDING), None)
    if odd is not None:
        raise RunError(f"{Path(folder) / PREDICTIONS}: probability {odd:g}; expected a number from 0 to 1")
    return read


def number_classes(folder: Path, classes: Sequence[str], used: set[str]) -> dict[str, int]:
    """Return the number of every class; RunError where one of those used in predictions.csv is none of them."""
    number = {name: i for i, name in enumerate(classes)}
    for name in used - number.keys():
        raise RunError(f"{Path(folder) / PREDICTIONS}: class '{printable(name)}' is not among the run's classes")
    return number


def escape(name: str) -> str:
    """Return `name` with backslashes and unprintable characters (newlines, stray bytes) as Python's escapes.

    A name that a spreadsheet would take for a formula, for it begins with = + - or @, gets an apostrophe in front.
    """
    plain = (c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode() for c in name)
    return "'" * bool(FORMULA.match(name)) + "".join(plain)


def unescape(text: str) -> str:
    """Return the name that `escape` was given."""
    code = r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[nrt\\])"
    text = text[1:] if text.startswith("'") and FORMULA.match(text) else text
    return re.sub(code, lambda match: match[0].encode().decode("unicode_escape"), text)
