"""Images that a network is asked about, without labels: a file, all of a folder, a pattern, the paths of a CSV."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from glob import iglob
from pathlib import Path

from ft.data.sources.dataset import Sample
from ft.data.sources.folder import EXTENSIONS, HIDDEN, Walk, find_images
from ft.data.sources.listing import Inside, name_bytes, note
from ft.data.sources.manifest import list_paths
from ft.errors import DataError, printable

URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # one slash is what pathlib leaves of two


@dataclass(frozen=True)
class Pictures:
    """Samples whose labels mean nothing. several: found in something that may hold any number, not one file by name.

    Names are relative to a folder, as a CSV has them, or as they were given; notes: one line each, for the user.
    """

    samples: list[Sample]
    several: bool
    notes: tuple[str, ...] = ()


def find_pictures(what: str | Path, *, missing: bool = False) -> Pictures:
    """Return what a path or a pattern stands for: at least one image, or DataError.

    A folder is looked through at any depth, in the order of the bytes of the names below it. missing: files that do not
    exist are taken all the same, to be told of when they are opened.
    """
    text = os.fspath(what)
    path = Path(os.path.expanduser(text))
    if os.path.isdir(path):
        return in_folder(path)
    if os.path.isfile(path) and path.suffix.lower() == ".csv":
        return in_table(path, missing)
    if not os.path.lexists(path):
        if URL.match(text):
            raise DataError(f"'{printable(text)}' is a URL; download it and pass the file")
        if set("*?[") & set(text):
            return matching(path)
        if not missing:
            raise DataError(f"{printable(text)}: does not exist; correct the path")
    return Pictures([Sample(text, 0, path)], several=False)


def in_folder(root: Path) -> Pictures:
    """Return the images below a folder, as folder.py takes them: hidden files and links out of it are none."""
    walk = Walk(root, Inside(root))
    images = sorted(((path.relative_to(root).as_posix(), path) for path in find_images(root, walk)), key=by_name)
    walk.skipped.pop(HIDDEN, None)
    notes = tuple(line for reason, names in walk.skipped.items() for line in note(reason, names))
    if not images:
        because = f" ({'; '.join(notes)})" if notes else ""
        raise DataError(f"{printable(root)}: no images at any depth{because}; expected files such as photo.jpg")
    return Pictures([Sample(name, 0, path) for name, path in images], several=True, notes=notes)


def in_table(path: Path, missing: bool) -> Pictures:
    """Return the images that a CSV lists, in its order."""
    images = list_paths(path, missing=missing)
    if not images:
        raise DataError(f"{printable(path)}: no rows; expected a path of an image in each")
    return Pictures([Sample(name, 0, source) for name, source in images], several=True)


def matching(pattern: Path) -> Pictures:
    """Return the images whose paths match a pattern, in the order of their bytes; ** is any number of folders."""
    names = (name for name in iglob(str(pattern), recursive=True) if Path(name).suffix.lower() in EXTENSIONS)
    images = sorted(((name, Path(name)) for name in names if os.path.isfile(name)), key=by_name)
    if not images:
        raise DataError(f"'{printable(pattern)}': no image's path matches; correct the pattern, or pass a folder")
    return Pictures([Sample(name, 0, path) for name, path in images], several=True)


def by_name(image: tuple[str, Path]) -> bytes:
    """Return what sorts names as their bytes."""
    return name_bytes(image[0])


def all_pictures(words: Iterable[str], *, missing: bool = False) -> Pictures:
    """Return what all words of a command line stand for, in their order, under the paths that a person would type."""
    samples: list[Sample] = []
    notes: list[str] = []
    for word in words:
        named = find_pictures(word, missing=missing)
        samples += [Sample(str(s.source), 0, s.source) for s in named.samples] if named.several else named.samples
        notes += named.notes
    return Pictures(samples, several=True, notes=tuple(notes))
