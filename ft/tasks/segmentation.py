"""Every pixel of a picture has a class: the network answers with a mask."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from ft.errors import RecipeError
from ft.metrics.pixels import LEFT_OUT, PixelCounts, pixel_confusion, pixel_scores
from ft.runs.predictions import escape
from ft.tasks.pixel_rows import PixelRow, Worst, read_pixel_rows, read_worst, write_pixel_rows, write_worst
from ft.tasks.sections import ByClass, Page, WorstMasks
from ft.tasks.task import Arrays, Measure, Meter, PredictionTable, Score, Task

if TYPE_CHECKING:
    from ft.backend.objective import Objective
    from ft.data import ImageBatches, Sample
    from ft.data.targets import Targets
    from ft.recipe import Recipe

WORST = 12  # pictures that the page shows
REFUSED = {  # fields of a recipe that have no meaning for masks: name -> (the value that is none, why)
    "mixup": (0.0, "masks cannot be blended"),
    "cutmix": (0.0, "masks are not mixed"),
    "erase": (0.0, "a box that is erased would still have its classes"),
    "randaugment": (None, "its operations would move the pixels and not the masks"),
    "sampling": ("shuffle", "a picture has many classes"),
    "pool": (None, "its head keeps every place of the map"),
    "cut": (None, "its head is made for the whole base"),
}


@final
class MaskMeter(Meter):
    """Counts and sums: nothing of a single picture is kept."""

    def __init__(self, classes: int) -> None:
        self.counts = PixelCounts(classes)

    @property
    def count(self) -> int:
        """Pictures so far."""
        return self.counts.count

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of logits (N, H, W, K) and masks (N, H, W)."""
        self.counts.update(outputs["logits"], targets["mask"])

    def merge(self, other: Self) -> None:
        """Add what another meter saw."""
        self.counts.merge(other.counts)

    def result(self) -> dict[str, Any]:
        """Return mean_iou, pixel_accuracy and loss."""
        mean_iou = pixel_scores(self.counts.confusion).mean_iou
        return {"mean_iou": mean_iou, "pixel_accuracy": self.counts.accuracy, "loss": self.counts.loss}

    def by_class(self) -> dict[str, np.ndarray]:
        """Return how many pixels of each class are taken for which, (K, K)."""
        return {"pixel_confusion": self.counts.confusion}


