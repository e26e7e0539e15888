"""Classification: the training losses, means over the batch, of logits (N, K).

Labels are class numbers (N,), or a share or truth value of each class (N, K), as after mixup.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ft.backend.objective import Objective
from ft.data.targets import classes_of


def loss(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], objective: Objective) -> Tensor:
    """Return the mean by the samples' weights in the objective: a part of a batch counts by its share of them."""
    logits, labels = outputs["logits"], classes_of(targets)
    smoothing, gamma, weights = objective.label_smoothing, objective.gamma, objective.class_weights
    if objective.kind == "focal":
        return focal_loss(logits, labels, gamma=gamma, label_smoothing=smoothing, class_weights=weights)
    if objective.kind == "bce":
        return binary_cross_entropy(logits, labels, gamma=gamma, label_smoothing=smoothing, class_weights=weights)
    return cross_entropy(logits, labels, label_smoothing=smoothing, class_weights=weights)


def right(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """Return how many samples have their highest logit where their label is, or the largest of their shares."""
    logits, labels = outputs["logits"], classes_of(targets)
    labels = labels if labels.ndim == 1 else labels.argmax(1)
    return (logits.argmax(1) == labels).sum().to(logits.dtype)


def cross_entropy(
    logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None
) -> Tensor:
    """Return the mean cross-entropy, as torch.nn.functional.cross_entropy has it.

    With class weights the mean divides by the sum of the labels' weights, and by N where labels are shares.
    """
    weights = None if class_weights is None else logits.new_tensor(class_weights)
    labels = labels if labels.ndim == 1 else labels.to(logits.dtype)
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing, weight=weights)


def focal_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    gamma: float,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
) -> Tensor:
    """Return the focal loss: cross-entropy whose term of class k counts (1 - p_k)^gamma; gamma 0 is cross-entropy.

    Source: Lin et al., "Focal loss for dense object detection", 2017, for softmax.
    """
    log_p, share = F.log_softmax(logits, 1), shares(labels, logits)
    weights = logits.new_ones(logits.shape[1]) if class_weights is None else logits.new_tensor(class_weights)
    target = weights * ((1 - label_smoothing) * share + label_smoothing / logits.shape[1])
    total = (weights * share).sum() if labels.ndim == 1 else len(labels)
    return -(target * (1 - log_p.exp()) ** gamma * log_p).sum() / total


def binary_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    gamma: float = 0.0,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
) -> Tensor:
    """Return the cross-entropy of a yes or no for each class, the mean over all N * K of them, gamma above 0: focal.

    binary_cross_entropy_with_logits of torch.nn.functional, torchvision.ops.sigmoid_focal_loss without its alpha.
    label_smoothing moves each truth value towards a half.
    """
    truth = shares(labels, logits) * (1 - label_smoothing) + label_smoothing / 2
    losses = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    if gamma:
        p = torch.sigmoid(logits)
        losses = losses * (p * (1 - truth) + (1 - p) * truth) ** gamma
    weights = 1.0 if class_weights is None else logits.new_tensor(class_weights)
    return (losses * weights).mean()


def shares(labels: Tensor, logits: Tensor) -> Tensor:
    """Return labels as shares (N, K)."""
    return (F.one_hot(labels, logits.shape[1]) if labels.ndim == 1 else labels).to(logits.dtype)
