"""What tasks have in common whose network answers with boxes, classes and scores, whatever it says beside them."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import numpy as np

from ft.errors import DataError
from ft.metrics.detection import Found, Kind, PointScores, Scores, Truth, coco_scores, require_coco
from ft.metrics.matches import SURE
from ft.metrics.run_lengths import Runs, runs_of
from ft.network.boxes.pasting import paste
from ft.runs.predictions import escape
from ft.tasks.box_page import sections_of
from ft.tasks.box_rows import BoxRow, Pictured, read_box_rows, read_boxes, write_box_rows, write_boxes
from ft.tasks.refused import refuse
from ft.tasks.sections import Page
from ft.tasks.task import Arrays, Meter, PredictionTable, Score, Task

if TYPE_CHECKING:
    from ft.backend.objective import Objective
    from ft.data.targets import Targets
    from ft.recipe import Recipe

PREFIX = {"bbox": "", "segm": "mask_", "keypoints": "keypoint_"}  # of figures
REFUSED = {
    "loss": "its losses are those of its network",
    "label_smoothing": "its losses are those of its network",
    "class_weights": "its losses are those of its network",
    "mixup": "pictures with boxes are not blended",
    "cutmix": "pictures with boxes are not mixed",
    "erase": "a box that is erased would still have to be found",
    "randaugment": "its operations would move the pixels and not the boxes",
    "sampling": "a picture has many classes",
    "pool": "its head keeps every place of the map",
    "cut": "its head is made for the whole base",
}


def found_in(outputs: Arrays, targets: Arrays) -> list[Found]:
    """Return the detections of a batch in the pictures' own pixels, the best first.

    What fills up the rows is left out, and what lies wholly beside the picture, where it is filled up. Masks lie
    over the boxes as they were said, and are cut off with the picture.
    """
    detections = []
    masks, points = (outputs.get(name, [None] * len(outputs["boxes"])) for name in ("masks", "keypoints"))
    names = "boxes", "scores", "classes"
    rows = zip(*(outputs[name] for name in names), masks, points, targets["scale"], targets["size"], strict=True)
    for place, (boxes, scores, classes, said, marked, scale, (height, width)) in enumerate(rows):
        whole = boxes.astype(np.float64) * np.tile(scale, 2)
        own = np.clip(whole, 0, np.array([width, height] * 2, np.float64))
        there = (classes >= 0) & (own[:, 2:] > own[:, :2]).all(1)
        pasted = None
        if said is not None:
            pairs = zip(said[there], whole[there], strict=True)
            pasted = tuple(runs_of(paste(mask, box, int(height), int(width))) for mask, box in pairs)
        found = own[there], scores[there].astype(np.float64), classes[there].astype(np.int64)
        own_points = None
        if marked is not None:
            places = marked[there].astype(np.float64) * scale
            own_points = np.concatenate([places, outputs["heights"][place][there][..., None]], axis=-1)
        detections.append(Found(*found, pasted, own_points))
    return detections


def truths_in(targets: Arrays) -> list[Truth]:
    """Return all boxes of the pictures of a batch, in their own pixels."""
    rows = zip(targets["own_boxes"], targets["own_labels"], targets["own_aside"], strict=True)
    truths = [Truth(boxes[k >= 0], k[k >= 0], aside[k >= 0]) for boxes, k, aside in rows]
    if "own_points" in targets:
        pairs = zip(truths, targets["own_points"], targets["own_areas"], strict=True)
        return [
            own._replace(points=points[: len(own.classes)], sizes=areas[: len(own.classes)])
            for own, points, areas in pairs
        ]
    if "own_masks" not in targets:
        return truths
    texts = targets["own_masks"].reshape(*targets["own_labels"].shape, -1)
    masks = zip(truths, texts, targets["size"].tolist(), strict=True)
    return [own._replace(masks=runs_in(rows[: len(own.classes)], *size)) for own, rows, size in masks]


def require_fitting(outputs: Arrays, targets: Arrays) -> None:
    """Raise DataError where objects have another number of keypoints than the network says."""
    if "own_points" in targets:
        given, said = targets["own_points"].shape[2], outputs["keypoints"].shape[2]
        if given != said:
            raise DataError(f"the data has {given} keypoints, the network says {said}; evaluate on data with as many")


def runs_in(texts: np.ndarray, height: int, width: int) -> tuple[Runs, ...]:
    """Return masks, see ft/data/batches/instances.py."""
    return tuple(Runs(height, width, text.tobytes().rstrip(b"\0").decode("ascii")) for text in texts)


@final
class BoxMeter(Meter):
    """The boxes of every picture, true and found, for precision over recall is known when all are."""

    def __init__(self, classes: int, kinds: Sequence[Kind] = ("bbox",)) -> None:
        require_coco()
        self.classes, self.kinds = classes, tuple(kinds)
        self.rows: list[tuple[int, Truth, Found]] = []
        # of how many: asked for twice, and slow for many
        self.known: tuple[int, dict[str, Scores | PointScores]] | None = None

    @property
    def count(self) -> int:
        """Pictures so far."""
        return len(self.rows)

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of detections, see `found_in`, and of boxes in the pictures' own pixels."""
        require_fitting(outputs, targets)
        self.rows += zip(targets["index"].tolist(), truths_in(targets), found_in(outputs, targets), strict=True)

    def merge(self, other: Self) -> None:
        """Add what another meter saw."""
        self.rows += other.rows

    @property
    def scores(self) -> dict[str, Scores | PointScores]:
        """COCO's scores of all pictures so far by kind, in the data's order: of equal scores the first goes first."""
        if self.known is None or self.known[0] != self.count:
            rows = sorted(self.rows, key=lambda row: row[0])
            truths, detections = [truth for _, truth, _ in rows], [detections for _, _, detections in rows]
            judged = {kind: coco_scores(truths, detections, self.classes, kind) for kind in self.kinds}
            self.known = self.count, judged
        return self.known[1]

    def result(self) -> dict[str, Any]:
        """Return COCO's figures; those of masks as mask_AP and so on."""
        return {PREFIX[kind] + name: x for kind, scores in self.scores.items() for name, x in scores.figures.items()}

    def by_class(self) -> dict[str, np.ndarray]:
        """Return AP, AP50 and AR100 of every class, (K,), and precision at 101 recalls and IoU 0.5, (K, 101)."""
        every = self.scores
        rows = {
            f"class_{PREFIX[kind]}{name}": values
            for kind, scores in every.items()
            for name, values in scores.by_class.items()
        }
        boxes = every["bbox"]
        assert isinstance(boxes, Scores), "boxes have a curve"
        return {**rows, "curves": boxes.curves}


