"""Batches of pictures with boxes, which move with the pixels."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ft.data.batches.base import Batch, Planned
from ft.data.batches.views import ViewBatches
from ft.data.images.pixels import Pixels
from ft.data.images.view import View
from ft.data.inputs import Padded, frame_of
from ft.data.settings import AS_THEY_ARE
from ft.data.sources.box import Boxes
from ft.data.sources.dataset import Sample
from ft.data.targets import Targets
from ft.noise import generator

NO_BOXES = np.zeros((0, 4)), np.zeros(0, np.int64)
ASPECTS = 2.0 ** np.linspace(-1, 1, 7)  # width over height where one group of pictures ends and the next begins
ROWS = 8  # boxes of a batch are filled up to a multiple of this, so that few different shapes are met


class Seen(NamedTuple):
    """The boxes of one picture as an epoch shows it: corners float64 (M, 4) in pixels of the input, classes (M,).

    masks, points: of objects that have some, see ft/data/targets.py.
    """

    corners: np.ndarray
    classes: np.ndarray
    masks: np.ndarray | None = None
    points: np.ndarray | None = None


class BoxBatches(ViewBatches):
    """The batches of one split of pictures whose labels are boxes.

    What is not augmented also says which pictures these are, `index`, how their own pixels are found again, and their
    own boxes, see `own_targets`.
    """

    def read(self, epoch: int, index: int) -> tuple[np.ndarray, Boxes]:
        """Return a picture as the network sees it in an epoch, and its boxes with its own size."""
        pixels = self.opened(index)
        label = self.samples[index].label
        height, width = pixels.shape[:2]
        own = label if isinstance(label, Boxes) else Boxes.of(height, width, *NO_BOXES)
        view = self.view(epoch, index, own.height, own.width)
        shown = view.pixels(pixels, self.preprocess.interpolation, self.preprocess.fill)
        return self.ready(shown, epoch, index), own

    def seen(self, epoch: int, index: int, own: Boxes) -> Seen:
        """Return the boxes of what an epoch shows, and what is beside them."""
        view, (corners, classes) = self.view(epoch, index, own.height, own.width), own.taught
        moved, kept = view.boxes(corners, own.height, own.width)
        shown = ~own.aside
        shown[shown] = kept
        return Seen(moved[kept], classes[kept], **self.beside(view, own, shown))

    def beside(self, view: View, own: Boxes, shown: np.ndarray) -> dict[str, np.ndarray]:
        """Return what is beside the boxes that a view shows, by name in `Seen`: here nothing. shown: bool (P,)."""
        return {}

    def targets_at(self, epoch: int, indices: np.ndarray) -> Targets:
        """Return the boxes of positions in the split, as an epoch has them."""
        labels = [self.samples[i].label for i in indices]
        return self.targets(epoch, indices, [label for label in labels if isinstance(label, Boxes)])

    def targets(self, epoch: int, indices: np.ndarray, own: Sequence[Boxes]) -> Targets:
        """Return the targets of pictures with these boxes."""
        taught = self.teach([self.seen(epoch, i, boxes) for i, boxes in zip(indices, own, strict=True)])
        if self.augmentation != AS_THEY_ARE:
            return taught
        views = [self.view(epoch, i, boxes.height, boxes.width) for i, boxes in zip(indices, own, strict=True)]
        return taught | {"index": np.asarray(indices, np.int64)} | own_targets(own, views)

    def batch(self, epoch: int, number: int, indices: np.ndarray, read: list[tuple[np.ndarray, Boxes]]) -> Batch:
        """Return the batch of pictures and boxes."""
        targets = self.targets(epoch, indices, [own for _, own in read])
        return Batch(self.inputs([picture for picture, _ in read]), targets, indices, number)

    def inputs(self, images: list[np.ndarray]) -> np.ndarray | Pixels | Padded:
        """Return finished pictures (h, w, C) as a network's input, padded where they are of different sizes."""
        return super().inputs(images) if self.preprocess.longest is None else Padded.of(images)

    def made(self, epoch: int, planned: Planned, read: list[Any]) -> Batch:
        """Return the batch of pictures that were read; of several ranks' padded as far as that of all of them."""
        batch = super().made(epoch, planned, read)
        if planned.place is None or not isinstance(batch.inputs, Padded):
            return batch
        return replace(batch, inputs=batch.inputs.at_least(self.frame(epoch, planned.place.indices)))

    def frame(self, epoch: int, indices: np.ndarray) -> tuple[int, int]:
        """Return height and width of a batch of these pictures as an epoch shows them."""
        views = [self.view(epoch, i, *sides_of(self.samples[i])) for i in indices]
        return frame_of(np.array([view.frame for view in views]))

    def plan(self, epoch: int) -> list[np.ndarray]:
        """Return the positions of every batch of an epoch, pictures of like shapes together where that is asked for.

        Whole batches are of the epoch's order sorted by shape, and their order is drawn; what is left over stays last.
        Source: the bins are those of torchvision's reference, --aspect-ratio-group-factor 3.
        """
        batches = super().plan(epoch)
        count, size = len(self.samples) // self.sampling.batch_size, self.sampling.batch_size
        if not self.sampling.by_aspect or not self.sampling.shuffle or not count:
            return batches
        order = np.concatenate(batches[:count])
        grouped = order[np.argsort(self.groups[order], kind="stable")].reshape(count, size)
        drawn = generator(self.sampling.seed, "groups", epoch).permutation(count)
        return [*grouped[drawn], *batches[count:]]

    @cached_property
    def groups(self) -> np.ndarray:
        """The number of the bin of each picture's width over height, (N,)."""
        sides = np.array([sides_of(sample) for sample in self.samples])
        return np.digitize(sides[:, 1] / sides[:, 0], ASPECTS)


def sides_of(sample: Sample) -> tuple[int, int]:
    """Return height and width of a picture with boxes, known without opening it."""
    assert isinstance(sample.label, Boxes)
    return sample.label.height, sample.label.width


def own_targets(own: Sequence[Boxes], views: Sequence[View]) -> Targets:
    """Return what detections are judged by, in the pictures' own pixels.

    size: height and width of each, int64 (N, 2); scale: its own pixels to one of the input, for x and y, (N, 2);
    own_boxes, own_labels, own_aside: all its boxes, classes (-1: no box) and what is set aside, (N, P, 4) and (N, P).
    """
    pairs = list(zip(own, views, strict=True))
    return {
        "size": np.array([(boxes.height, boxes.width) for boxes in own], np.int64).reshape(-1, 2),
        "scale": np.array([(b.width / v.width, b.height / v.height) for b, v in pairs], np.float64).reshape(-1, 2),
        "own_boxes": padded([boxes.corners for boxes in own], 0.0),
        "own_labels": padded([boxes.classes for boxes in own], -1),
        "own_aside": padded([boxes.aside for boxes in own], False),
    }


def padded(rows: Sequence[np.ndarray], filling: Any) -> np.ndarray:
    """Return arrays (M, ...) of any M as one (N, P, ...), P a multiple of `ROWS`, filled up with `filling`."""
    most = max((len(row) for row in rows), default=0)
    length = max(-(-most // ROWS) * ROWS, ROWS)
    full = np.full((len(rows), length, *rows[0].shape[1:]), filling, rows[0].dtype)
    for place, row in zip(full, rows, strict=True):
        place[: len(row)] = row
    return full
