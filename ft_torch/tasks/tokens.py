"""Tokens: the training loss, a mean over the tokens that have a target, of logits (N, T, K) and targets (N, T).

The target of a token is its label, or for a language model the token that follows. A token counts as much as its class
weighs, one of NO_LABEL nothing: where none counts the loss is 0.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ft.backend.objective import Objective
from ft.metrics.entities import NO_LABEL

TINY = torch.finfo(torch.float32).tiny  # what an empty sum is divided by


def loss(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], objective: Objective) -> Tensor:
    """Return the cross-entropy, as torch.nn.functional.cross_entropy has it of all tokens in one row.

    With gamma above 0 the term of class k counts (1 - p_k)^gamma, as in ft_torch/tasks/classification.py. The mean is
    by the tokens' weights: a part of a batch counts by its share of them.
    """
    logits, smoothing, given = outputs["logits"], objective.label_smoothing, objective.class_weights
    counted = targets["tokens"] != NO_LABEL
    labels, counts = torch.where(counted, targets["tokens"], 0), counted.to(logits.dtype)
    classes = logits.new_ones(logits.shape[-1]) if given is None else logits.new_tensor(given)
    weight = counts * classes[labels]
    log_p = F.log_softmax(logits, -1)
    terms = log_p * (1 - log_p.exp()) ** objective.gamma if objective.gamma else log_p
    own = terms.gather(-1, labels[..., None])[..., 0] * weight
    if smoothing:
        own = (1 - smoothing) * own + smoothing * (terms @ classes) * counts / logits.shape[-1]
    return -own.sum() / weight.sum().clamp(min=TINY)


def right(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """Return 0: no text is simply right."""
    return outputs["logits"].new_zeros(())
