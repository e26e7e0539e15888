"""What a source holds, before labels are numbered and splits are made; folders and manifests fill it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ft.data.sources.text import Text
from ft.errors import listed, printable

TRAIN_NAMES = ("train", "training")
VAL_NAMES = ("val", "valid", "validation")
TEST_NAMES = ("test", "testing")
# what a folder's name says, in any case
SPLITS: dict[str, str] = {name: names[0] for names in (TRAIN_NAMES, VAL_NAMES, TEST_NAMES) for name in names}
UNLABELLED_TEST = "test images without labels, left for ft predict"
Thing = Literal["image", "text"]


@dataclass(frozen=True, eq=False)
class Entry:
    """One image or text as the source lists it: split "train", "val", "test" or "", where it has none; its label.

    several: its labels where the data is multi-label, in byte order; `label` is then the same in one text.
    """

    split: str
    label: str
    name: str
    source: Path | np.ndarray | Text
    several: tuple[str, ...] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels of the image: one, or what a multi-label source says."""
        return (self.label,) if self.several is None else self.several

    @property
    def learns(self) -> bool:
        """Whether it is there to be trained on, as far as the source says."""
        return self.split not in ("val", "test")


@dataclass(frozen=True, eq=False)
class Listing:
    """All that a source holds. `folders` are the class folders of train, the empty ones too.

    ignored: reason -> names of what was left out and told in a note; hidden: how many hidden files and folders, and
    leftovers of file managers, were passed over in silence; multilabel: an image may have several labels, or none;
    thing: what an entry is, in words.
    """

    name: str
    entries: list[Entry]
    folders: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    image_size: int | None = None
    ignored: dict[str, set[str]] = field(default_factory=dict)
    hidden: int = 0
    multilabel: bool = False
    thing: Thing = "image"


class Inside:
    """Tells which files belong to the data below `root`, links resolved; `outside`: wherever they lead."""

    def __init__(self, root: Path, *, outside: bool = False) -> None:
        self.root, self.outside = root.resolve(), outside
        self.folders: dict[Path, bool] = {}  # resolved once: a manifest may have a million rows

    def holds(self, path: Path) -> bool:
        """Say whether a path is a regular file of the data."""
        try:
            return path.is_file() and (self.outside or self.leads_inside(path))
        except (OSError, RuntimeError):  # a link to itself
            return False

    def leads_inside(self, path: Path) -> bool:
        """Say whether an existing path lies below the root."""
        if path.is_symlink():
            return path.resolve().is_relative_to(self.root)
        if path.parent not in self.folders:
            self.folders[path.parent] = path.parent.resolve().is_relative_to(self.root)
        return self.folders[path.parent]


def worded(reason: str, thing: Thing) -> str:
    """Return one of the reasons for which images are left out as it is said of these things."""
    return reason.replace("image", thing)


def labels_in(entries: Iterable[Entry]) -> set[str]:
    """Return the labels that occur."""
    return {label for entry in entries for label in entry.labels}


def note(reason: str, names: Iterable[str]) -> list[str]:
    """Return no line for no names, else one with their count and the first three."""
    names = sorted(map(printable, names))
    return [f"{reason}: {len(names)} ({listed(names, 3)})"] if names else []


def name_bytes(name: str) -> bytes:
    """Return the bytes of a file's name, also where they are not UTF-8."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a character, as JSON can say it: no file has such a name, a class may not
        return name.encode("utf-8", "surrogatepass")
