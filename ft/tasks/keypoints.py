"""The objects of a picture have a box, a class and keypoints each: the network answers with all three."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

from ft.metrics.detection import SIZES
from ft.tasks.box_task import BoxTask
from ft.tasks.detection import LOGGED, MEASURES, OUTPUTS
from ft.tasks.task import Measure, Task

if TYPE_CHECKING:
    from ft.data import ImageBatches
    from ft.data.targets import Targets

POINTS = (
    *(Measure(f"keypoint_{name}", f"keypoint {name}".replace("_", " "), ".4f") for name in ("AP", "AP50", "AP75")),
    *(Measure(f"keypoint_AP_{size}", f"keypoint AP {size}", ".4f") for size in SIZES[1:]),
    *(Measure(f"keypoint_{name}", f"keypoint {name}", ".4f") for name in ("AR", "AR50", "AR75")),
    *(Measure(f"keypoint_AR_{size}", f"keypoint AR {size}", ".4f") for size in SIZES[1:]),
)


@final
class Keypoints(BoxTask):
    """The objects of a picture have a box, a class and keypoints each."""

    name = labels = "keypoints"
    kinds = ("bbox", "keypoints")
    logged, measures = (*LOGGED, *POINTS[:2]), (*MEASURES, *POINTS)
    outputs = (*OUTPUTS, "heatmaps")

    def batches(self) -> "type[ImageBatches]":
        """Return what moves boxes and keypoints with the pixels."""
        from ft.data.batches.points import PointBatches

        return PointBatches

    def beside(self, labels: Sequence[Any], *, dtype: str) -> "Targets":
        """Return the keypoints of pictures, see ft/data/targets.py; nothing where nobody marked any."""
        from ft.data.batches.boxes import padded  # not at the top: it reads images

        points = [seen.points for seen in labels if seen.points is not None]
        return {"points": padded(points, 0.0).astype(dtype)} if len(points) == len(labels) else {}


KEYPOINTS: Task = Keypoints()
