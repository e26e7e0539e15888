"""The training losses, means over the batch."""

from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy of logits (N, K), as torch.nn.functional.cross_entropy has it.

    labels: class indices (N,), or target probabilities (N, K).
    """
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
