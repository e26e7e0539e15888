"""Which sources hold texts, by their layout alone, and what each of them lists."""

import os
from dataclasses import replace
from pathlib import Path

from ft.data.sources.policy import DEFAULT, Policy
from ft.data.sources.texts import conll, plain
from ft.data.sources.texts.conll import list_conll
from ft.data.sources.texts.folder import ENDINGS, is_folder_of_texts, list_text_folder, split_files
from ft.data.sources.texts.plain import BLOCK, list_blocks, list_documents
from ft.data.sources.texts.raw import RawText, TextListing
from ft.data.sources.texts.reuters import NAME, list_reuters
from ft.data.sources.texts.table import READERS, is_table_of_texts, labels_in_table, list_table
from ft.errors import DataError, printable
from ft.metrics.multilabel import Labels

EXPECTED = (
    f"{NAME}, a CSV, TSV or JSON lines with text and label, a folder of class folders with .txt files, or CoNLL's"
)


def holds_texts(spec: str) -> bool:
    """Say whether `spec` names texts, by its layout: nothing is read but names, and a CSV's header.

    So are "reuters"; a CSV with a column of texts and none of paths; a TSV, a file of JSON lines, of CoNLL's or .txt;
    a folder that holds .txt files or CoNLL's at any depth, or train.csv and its like, and no image.
    """
    path = Path(os.path.expanduser(spec))
    if spec == NAME:
        return True
    if os.path.isdir(path):
        return is_folder_of_texts(path)
    named = path.suffix.lower() in plain.ENDINGS | conll.ENDINGS
    return os.path.isfile(path) and (named or is_table_of_texts(path))


def list_texts(spec: str, policy: Policy = DEFAULT, *, labels: Labels = "one", block: int = BLOCK) -> TextListing:
    """Return what the source `spec` holds: at least one text, or DataError.

    labels: what is wanted of it, see `read_texts`: a .txt file is CoNLL's where tags are, and plain text where nothing
    is; block: characters of a block of plain text.
    """
    if spec == NAME:
        return TextListing(NAME, list_reuters())
    path = Path(os.path.expanduser(spec))
    if os.path.isdir(path):
        listing = list_folder_of_any(path, policy, labels, block)
    elif os.path.isfile(path):
        listing = TextListing(path.stem, list_file(path, labels, block))
    else:
        fault = "is no file or folder" if os.path.exists(path) else "does not exist"
        raise DataError(f"data '{printable(spec)}' {fault}; pass {EXPECTED}")
    if not listing.texts:
        because = f" ({'; '.join(listing.notes)})" if listing.notes else ""
        raise DataError(f"{printable(spec)}: no texts{because}; expected at least one")
    return listing


def list_folder_of_any(root: Path, policy: Policy, labels: Labels, block: int) -> TextListing:
    """Return what a folder holds: a file for each split, else class folders, or documents where these are wanted."""
    if files := split_files(root):
        texts: list[RawText] = []
        for split in ("train", "val", "test"):
            if split in files:
                own = list_file(files[split], labels, block, prefix=f"{files[split].name} ")
                texts += [replace(raw, split=split) for raw in own]
        return TextListing(root.resolve().name, texts)
    if labels == "none":
        return list_documents(root, outside=policy.allow_outside_root, block=block)
    if labels == "tags":
        raise DataError(f"{printable(root)}: no file of a split; expected CoNLL's, such as train.conll and val.conll")
    return list_text_folder(root, outside=policy.allow_outside_root)


def list_file(path: Path, labels: Labels, block: int, prefix: str = "") -> list[RawText]:
    """Return the texts of a file. prefix: of their names."""
    ending = path.suffix.lower()
    if ending in READERS:
        return list_table(path, labels=labels, prefix=prefix)
    if labels == "none" and ending in plain.ENDINGS:
        return list_blocks(path, block=block, prefix=prefix)
    if ending not in ENDINGS:
        raise DataError(f"data '{printable(path)}' holds no texts by its ending; pass {EXPECTED}")
    if labels in ("tags", "none"):
        return list_conll(path, prefix)
    raise DataError(f"{printable(path)}: its texts have no labels of their own; pass {EXPECTED}")


def labels_in_source(spec: str) -> Labels:
    """Return what labels a source of texts has, by a look at it, as `ft data check` takes it.

    Tags in CoNLL's files and in JSON with tokens; numbers in a table where all labels are numbers and one is not whole;
    none in plain text, and in a table without a column of labels; else classes, one a text or several.
    """
    path = Path(os.path.expanduser(spec))
    if spec == NAME:
        return "one"
    if os.path.isdir(path):
        files = split_files(path)
        if not files:
            return "either" if any(inner.is_dir() for inner in path.iterdir()) else "none"
        path = next(files[split] for split in ("train", "val", "test") if split in files)
    if path.suffix.lower() in READERS:
        return labels_in_table(path)
    return "none" if path.suffix.lower() in plain.ENDINGS and not conll.looks_like_conll(path) else "tags"
