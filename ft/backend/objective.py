"""What a training minimises, as data that both wings read: which loss is decided once, not in each of them."""

from dataclasses import dataclass

import numpy as np

from ft.data import Batch
from ft.data.targets import Targets, count
from ft.metrics.entities import NO_LABEL
from ft.metrics.pixels import LEFT_OUT
from ft.network.boxes.onestage import objects
from ft.zoo.detector import Detector, OneStage


@dataclass(frozen=True)
class Objective:
    """Which loss, and its numbers.

    task: the file in a wing's `tasks` that computes it; kind: "cross-entropy", "focal", or "bce", a yes or no for each
    class, "dice", or "cross-entropy-dice", their sum; gamma: above 0, how much less easy samples count;
    class_weights: in class order. detector: the numbers of a network for detection, whose losses are its own, by kind.
    """

    task: str
    kind: str
    label_smoothing: float = 0.0
    gamma: float = 0.0
    class_weights: tuple[float, ...] | None = None
    detector: Detector | OneStage | None = None

    @property
    def drawn(self) -> bool:
        """Whether the loss is divided by how many boxes the network's forward pass draws, known behind it only."""
        return isinstance(self.detector, Detector)

    @property
    def summed(self) -> bool:
        """Whether the loss is a sum over samples, to be divided by what those of the whole batch weigh, at least 1."""
        return isinstance(self.detector, OneStage) and self.detector.by_batch

    def weighed(self, batch: Batch) -> np.ndarray:
        """Return the weights of the samples of a batch; of a sum over anchors, how many are of objects."""
        if isinstance(self.detector, OneStage) and self.summed:
            truth = batch.targets["boxes"], batch.targets["box_labels"]
            return objects(*truth, image=batch.size, detector=self.detector)
        return self.weights(batch.targets)

    def weights(self, targets: Targets) -> np.ndarray:
        """Return the weight (N,) of each sample in the loss, a mean by these: parts of a batch add up by theirs.

        All count alike, but where class weights are what a mean of labels divides by.
        """
        if "mask" in targets:
            return self.pixel_weights(targets["mask"])
        if "tokens" in targets:
            return self.token_weights(targets["tokens"])
        if self.class_weights is None or self.kind == "bce" or "labels" not in targets:
            return np.ones(count(targets))
        return np.asarray(self.class_weights)[targets["labels"]]

    def pixel_weights(self, masks: np.ndarray) -> np.ndarray:
        """Return what the pixels of each sample weigh together, (N,). masks: class numbers (N, H, W)."""
        counts = np.stack([np.bincount(mask.ravel(), minlength=LEFT_OUT + 1)[:LEFT_OUT] for mask in masks])
        if self.class_weights is None:
            return counts.sum(1).astype(np.float64)
        return counts[:, : len(self.class_weights)] @ np.asarray(self.class_weights)

    def token_weights(self, labels: np.ndarray) -> np.ndarray:
        """Return what the tokens of each sample weigh together, (N,). labels: class numbers (N, T)."""
        counted = labels != NO_LABEL
        if self.class_weights is None:
            return counted.sum(1).astype(np.float64)
        return (np.asarray(self.class_weights)[np.where(counted, labels, 0)] * counted).sum(1)