@final
class MaskTable(PredictionTable):
    """How many pixels of each class a picture has, how many it is said to have, and the masks of the worst pictures."""

    def __init__(self) -> None:
        self.rows: list[PixelRow] = []
        self.worst: list[Worst] = []

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of logits (N, H, W, K) and masks (N, H, W)."""
        logits, masks = outputs["logits"], targets["mask"]
        for mask, predicted in zip(masks, logits.argmax(-1).astype(np.uint8), strict=True):
            confusion = pixel_confusion(mask, predicted, logits.shape[-1])
            self.rows.append(PixelRow.of(confusion))
            self.worst.append(Worst(len(self.rows) - 1, pixel_scores(confusion).mean_iou, mask, predicted))
        self.keep_worst()

    def keep_worst(self) -> None:
        """Keep the pictures with the lowest IoU."""
        self.worst = sorted(self.worst, key=lambda row: (np.nan_to_num(row.iou, nan=2.0), row.index))[:WORST]

    def merge(self, other: Self) -> None:
        """Add the lines of another table behind the own ones."""
        self.worst += [row._replace(index=row.index + len(self.rows)) for row in other.worst]
        self.rows += other.rows
        self.keep_worst()

    def write(self, folder: Path, names: Sequence[str], classes: Sequence[str]) -> None:
        """Write predictions.csv, and beside it the worst masks."""
        write_pixel_rows(folder, names, self.rows, classes)
        write_worst(folder, self.worst)

    @staticmethod
    def read(folder: Path) -> Sequence[PixelRow]:
        """Return the lines of predictions.csv."""
        return read_pixel_rows(folder)

    @staticmethod
    def agree(a: PixelRow, b: PixelRow) -> bool:
        """Tell whether both give the classes as many pixels, but for one in a thousand, and are right as often."""
        classes = {*a.predicted, *b.predicted}
        moved = sum(abs(a.predicted.get(k, 0) - b.predicted.get(k, 0)) for k in classes)
        return moved <= 2e-3 * sum(a.predicted.values()) and abs(a.right - b.right) <= 1e-3


@final
class Segmentation(Task):
    """Every pixel has a class: masks (N, H, W)."""

    name = "segmentation"
    labels = "masks"
    score = Score(
        "mean_iou",
        "higher",
        word="mean IoU",
        heading="Mean IoU",
        axis="mean intersection over union (%)",
        page="Mean intersection over union (%)",
        scale=100,
    )
    logged = (Measure("mean_iou", "mean IoU", ".4f"), Measure("pixel_accuracy", "pixels right", "%"))
    measures = (*logged, Measure("loss", "loss", ".4f"))
    share = None
    loss, loss_axis = "cross-entropy", "cross-entropy of a pixel (nats)"
    predictions = MaskTable

    def require(self, recipe: "Recipe") -> None:
        """Raise RecipeError for what has no meaning for masks."""
        for name, (none, why) in REFUSED.items():
            if getattr(recipe, name, none) != none:
                raise RecipeError(f"{name}: not for segmentation: {why}; leave it out")
        if recipe.head_layers is not None:
            raise RecipeError(f"head: {recipe.head} is no head for masks; say new or keep")
        if recipe.loss.startswith("bce"):
            raise RecipeError(f"loss: {recipe.loss} gives a pixel any number of classes; say cross-entropy or dice")

    def batches(self) -> "type[ImageBatches]":
        """Return what moves masks with the pixels."""
        from ft.data.batches.masks import MaskBatches

        return MaskBatches

    def counts(self, samples: "Sequence[Sample]", classes: int) -> np.ndarray:
        """Return how many pixels of the masks each class has, int64 (K,)."""
        from ft.data.sources.mask import Mask  # not at the top: it reads images

        counts = np.zeros(LEFT_OUT + 1, np.int64)
        for mask in (sample.label for sample in samples if isinstance(sample.label, Mask)):
            counts += np.bincount(mask.read().ravel(), minlength=LEFT_OUT + 1)
        return counts[:classes]

    def targets(self, labels: Sequence[Any], *, classes: int, dtype: str) -> "Targets":
        """Return the masks (N, H, W) of one size each."""
        return {"mask": np.stack(labels)}

    def objective(self, recipe: "Recipe", class_weights: tuple[float, ...] | None) -> "Objective":
        """Return the loss that the recipe names."""
        from ft.tasks.objective import objective_of  # not at the top: it reads YAML and images

        return objective_of(recipe, class_weights, task="segmentation")

    def meter(self, classes: Sequence[str]) -> MaskMeter:
        """Return a meter that has seen nothing yet."""
        return MaskMeter(len(classes))

    def guesses(self, outputs: Arrays, targets: Arrays, top: int) -> list[list[tuple[int, float]]]:
        """Return the share of the pixels that each class covers, the largest first, as many as were asked for."""
        guesses = []
        for mask, logits in zip(targets["mask"], outputs["logits"], strict=True):
            (row,) = pixel_confusion(mask, logits.argmax(-1), logits.shape[-1]).sum(0, keepdims=True)
            shares = row / max(row.sum(), 1)
            guesses.append([(int(k), float(shares[k])) for k in np.argsort(-shares, kind="stable")[:top] if shares[k]])
        return guesses

    def idle(self, targets: Arrays) -> str | None:
        """Return that no pixel of a batch counts, None where one does."""
        return None if (targets["mask"] != LEFT_OUT).any() else "no pixel of the batch counts, its loss is 0"

    def masks(self, outputs: Arrays, targets: Arrays) -> list[np.ndarray]:
        """Return the mask of each picture, the class with the largest logit, by the nearest pixel at its own size."""
        from ft.data.images.view import fitted

        said = outputs["logits"].argmax(-1).astype(np.uint8)
        views = (fitted(height, width, said.shape[1]) for height, width in targets["size"].tolist())
        sizes = targets["size"].tolist()
        return [view.restored(mask, *size) for view, mask, size in zip(views, said, sizes, strict=True)]

    def guess_columns(self, top: int) -> list[str]:
        """Return a column for each class that is asked for, and one for its share of the pixels."""
        return [name + ("" if i == 1 else f"_{i}") for i in range(1, top + 1) for name in ("label", "share")]

    def guess_cells(self, guesses: Sequence[tuple[str, float]], top: int) -> list[str]:
        """Return the classes that cover most, and their shares."""
        cells = [cell for label, share in guesses[:top] for cell in (escape(label), repr(share))]
        return cells + [""] * (2 * top - len(cells))

    def page(self, folder: Path, result: Mapping[str, Any]) -> Page:
        """Return the scores of the classes, the confusions and the pictures with the lowest IoU."""
        confusion, rows = np.array(result["pixel_confusion"], np.int64), read_pixel_rows(folder)
        scores = pixel_scores(confusion)
        columns = {"IoU": scores.iou, "Dice": scores.dice, "recall": scores.recall}
        there = [(rows[w.index].name, w) for w in read_worst(folder) if w.index < len(rows)]
        worst = WorstMasks(there, result["classes"], result.get("colours", ()))
        table = ByClass(result["classes"], columns, "IoU", scores.support, confusion=confusion, unit="pixels")
        return Page((table, worst))


SEGMENTATION: Task = Segmentation()
