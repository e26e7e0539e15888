"""The objects of a picture have a box, a class and a mask each: the network answers with all three.

What is not about masks is as in detection.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from ft.metrics.detection import Found, require_coco
from ft.tasks.detection import DETECTION, REFUSED, BoxMeter, BoxTable
from ft.tasks.refused import refuse
from ft.tasks.sections import Page
from ft.tasks.task import Arrays, Measure, Task

if TYPE_CHECKING:
    from ft.backend.objective import Objective
    from ft.data import ImageBatches
    from ft.data.targets import Targets
    from ft.recipe import Recipe


def of_masks(measures: Sequence[Measure]) -> tuple[Measure, ...]:
    """Return the measures of masks that are called as those of boxes are."""
    return tuple(Measure(f"mask_{m.name}", f"mask {m.heading}", m.format) for m in measures)


@final
class Instances(Task):
    """The objects of a picture have a box, a class and a mask each; `best` follows the boxes."""

    name = "instances"
    labels = "instances"
    score = DETECTION.score
    logged = (*DETECTION.logged, *of_masks(DETECTION.logged))
    measures = (*DETECTION.measures, *of_masks(DETECTION.measures))
    share = None
    outputs = (*DETECTION.outputs, "masks")
    loss, loss_axis = DETECTION.loss, DETECTION.loss_axis
    predictions = BoxTable

    def require(self, recipe: "Recipe") -> None:
        """Raise RecipeError for what has no meaning for boxes, or where what measures them is not installed."""
        refuse(recipe, self.name, REFUSED)
        require_coco()

    def batches(self) -> "type[ImageBatches]":
        """Return what moves boxes and masks with the pixels."""
        from ft.data.batches.instances import InstanceBatches

        return InstanceBatches

    def targets(self, labels: Sequence[Any], *, classes: int, dtype: str) -> "Targets":
        """Return the boxes and masks of pictures, see ft/data/targets.py."""
        from ft.data.batches.boxes import padded  # not at the top: it reads images

        boxes = DETECTION.targets(labels, classes=classes, dtype=dtype)
        return {**boxes, "masks": padded([seen.masks for seen in labels], 0)}

    def objective(self, recipe: "Recipe", class_weights: tuple[float, ...] | None) -> "Objective":
        """Return the losses of Mask R-CNN."""
        from ft.backend.objective import Objective
        from ft.zoo import find_card

        return Objective(task="instances", kind="mask-rcnn", detector=find_card(recipe.model).detector)

    def meter(self, classes: Sequence[str]) -> BoxMeter:
        """Return a meter that has seen nothing yet."""
        return BoxMeter(len(classes), ("bbox", "segm"))

    def guesses(self, outputs: Arrays, targets: Arrays, top: int) -> list[list[tuple[int, float]]]:
        """Return class and score of the best detections, as many as were asked for, from a score of one half on."""
        return DETECTION.guesses(outputs, targets, top)

    def idle(self, targets: Arrays) -> str | None:
        """Return that no picture of a batch has a box, None where one does."""
        return DETECTION.idle(targets)

    def boxes(self, outputs: Arrays, targets: Arrays) -> list[Found] | None:
        """Return all detections of each picture in its own pixels, best first, with their masks."""
        return DETECTION.boxes(outputs, targets)

    def guess_columns(self, top: int) -> list[str]:
        """Return a column for the class of each detection that is asked for, and one for its score."""
        return DETECTION.guess_columns(top)

    def guess_cells(self, guesses: Sequence[tuple[str, float]], top: int) -> list[str]:
        """Return the classes and scores of the best detections."""
        return DETECTION.guess_cells(guesses, top)

    def page(self, folder: Path, result: Mapping[str, Any]) -> Page:
        """Return what detection says, with the scores of masks by class."""
        return DETECTION.page(folder, result)


INSTANCES: Task = Instances()
