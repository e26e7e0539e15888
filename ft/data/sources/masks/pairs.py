"""What a source of masks holds, before values become classes and splits are made; a file for each layout fills it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ft.data.images.decode import BadImage
from ft.data.images.header import Header, header_at
from ft.data.sources.listing import SPLITS
from ft.data.sources.mask import Coding, Drawing, require_size
from ft.errors import printable

LONE = "ignored, masks without an image"


@dataclass(frozen=True, eq=False)
class Pair:
    """One image and its mask, as the source lists them: split "train", "val", "test", or "" where it has none.

    name, mask: their paths in the data; drawing: None where there is no mask, with `mask` the one that was expected.
    """

    split: str
    name: str
    source: Path | np.ndarray
    mask: str
    drawing: Drawing | None

    @property
    def place(self) -> str:
        """Where the image is, for a message."""
        return printable(self.source) if isinstance(self.source, Path) else self.name

    @property
    def header(self) -> Header:
        """The image's size; BadImage where its header cannot be read."""
        return header_at(self.source)

    def require_geometry(self) -> None:
        """Raise BadImage where the mask is missing, its header cannot be read, or its size is not the image's."""
        image = self.header
        if self.drawing is None:
            raise BadImage("mask missing", f"no mask; expected {self.mask}, add it or remove the image", self.place)
        require_size(self.drawing.header(), image, self.drawing.name, self.name)


@dataclass(frozen=True, eq=False)
class MaskListing:
    """All that a source of masks holds.

    names, coding: the classes and their values, None where these are to be found in the masks; ignored: reason -> names
    of what was left out and told in a note; hidden: how many hidden files were passed over.
    """

    name: str
    pairs: list[Pair]
    names: tuple[str, ...] | None = None
    coding: Coding | None = None
    notes: list[str] = field(default_factory=list)
    ignored: Mapping[str, set[str]] = field(default_factory=dict)
    hidden: int = 0
    image_size: int | None = None


def split_in(parts: Iterable[str]) -> str:
    """Return the split that the first folder of a path names, "" where it names none."""
    first = next(iter(parts), "")
    return SPLITS.get(first.lower(), "")
