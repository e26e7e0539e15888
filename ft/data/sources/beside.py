"""The files of a data set beside its images and texts: what is drawn on these, the names of classes, lists of a split.

A stranger may have packed them: each must be a regular file of a bounded size, or is refused in one line.
"""

from pathlib import Path

from ft.errors import DataError, RunError, printable
from ft.system.reading import MEND, read_bytes

LARGEST = 1 << 24  # bytes


def read_beside(path: Path, *, most: int = LARGEST) -> bytes:
    """Return the content of a file; DataError where it cannot be read, or is none that could be meant."""
    try:
        return read_bytes(path, most=most)
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror}); mend its permissions") from None
    except RunError as error:
        raise DataError(str(error).removesuffix(MEND) + "replace it") from None


def read_lines(path: Path, *, errors: str = "strict") -> list[str]:
    """Return the lines of a file in UTF-8, with or without BOM. errors: as `bytes.decode` has it."""
    try:
        return read_beside(path).decode("utf-8-sig", errors).splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{printable(path)}: cannot be read as text in UTF-8 ({error}); mend it") from None
