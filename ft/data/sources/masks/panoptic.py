"""COCO's panoptic masks: a PNG whose colour is the number of a segment, and a table of the category of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ft.data.images.decode import MAX_PIXELS
from ft.data.images.header import Header
from ft.data.sources.mask import IGNORED, Coding, MaskFile


@dataclass(frozen=True, eq=False)
class Segments:
    """The mask of one image. categories: number of a segment -> value; pixels of segment 0 are ignored."""

    path: Path
    categories: Mapping[int, int]

    @property
    def name(self) -> str:
        """The path, for a message."""
        return MaskFile(self.path).name

    def header(self) -> Header:
        """Return what the PNG's header says."""
        return MaskFile(self.path).header()

    def values(self, *, colours: bool, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """Return the value of each pixel's category, uint8 (H, W)."""
        rgb = MaskFile(self.path).values(colours=True, max_pixels=max_pixels)
        number = (rgb >> 16) + (rgb & 0xFF00) + ((rgb & 255) << 16)  # red counts ones, green 256, blue 65536
        return Coding({0: IGNORED, **self.categories}).read(number, self.name)

    def announced(self) -> None:
        """Leave it to the pixels, which may name a segment that the table has not."""
