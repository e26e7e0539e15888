"""The objects of a picture have a box, a class and a mask each: the network answers with all three."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ft.tasks.box_task import BoxTask
from ft.tasks.detection import LOGGED, MEASURES, OUTPUTS
from ft.tasks.task import Measure, Task

if TYPE_CHECKING:
    from ft.data import ImageBatches
    from ft.data.targets import Targets


def of_masks(measures: Sequence[Measure]) -> tuple[Measure, ...]:
    """Return the measures of masks that are called as those of boxes are."""
    return tuple(Measure(f"mask_{m.name}", f"mask {m.heading}", m.format) for m in measures)


@final
class Instances(BoxTask):
    """The objects of a picture have a box, a class and a mask each."""

    name = labels = "instances"
    kinds = ("bbox", "segm")
    logged, measures = (*LOGGED, *of_masks(LOGGED)), (*MEASURES, *of_masks(MEASURES))
    outputs = (*OUTPUTS, "masks")

    def batches(self) -> "type[ImageBatches]":
        """Return what moves boxes and masks with the pixels."""
        from ft.data.batches.instances import InstanceBatches

        return InstanceBatches

    def beside(self, labels: Sequence[Any], *, dtype: str) -> "Targets":
        """Return the masks of pictures, see ft/data/targets.py."""
        from ft.data.batches.boxes import padded  # not at the top: it reads images

        masks = [seen.masks for seen in labels]
        most = np.max([own.shape[1:] for own in masks], 0)  # pictures that keep their shape are of different sizes
        whole = [np.pad(own, ((0, 0), *((0, size) for size in most - own.shape[1:]))) for own in masks]
        return {"masks": padded(whole, 0)}


INSTANCES: Task = Instances()
