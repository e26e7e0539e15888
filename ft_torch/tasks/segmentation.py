"""Segmentation: the training losses, means over the pixels that count, of logits (N, K, H, W) and masks (N, H, W).

A pixel counts as much as its class weighs, one of 255 nothing: where none counts the loss is 0.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ft.backend.objective import Objective
from ft.metrics.pixels import LEFT_OUT

TINY = torch.finfo(torch.float32).tiny  # what an empty sum is divided by


class Pixels(NamedTuple):
    """What masks say: labels int64 (N, H, W), 0 where none counts; counted (N, H, W) 0 or 1; weight of each pixel;
    what each class weighs (K,).
    """

    labels: Tensor
    counted: Tensor
    weight: Tensor
    classes: Tensor


def loss(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], objective: Objective) -> Tensor:
    """Return the mean by the pixels' weights: a part of a batch counts by its share of them."""
    logits, pixels = outputs["logits"], pixels_of(targets["mask"], outputs["logits"], objective)
    samples = torch.zeros_like(logits[:, 0, 0, 0])  # each one's loss times what its pixels weigh
    if objective.kind != "dice":
        samples = samples + cross_entropy(logits, pixels, objective)
    if objective.kind.endswith("dice"):
        samples = samples + dice(logits, pixels) * pixels.weight.sum((1, 2))
    return samples.sum() / pixels.weight.sum().clamp(min=TINY)


def right(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """Return 0: no picture is simply right."""
    return outputs["logits"].new_zeros(())


def pixels_of(mask: Tensor, logits: Tensor, objective: Objective) -> Pixels:
    """Return what masks uint8 (N, H, W) say."""
    counted = mask != LEFT_OUT
    labels = torch.where(counted, mask, 0).long()
    given = objective.class_weights
    classes = logits.new_ones(logits.shape[1]) if given is None else logits.new_tensor(given)
    counts = counted.to(logits.dtype)
    return Pixels(labels, counts, counts * classes[labels], classes)


def cross_entropy(logits: Tensor, pixels: Pixels, objective: Objective) -> Tensor:
    """Return the sum of the pixels' cross-entropies by sample (N,), as torch.nn.functional.cross_entropy has them.

    With gamma above 0 the term of class k counts (1 - p_k)^gamma, as in ft_torch/tasks/classification.py.
    """
    smoothing, gamma = objective.label_smoothing, objective.gamma
    log_p = F.log_softmax(logits, 1)
    terms = log_p * (1 - log_p.exp()) ** gamma if gamma else log_p
    own = terms.gather(1, pixels.labels[:, None])[:, 0] * pixels.weight
    if not smoothing:
        return -own.sum((1, 2))
    others = torch.einsum("nkhw,k->nhw", terms, pixels.classes) * pixels.counted / logits.shape[1]
    return -((1 - smoothing) * own + smoothing * others).sum((1, 2))


def dice(logits: Tensor, pixels: Pixels) -> Tensor:
    """Return 1 - the mean of 2 |A and B| / (|A| + |B|) over the classes that a mask has, by sample (N,).

    Source: Milletari et al., "V-Net", 3DV 2016, without its squares.
    """
    p = F.softmax(logits, 1) * pixels.counted[:, None]
    truth = F.one_hot(pixels.labels, logits.shape[1]).movedim(3, 1).to(logits.dtype) * pixels.counted[:, None]
    size = truth.sum((2, 3))
    present = (size > 0).to(logits.dtype)
    both = (p * truth).sum((2, 3))
    shares = 2 * both / (p.sum((2, 3)) + size).clamp(min=TINY)
    return 1 - (shares * present).sum(1) / present.sum(1).clamp(min=1)
