"""Pictures of different sizes: a list, as torchvision's detectors take them, and the same as a padded batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from ft.data import Batch, Padded
from ft.data.batches.boxes import padded
from ft.noise import generator
from ft.tasks import TASKS

SHORT, LONGEST = 64, 96
# resized by powers of two, which torchvision's float32 ratios hold; the largest height is told as another scale of the
# maps than that of the padded images
SIDES = ((128, 160), (96, 192), (132, 128), (64, 64))
Targets = list[dict[str, Tensor]]


def pictures_of(sides: Sequence[tuple[int, int]] = SIDES) -> list[Tensor]:
    """Return noise (3, h, w) of these heights and widths."""
    rng = generator(3, "pictures")
    return [torch.from_numpy(rng.normal(size=(3, *size))) for size in sides]


def targets_of(classes: int, *, keypoints: int = 0, sides: Sequence[tuple[int, int]] = SIDES) -> Targets:
    """Return boxes with masks, an ellipse each, in the pictures' own pixels, classes from 0; the second has none."""
    rng, targets = generator(5, "pictures' boxes"), []
    for number, (height, width) in enumerate(sides):
        count = 0 if number == 1 else 5
        corners = rng.uniform(0, 0.6, (count, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(0.2, 0.4, (count, 2))], 1)
        boxes[:1] = 0.2, 0.3, 1, 1  # to the picture's lower right corner
        boxes = (boxes * np.tile([width, height], 2)).astype(np.float32)
        own = {"boxes": boxes.astype(np.float64), "labels": rng.integers(0, classes, count)}
        own["masks"] = ellipses(own["boxes"], height, width)
        if keypoints:
            shares = rng.uniform(-0.2, 1.2, (count, keypoints, 2))
            places = boxes[:, None, :2] + shares * (boxes[:, None, 2:] - boxes[:, None, :2])
            marked = rng.integers(0, 3, (count, keypoints, 1))
            own["keypoints"] = np.concatenate([places, marked], -1).astype(np.float32)
        targets.append({name: torch.from_numpy(x) for name, x in own.items()})
    return targets


def ellipses(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return masks uint8 (M, H, W) that fill boxes and reach out of them a little."""
    y, x = np.mgrid[:height, :width] + 0.5
    x1, y1, x2, y2 = (boxes[:, i, None, None] for i in range(4))
    away = ((2 * x - x1 - x2) / (x2 - x1)) ** 2 + ((2 * y - y1 - y2) / (y2 - y1)) ** 2
    return (away < 1.1).astype(np.uint8)


def resizing(network: nn.Module) -> nn.Module:
    """Return torchvision's network with its own transform, but for the mean and the deviation of pixels."""
    network.transform = GeneralizedRCNNTransform(SHORT, LONGEST, [0.0] * 3, [1.0] * 3)
    return network


def batch_of(network: Any, pictures: Sequence[Tensor], targets: Targets, task: str) -> Batch:
    """Return what torchvision's transform makes of pictures and targets as a batch of this project."""
    images, moved = network.transform(pictures, [dict(own) for own in targets])
    height, width = np.max(images.image_sizes, 0).tolist()
    inputs = Padded(images.tensors.permute(0, 2, 3, 1).contiguous().numpy(), np.array(images.image_sizes))
    arrays = [{name: x.numpy() for name, x in own.items()} for own in moved]
    taught = {"boxes": padded([own["boxes"] for own in arrays], 0.0)}
    taught["box_labels"] = padded([own["labels"] for own in arrays], -1)
    if task == "instances":
        masks = [np.pad(m, ((0, 0), (0, height - m.shape[1]), (0, width - m.shape[2]))) for m in of(arrays, "masks")]
        taught["masks"] = padded([np.packbits(own, axis=-1) for own in masks], 0)
    if task == "keypoints":
        taught["points"] = padded([own.astype(np.float64) for own in of(arrays, "keypoints")], 0.0)
    return Batch.of(inputs, **taught)


def of(arrays: Sequence[Mapping[str, np.ndarray]], name: str) -> list[np.ndarray]:
    """Return what each has by a name."""
    return [own[name] for own in arrays]


def found_in(
    outputs: Mapping[str, np.ndarray], batch: Batch, task: str, sides: Sequence[tuple[int, int]] = SIDES
) -> Any:
    """Return what is found, in the pictures' own pixels."""
    assert isinstance(batch.inputs, Padded)
    own = np.array(sides)
    return TASKS[task].boxes(dict(outputs), {"size": own, "scale": (own / batch.inputs.sizes)[:, ::-1]})