@final
class BoxTable(PredictionTable):
    """The boxes of every picture, true and found."""

    def __init__(self) -> None:
        self.rows: list[tuple[tuple[int, int], Truth, Found]] = []

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of detections, see `found_in`, and of boxes in the pictures' own pixels."""
        sizes = [(height, width) for height, width in targets["size"].tolist()]
        self.rows += zip(sizes, truths_in(targets), found_in(outputs, targets), strict=True)

    def write(self, folder: Path, names: Sequence[str], classes: Sequence[str]) -> None:
        """Write predictions.csv, boxes.json and detections.json."""
        pictures = [Pictured(name, *row) for name, row in zip(names, self.rows, strict=True)]
        write_box_rows(folder, pictures, classes)
        write_boxes(folder, pictures, classes)

    @staticmethod
    def read(folder: Path) -> Sequence[BoxRow]:
        """Return the lines of predictions.csv."""
        return read_box_rows(folder)

    @staticmethod
    def agree(a: BoxRow, b: BoxRow) -> bool:
        """Tell whether both find as many objects of each class, and as many of them rightly."""
        return (a.predicted, a.right) == (b.predicted, b.right)


class BoxTask(Task):
    """The objects of a picture have a box and a class each; `best` follows the boxes. kinds: of what is measured."""

    kinds: ClassVar[tuple[Kind, ...]]
    score = Score(
        "AP",
        "higher",
        word="mean AP",
        heading="AP (COCO)",
        axis="average precision, IoU 0.50 to 0.95 (%)",
        page="Average precision, IoU 0.50 to 0.95 (%)",
        scale=100,
    )
    share = None
    loss, loss_axis = None, "sum of the training losses"
    predictions = BoxTable

    @abstractmethod
    def beside(self, labels: Sequence[Any], *, dtype: str) -> "Targets":
        """Return what is to be learnt beside boxes and classes."""

    @final
    def require(self, recipe: "Recipe") -> None:
        """Raise RecipeError for what has no meaning for boxes, or where what measures them is not installed."""
        refuse(recipe, self.name, REFUSED)
        require_coco()

    @final
    def targets(self, labels: Sequence[Any], *, classes: int, dtype: str) -> "Targets":
        """Return boxes (N, M, 4) and box_labels (N, M), filled up to the same number, and what is beside them."""
        from ft.data.batches.boxes import padded  # not at the top: it reads images

        boxes = padded([np.asarray(seen.corners, np.float64).reshape(-1, 4) for seen in labels], 0.0)
        numbers = padded([seen.classes for seen in labels], -1)
        return {"boxes": boxes.astype(dtype), "box_labels": numbers, **self.beside(labels, dtype=dtype)}

    @final
    def objective(self, recipe: "Recipe", class_weights: tuple[float, ...] | None) -> "Objective":
        """Return the network's own losses."""
        from ft.backend.objective import Objective
        from ft.zoo import find_card

        detector = find_card(recipe.model).detector
        assert detector is not None
        return Objective(task=self.name, kind=detector.kind, detector=detector)

    @final
    def meter(self, classes: Sequence[str]) -> BoxMeter:
        """Return a meter that has seen nothing yet."""
        return BoxMeter(len(classes), self.kinds)

    @final
    def guesses(self, outputs: Arrays, targets: Arrays, top: int) -> list[list[tuple[int, float]]]:
        """Return class and score of the best detections, as many as were asked for, from a score of one half on."""
        boxes = {name: x for name, x in outputs.items() if name not in ("masks", "keypoints")}
        return [
            [(k, p) for k, p in zip(own.classes.tolist(), own.scores.tolist(), strict=True) if p >= SURE][:top]
            for own in found_in(boxes, targets)
        ]

    @final
    def idle(self, targets: Arrays) -> str | None:
        """Return that no picture of a batch has a box, None where one does."""
        return None if (targets["box_labels"] >= 0).any() else "no picture of the batch has a box"

    @final
    def boxes(self, outputs: Arrays, targets: Arrays) -> list[Found]:
        """Return all detections of each picture in its own pixels, best first."""
        return found_in(outputs, targets)

    @final
    def guess_columns(self, top: int) -> list[str]:
        """Return a column for the class of each detection that is asked for, and one for its score."""
        return [name + ("" if i == 1 else f"_{i}") for i in range(1, top + 1) for name in ("label", "score")]

    @final
    def guess_cells(self, guesses: Sequence[tuple[str, float]], top: int) -> list[str]:
        """Return the classes and scores of the best detections."""
        cells = [cell for label, score in guesses[:top] for cell in (escape(label), repr(score))]
        return cells + [""] * (2 * top - len(cells))

    @final
    def page(self, folder: Path, result: Mapping[str, Any]) -> Page:
        """Return the scores of the classes, the confusions, what was missed, and the pictures that went worst."""
        return Page(tuple(sections_of(read_boxes(folder), result)))
