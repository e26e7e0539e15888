"""The objects of a picture have a box and a class each: the network answers with boxes, classes and scores."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

from ft.tasks.box_task import BoxTask
from ft.tasks.task import Measure, Task

if TYPE_CHECKING:
    from ft.data import ImageBatches
    from ft.data.targets import Targets

LOGGED = (Measure("AP", "AP", ".4f"), Measure("AP50", "AP50", ".4f"))
MEASURES = (
    *LOGGED,
    *(Measure(name, name.replace("_", " "), ".4f") for name in ("AP75", "AP_small", "AP_medium", "AP_large")),
    *(Measure(name, name.replace("_", " "), ".4f") for name in ("AR1", "AR10", "AR100")),
    *(Measure(name, name.replace("_", " "), ".4f") for name in ("AR_small", "AR_medium", "AR_large")),
)
OUTPUTS = ("boxes", "scores", "classes")


@final
class Detection(BoxTask):
    """The objects of a picture have a box and a class each."""

    name = "detection"
    labels = "boxes"
    kinds = ("bbox",)
    logged, measures = LOGGED, MEASURES
    outputs = OUTPUTS

    def batches(self) -> "type[ImageBatches]":
        """Return what moves boxes with the pixels."""
        from ft.data.batches.boxes import BoxBatches

        return BoxBatches

    def beside(self, labels: Sequence[Any], *, dtype: str) -> "Targets":
        """Return nothing."""
        return {}


DETECTION: Task = Detection()
