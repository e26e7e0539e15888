"""What a side's training loss is made of: its divisor, label smoothing, class weights, and how it reads the logits.

A loss is one number, and many explanations fit one number. But the gradient of the last layer's weight is the sum over
the samples of (gradient of the loss by that sample's logits) x (that layer's input), and both factors are in the trace.
So the parameters are solved from that gradient by least squares, and count only where both gradient and loss follow.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ft.parity.evidence import Evidence, distance, in_order
from ft.parity.trace import Trace

FEATURES = 64  # so many inputs of the last layer give more equations than there are unknowns
EPSILON = 1e-7  # Keras cuts probabilities off here

Pull = Callable[[np.ndarray], np.ndarray]  # a gradient by the scores -> the gradient by the network's output


@dataclass(frozen=True)
class Objective:
    """A cross-entropy as one side computes it.

    reading: what the output is taken for, a key of READINGS; divisor: what the sum over the samples is divided by;
    smoothing: the share of the uniform distribution in the targets; weights: what each class counts divided by
    `divisor`, empty where all count alike.
    """

    reading: str
    divisor: float
    smoothing: float = 0.0
    weights: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Head:
    """The last layer in a training step: its output (N, K) and labels (N,), its input (N, F), the loss, and the loss's
    gradient by its weight (K, F)."""

    output: np.ndarray
    labels: np.ndarray
    features: np.ndarray
    loss: float
    gradient: np.ndarray


def find_objective(evidence: Evidence, trace: Trace, step: int) -> Objective | None:
    """Return what explains a side's loss and gradient to rounding, the simplest first, None where nothing does."""
    head = find_head(trace, step)
    if head is None or not all(np.isfinite(x).all() for x in (head.output, head.gradient, head.features)):
        return None
    if head.labels.dtype.kind not in "iu" or head.labels.min() < 0 or head.labels.max() >= len(head.gradient):
        return None
    for reading in READINGS:
        for solve in (solve_plain, solve_weighted):
            objective = solve(head, reading, evidence.close)
            if objective is not None:
                return objective
    return None


def find_head(trace: Trace, step: int) -> Head | None:
    """Return the last linear layer of a step, if it gives the logits and is trained."""
    forward, gradients = trace.arrays(step, "forward"), trace.arrays(step, "gradients")
    if "logits" not in forward or "labels" not in trace.arrays(step, "batch"):
        return None  # models of the user's own may take anything
    output, calls = forward["logits"], trace.calls["forward"]
    for key in reversed(calls):
        weight = f"{calls[key].path}.weight"
        if calls[key].kind == "linear" and weight in gradients and np.array_equal(forward[key], output):
            source = calls[key].inputs[0] or f"{key}<0"
            features = in_order(forward[source], trace, "forward", source) if source in forward else np.empty(0)
            labels, gradient = trace.arrays(step, "batch")["labels"], gradients[weight]
            shapes = features.shape[:-1], output.shape[:-1], gradient.shape
            if shapes != (labels.shape, labels.shape, (output.shape[-1], features.shape[-1])) or labels.ndim != 1:
                return None
            loss = float(trace.arrays(step, "loss")["loss"])
            return Head(output, labels, features[:, :FEATURES], loss, gradient[:, :FEATURES])
    return None


def solve_plain(head: Head, reading: str, close: float) -> Objective | None:
    """Solve for the divisor and the label smoothing."""
    nll, uniform, by_nll, by_smoothing = sample_terms(head, reading)
    columns = [by_nll.T @ head.features, by_smoothing.T @ head.features]
    share, smoothed = solution(columns, head.gradient)
    if not share > 0 or not -close < smoothed / share < 1:
        return None
    smoothing = 0.0 if abs(smoothed / share) < close else smoothed / share
    gradient = share * columns[0] + share * smoothing * columns[1]
    loss = share * float(np.sum((1 - smoothing) * nll + smoothing * uniform))
    return Objective(reading, 1 / share, smoothing) if explains(head, gradient, loss, close) else None


def solve_weighted(head: Head, reading: str, close: float) -> Objective | None:
    """Solve for a weight of each class in the batch."""
    nll, _, by_nll, _ = sample_terms(head, reading)
    classes = np.unique(head.labels)
    members = [head.labels == label for label in classes]
    columns = [by_nll[member].T @ head.features[member] for member in members]
    shares = solution(columns, head.gradient)
    if not (shares > 0).all():
        return None
    gradient = sum(share * column for share, column in zip(shares, columns, strict=True))
    loss = float(sum(share * nll[member].sum() for share, member in zip(shares, members, strict=True)))
    weights = dict(zip(classes.tolist(), shares.tolist(), strict=True))
    return Objective(reading, 1.0, weights=weights) if explains(head, np.asarray(gradient), loss, close) else None


def sample_terms(head: Head, reading: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return of each sample: its loss, its loss against the uniform distribution, the gradient of its loss by the
    output, and how that gradient changes with label smoothing.
    """
    scores, pull = READINGS[reading](head.output.astype(np.float64))
    log_p = scores - scores.max(1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(1, keepdims=True))
    target = np.zeros_like(log_p)
    target[np.arange(len(target)), head.labels] = 1
    nll, uniform = -(target * log_p).sum(1), -log_p.mean(1)
    return nll, uniform, pull(np.exp(log_p) - target), pull(target - 1 / target.shape[1])


def solution(columns: list[np.ndarray], wanted: np.ndarray) -> np.ndarray:
    """Return the factors of the columns whose sum is nearest to `wanted`."""
    matrix = np.stack([column.ravel() for column in columns], axis=1)
    return np.linalg.lstsq(matrix, wanted.ravel().astype(np.float64), rcond=None)[0]


def explains(head: Head, gradient: np.ndarray, loss: float, close: float) -> bool:
    """Tell whether both the gradient and the loss are the side's."""
    losses = np.array([loss]), np.array([head.loss])
    return distance(gradient, head.gradient) <= close and distance(*losses) <= close


def softmax(z: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def as_logits(z: np.ndarray) -> tuple[np.ndarray, Pull]:
    """The loss takes the softmax itself, once, as it should."""
    return z, lambda v: v


def after_softmax(z: np.ndarray) -> tuple[np.ndarray, Pull]:
    """A softmax stands before a loss that takes another one."""
    p = softmax(z)
    return p, lambda v: p * (v - (p * v).sum(1, keepdims=True))


def as_probabilities(z: np.ndarray) -> tuple[np.ndarray, Pull]:
    """Keras's from_logits=False: the output is cut off to 1e-7 .. 1 - 1e-7 and its logarithm taken."""
    cut = np.clip(z, EPSILON, 1 - EPSILON)
    return np.log(cut), lambda v: np.where(cut == z, v / cut, 0.0)


READINGS = {"logits": as_logits, "logits after a softmax": after_softmax, "probabilities": as_probabilities}
