"""Batches of pictures whose objects have keypoints, which move with the pixels."""

from collections.abc import Sequence

import numpy as np

from ft.data.batches.boxes import BoxBatches, padded
from ft.data.images.view import View
from ft.data.sources.box import Boxes
from ft.data.targets import Targets


class PointBatches(BoxBatches):
    """The batches of one split of pictures whose objects have keypoints.

    What is not augmented has them in the pictures' own pixels, too: own_points (N, P, K, 3), own_areas (N, P).
    """

    def beside(self, view: View, own: Boxes, shown: np.ndarray) -> dict[str, np.ndarray]:
        """Return the keypoints of the boxes that a view shows, where the data has any."""
        if own.points is None:
            return {}
        return {"points": view.points(own.points[shown], own.height, own.width, own.swaps)}

    def targets(self, epoch: int, indices: np.ndarray, own: Sequence[Boxes]) -> Targets:
        """Return the targets of pictures with these boxes."""
        targets = super().targets(epoch, indices, own)
        points = [boxes.points for boxes in own if boxes.points is not None]
        if "own_boxes" not in targets or len(points) < len(own):
            return targets
        areas = [boxes.areas for boxes in own if boxes.areas is not None]
        return targets | {"own_points": padded(points, 0.0), "own_areas": padded(areas, 0.0)}
