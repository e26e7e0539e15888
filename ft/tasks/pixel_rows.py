"""What is kept of every picture of a segmentation run: pixels by class in predictions.csv, and the worst masks."""

import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self
from zipfile import BadZipFile

import numpy as np

from ft.errors import RunError
from ft.system import files, reading
from ft.system.names import WORST_MASKS
from ft.tasks.count_rows import Counts, read_count_rows, write_count_rows

MOST = 1 << 28  # bytes of the worst masks


@dataclass(frozen=True)
class PixelRow:
    """One picture: pixels by class as they are (`label`) and as they are said to be, and the share that is right."""

    name: str
    label: Counts
    predicted: Counts
    right: float

    @classmethod
    def of(cls, confusion: np.ndarray) -> Self:
        """Return the row of a picture's confusion matrix; classes by their numbers, the name is to follow."""
        truth, said = ({str(k): int(n) for k, n in enumerate(confusion.sum(axis)) if n} for axis in (1, 0))
        return cls("", truth, said, float(np.trace(confusion)) / max(int(confusion.sum()), 1))


class Worst(NamedTuple):
    """A picture that went badly: its place in the split, its IoU, its mask and the predicted one, uint8 (H, W)."""

    index: int
    iou: float
    mask: np.ndarray
    predicted: np.ndarray


def write_pixel_rows(folder: Path, names: Iterable[str], rows: Iterable[PixelRow], classes: Sequence[str]) -> None:
    """Write predictions.csv: name,label,predicted,probability; cells as cat:1200|dog:31, the last one what is right."""
    both = ((row, *({classes[int(k)]: n for k, n in c.items()} for c in (row.label, row.predicted))) for row in rows)
    write_count_rows(folder, ((name, own, said, row.right) for name, (row, own, said) in zip(names, both, strict=True)))


def read_pixel_rows(folder: Path) -> list[PixelRow]:
    """Return the lines of predictions.csv."""
    return read_count_rows(
        folder,
        lambda name, own, said, right: PixelRow(name, own, said, float(right)),
        like="pixels by class, as cat:1200|dog:31",
    )


def write_worst(folder: Path, rows: Sequence[Worst]) -> None:
    """Write the masks of the worst pictures, for the page."""
    content = io.BytesIO()
    masks = np.array([[row.mask for row in rows], [row.predicted for row in rows]], np.uint8)
    index, iou = np.array([row.index for row in rows]), np.array([row.iou for row in rows])
    np.savez_compressed(content, index=index, iou=iou, masks=masks)
    files.write_bytes(Path(folder) / WORST_MASKS, content.getvalue())


def read_worst(folder: Path) -> list[Worst]:
    """Return the masks of the worst pictures; none where the file is gone or is not what a run wrote."""
    try:
        content = reading.read_bytes(Path(folder) / WORST_MASKS, most=MOST)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            index, iou, masks = arrays["index"], arrays["iou"], arrays["masks"]
    except (OSError, RunError, EOFError, LookupError, RuntimeError, TypeError, ValueError, BadZipFile, zlib.error):
        return []
    if index.dtype.kind != "i" or iou.dtype.kind != "f" or masks.dtype != np.uint8 or masks.ndim != 4:
        return []
    if not index.shape == iou.shape == masks.shape[1:2] or len(masks) != 2 or (index < 0).any():
        return []
    return [Worst(int(i), float(x), a, b) for i, x, a, b in zip(index, iou, *masks, strict=True)]
