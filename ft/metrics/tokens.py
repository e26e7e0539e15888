"""Loss and accuracy over the tokens of a data set, batch by batch, in NumPy float64 whatever the wing computes in."""

import numpy as np

from ft.metrics.accuracy import log_softmax

AT_A_TIME = 256  # tokens: a language model has fifty thousand classes


class TokenCounts:
    """The running loss and accuracy of tokens; without a token yet they are NaN."""

    def __init__(self) -> None:
        self.count = 0
        self.right = 0
        self.total = 0.0  # of the losses

    def update(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """Add tokens. logits: (M, K); labels: (M,), below K."""
        for start in range(0, len(labels), AT_A_TIME):
            part, own = logits[start : start + AT_A_TIME], labels[start : start + AT_A_TIME]
            with np.errstate(invalid="ignore"):  # inf - inf: the loss is NaN and says so itself
                self.total -= float(log_softmax(part)[np.arange(len(own)), own].sum())
            self.right += int((part.argmax(1) == own).sum())
        self.count += len(labels)

    def merge(self, other: "TokenCounts") -> None:
        """Add what another one saw."""
        self.count += other.count
        self.right += other.right
        self.total += other.total

    @property
    def loss(self) -> float:
        """The mean cross-entropy of a token in nats, without label smoothing."""
        return self.total / self.count if self.count else float("nan")

    @property
    def accuracy(self) -> float:
        """The share of the tokens whose label has the highest logit."""
        return self.right / self.count if self.count else float("nan")


def perplexity(loss: float) -> float:
    """Return e to the power of a mean cross-entropy in nats, infinite where that is too large a number."""
    with np.errstate(over="ignore"):
        return float(np.exp(np.float64(loss)))
