"""Batches of pictures whose objects have masks: each is drawn at its picture's own size and moves as its pixels do."""

from collections.abc import Sequence

import numpy as np

from ft.data.batches.boxes import BoxBatches, padded
from ft.data.images.view import View
from ft.data.sources.box import Boxes
from ft.data.sources.boxes.outlines import masks_of
from ft.data.targets import Targets
from ft.metrics.run_lengths import runs_of


class InstanceBatches(BoxBatches):
    """The batches of one split of pictures whose objects have masks.

    What is not augmented has their masks in the pictures' own pixels, too, see `own_masks`.
    """

    def beside(self, view: View, own: Boxes, shown: np.ndarray) -> dict[str, np.ndarray]:
        """Return the masks of the boxes that a view shows. One mask at a time is as large as its picture."""
        rows = [np.packbits(view.shape(mask), axis=-1) for mask in masks_of(own, shown)]
        height, width = view.frame
        return {"masks": np.stack(rows) if rows else np.zeros((0, height, -(-width // 8)), np.uint8)}

    def targets(self, epoch: int, indices: np.ndarray, own: Sequence[Boxes]) -> Targets:
        """Return the targets of pictures with these boxes."""
        targets = super().targets(epoch, indices, own)
        return targets | {"own_masks": own_masks(own)} if "own_boxes" in targets else targets


def own_masks(own: Sequence[Boxes]) -> np.ndarray:
    """Return the masks of all boxes of pictures as `Runs` has them: bytes of texts, uint8 (N, P * L), filled with 0."""
    texts = [[runs_of(mask).counts.encode() for mask in masks_of(boxes)] for boxes in own]
    length = max((len(text) for row in texts for text in row), default=1)
    filled = [[np.frombuffer(text.ljust(length, b"\0"), np.uint8) for text in row] for row in texts]
    return padded([np.array(row, np.uint8).reshape(-1, length) for row in filled], 0).reshape(len(own), -1)
