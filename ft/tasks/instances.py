"""The objects of a picture have a box, a class and a mask each: the network answers with all three."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

from ft.tasks.detection import BoxMeter, Detection
from ft.tasks.task import Measure, Task

if TYPE_CHECKING:
    from ft.backend.objective import Objective
    from ft.data import ImageBatches
    from ft.data.targets import Targets
    from ft.recipe import Recipe

FIGURES = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR1", "AR10", "AR100")
FIGURES += ("AR_small", "AR_medium", "AR_large")


def of_masks(name: str) -> Measure:
    """Return the measure of masks that has a name of one of boxes."""
    return Measure(f"mask_{name}", f"mask {name}".replace("_", " "), ".4f")


@final
class Instances(Detection):
    """The objects of a picture have a box, a class and a mask each; `best` follows the boxes."""

    name = "instances"
    labels = "instances"
    logged = (*Detection.logged, of_masks("AP"), of_masks("AP50"))
    measures = (*Detection.measures, *(of_masks(name) for name in FIGURES))
    exported = False

    def batches(self) -> "type[ImageBatches]":
        """Return what moves boxes and masks with the pixels."""
        from ft.data.batches.instances import InstanceBatches

        return InstanceBatches

    def targets(self, labels: Sequence[Any], *, classes: int, dtype: str) -> "Targets":
        """Return the boxes and masks of pictures, see ft/data/targets.py."""
        from ft.data.batches.boxes import padded  # not at the top: it reads images

        boxes = super().targets(labels, classes=classes, dtype=dtype)
        return {**boxes, "masks": padded([seen.masks for seen in labels], 0)}

    def objective(self, recipe: "Recipe", class_weights: tuple[float, ...] | None) -> "Objective":
        """Return the losses of Mask R-CNN."""
        from ft.backend.objective import Objective

        return Objective(task="instances", kind="mask-rcnn")

    def meter(self, classes: Sequence[str]) -> BoxMeter:
        """Return a meter that has seen nothing yet."""
        return BoxMeter(len(classes), ("bbox", "segm"))


INSTANCES: Task = Instances()
