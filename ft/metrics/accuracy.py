"""Loss and accuracies over a data set, batch by batch, in NumPy float64 whatever the wing computes in."""

import numpy as np

TOP = 5


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the logarithms of the class probabilities, float64. logits: (N, K)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the class probabilities, float64. logits: (N, K)."""
    with np.errstate(invalid="ignore"):
        return np.exp(log_softmax(logits))


def ranks(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the place of each label among its image's logits, 0 the highest; of equal logits the lowest class leads.

    A NaN compares with nothing, so an image that has one would rank first: it ranks last instead.
    logits: (N, K); labels: (N,); returns (N,).
    """
    own = logits[np.arange(len(labels)), labels][:, None]
    leads = np.arange(logits.shape[1]) < labels[:, None]
    places = ((logits > own) | ((logits == own) & leads)).sum(axis=1)
    return np.where(np.isnan(logits).any(axis=1), logits.shape[1], places)


class Metrics:
    """The running loss and accuracies; without an image yet they are NaN."""

    def __init__(self) -> None:
        self.count = 0
        self.classes = 0
        self._loss = 0.0
        self._top1 = 0
        self._top5 = 0

    def update(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """Add one batch. logits: (N, K), any float type; labels: (N,) integers below K. Raises ValueError otherwise."""
        logits, labels = np.asarray(logits), np.asarray(labels)
        if logits.ndim != 2 or labels.shape != logits.shape[:1]:
            raise ValueError(f"expected logits (N, K) and labels (N,), got {logits.shape} and {labels.shape}")
        if not len(labels):
            return
        if labels.min() < 0 or labels.max() >= logits.shape[1]:
            raise ValueError(f"labels from {labels.min()} to {labels.max()}; expected 0 to {logits.shape[1] - 1}")
        places = ranks(logits, labels)
        with np.errstate(invalid="ignore"):  # inf - inf: the loss is NaN and says so itself
            self._loss -= float(log_softmax(logits)[np.arange(len(labels)), labels].sum())
        self._top1 += int((places < 1).sum())
        self._top5 += int((places < TOP).sum())
        self.count += len(labels)
        self.classes = logits.shape[1]

    def merge(self, other: "Metrics") -> None:
        """Add what another one saw."""
        self._loss += other._loss
        self._top1 += other._top1
        self._top5 += other._top5
        self.count += other.count
        self.classes = max(self.classes, other.classes)

    @property
    def loss(self) -> float:
        """The mean cross-entropy in nats, without label smoothing."""
        return self._loss / self.count if self.count else float("nan")

    @property
    def top1(self) -> float:
        """The share of images whose label has the highest logit."""
        return self._top1 / self.count if self.count else float("nan")

    @property
    def top5(self) -> float | None:
        """The share of images whose label is among the five highest; None up to five classes, where it is always 1."""
        if self.count and self.classes <= TOP:
            return None
        return self._top5 / self.count if self.count else float("nan")
