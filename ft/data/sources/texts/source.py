"""Which sources hold texts, by their layout alone, and what each of them lists."""

import os
from pathlib import Path

from ft.data.sources.policy import DEFAULT, Policy
from ft.data.sources.texts.found import TextListing
from ft.data.sources.texts.reuters import NAME, list_reuters
from ft.data.sources.texts.table import READERS, is_table_of_texts, list_table
from ft.errors import DataError, printable
from ft.metrics.multilabel import Labels

EXPECTED = f"pass {NAME}, a CSV, TSV or JSON lines text,label, a folder of class folders with .txt files, or CoNLL's"


def holds_texts(spec: str) -> bool:
    """Say whether `spec` names texts, by its layout: nothing is read but names, and a CSV's header.

    So are "reuters", a CSV with a column of texts and none of paths, and a TSV or a file of JSON lines.
    """
    path = Path(os.path.expanduser(spec))
    return spec == NAME or (os.path.isfile(path) and is_table_of_texts(path))


def list_texts(spec: str, policy: Policy = DEFAULT, *, labels: Labels = "one") -> TextListing:
    """Return what the source `spec` holds: at least one text, or DataError."""
    if spec == NAME:
        return TextListing(NAME, list_reuters())
    path = Path(os.path.expanduser(spec))
    if path.suffix.lower() not in READERS or not os.path.isfile(path):
        found = "holds no texts by its layout" if os.path.exists(path) else "does not exist"
        raise DataError(f"data '{printable(spec)}' {found}; {EXPECTED}")
    listing = TextListing(path.stem, list_table(path, labels=labels))
    if not listing.found:
        raise DataError(f"{printable(spec)}: no texts; expected at least one")
    return listing
