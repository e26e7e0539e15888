"""Mixup and cutmix: a batch and its targets (N, K), mixed with the same batch turned by one place.

    mixup    x' = lam * x + (1 - lam) * roll(x)
    cutmix   x' = x outside a box, roll(x) inside; lam = 1 - area of the box / area of the image
    both     t' = lam * t + (1 - lam) * roll(t), where t is one-hot, or 0 and 1 for each class of multi-label data

`roll` puts the image before in each image's place: the batch is shuffled already, so its neighbour is a random partner.
lam is one number a batch, drawn from Beta(alpha, alpha); with both asked for, each batch takes one, at even odds. What
a batch gets is a pure function of (seed, epoch, number of the batch).
Sources: Zhang et al., "mixup", ICLR 2018; Yun et al., "CutMix", ICCV 2019; the forms are torchvision.transforms.v2's.
"""

import math
from dataclasses import dataclass

import numpy as np

from ft.data.targets import Targets, as_shares
from ft.noise import generator

Box = tuple[int, int, int, int]  # top, left, bottom, right
Mixed = tuple[np.ndarray, np.ndarray]  # images (N, H, W, 3) and shares (N, K)


@dataclass(frozen=True)
class Mix:
    """How to mix batches. mixup, cutmix: alpha of each, 0 leaves it out; classes: K of the targets."""

    mixup: float
    cutmix: float
    classes: int
    seed: int

    def apply(self, images: np.ndarray, targets: Targets, *, epoch: int, number: int) -> tuple[np.ndarray, Targets]:
        """Return batch `number` of an epoch, mixed: its targets are shares. images: float (N, H, W, 3)."""
        rng = generator(self.seed, "mix", epoch, number)
        cut = self.cutmix > 0 and (self.mixup == 0 or rng.random() < 0.5)
        alpha = self.cutmix if cut else self.mixup
        lam = float(rng.beta(alpha, alpha))
        shares = as_shares(targets, self.classes, images.dtype)
        if cut:
            images, shares = cutmix(images, shares, draw_box(images.shape[1], images.shape[2], lam, rng))
        else:
            images, shares = mixup(images, shares, lam)
        return images, {"shares": shares}


def mixup(images: np.ndarray, shares: np.ndarray, lam: float) -> Mixed:
    """Return every image and its shares blended with those of the image before."""
    return blend(images, lam), blend(shares, lam)


def cutmix(images: np.ndarray, shares: np.ndarray, box: Box) -> Mixed:
    """Return every image with the box of the image before pasted in, and shares blended by what is left of it."""
    top, left, bottom, right = box
    mixed = images.copy()
    mixed[:, top:bottom, left:right] = np.roll(images, 1, axis=0)[:, top:bottom, left:right]
    lam = 1 - (right - left) * (bottom - top) / (images.shape[1] * images.shape[2])
    return mixed, blend(shares, lam)


def blend(x: np.ndarray, lam: float) -> np.ndarray:
    """Return lam * x + (1 - lam) * roll(x) in x's own type."""
    return np.roll(x, 1, axis=0) * x.dtype.type(1 - lam) + x * x.dtype.type(lam)


def draw_box(height: int, width: int, lam: float, rng: np.random.Generator) -> Box:
    """Draw a box of a share 1 - lam of the image, its centre anywhere, so that the edge may cut it off."""
    half = 0.5 * math.sqrt(1 - lam)
    across, down = int(half * width), int(half * height)
    x, y = int(rng.integers(width)), int(rng.integers(height))
    return max(y - down, 0), max(x - across, 0), min(y + down, height), min(x + across, width)
