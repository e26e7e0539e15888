"""Pictures whose pixels are numbers of objects, as Pascal VOC's SegmentationObject has them; 0 and 255 are of none."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ft.data.images.decode import BadImage
from ft.data.images.header import Header
from ft.data.sources.mask import IGNORED, MaskFile, require_size
from ft.errors import printable
from ft.metrics.run_lengths import runs_of


def pieces_of(path: Path, image: Header, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return what each object covers that covers a pixel, as COCO's run lengths. numbers: of all objects.

    ValueError, a few words, where the file is none of that image's objects.
    """
    drawing = MaskFile(path)
    try:
        require_size(drawing.header(), image, drawing.name, "here")
        values = drawing.values(colours=False)
    except BadImage as fault:
        raise ValueError(f"{printable(path)}: {fault.reason}") from None
    strange = np.setdiff1d(values, [0, IGNORED, *numbers])
    if len(strange):
        told = f"pixels of object {strange[0]}, where {len(numbers)} are listed; number them in the order of the file"
        raise ValueError(f"{printable(path)}: {told}")
    return {n: runs_of(values == n).as_coco for n in numbers if (values == n).any()}
