"""What a BatchNorm did in a trace: which statistics it normalised by, and with which eps."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ft.parity.evidence import Evidence, Layer, Side, distance
from ft.parity.probes.replay import batchnorm


@dataclass(frozen=True)
class Normalising:
    """mode: "batch" or "running" statistics, as in training or in inference; eps: what was added to the variance."""

    mode: str
    eps: float


def normalisings(
    evidence: Evidence, *, step: int | None = None, phases: tuple[str, ...] = ("inference", "forward")
) -> Iterator[tuple[Layer, Normalising, Normalising]]:
    """Yield every BatchNorm call whose outputs differ, of one step or of all, where it is known what both sides did."""
    for at in range(evidence.a.facts["steps"]) if step is None else [step]:
        here = tuple(phase for phase in phases if phase == "forward" or at == 0)
        for layer in evidence.layers("batchnorm", phases=here, step=at):
            a, b = (normalising(side, close=evidence.close) for side in layer.sides)
            if a and b:
                yield layer, a, b


def mixed_modes(
    evidence: Evidence, *, step: int | None = None, phases: tuple[str, ...] = ("inference", "forward")
) -> Iterator[tuple[Layer, str, str]]:
    """Yield every BatchNorm call that uses the batch's statistics on one side and the running ones on the other."""
    calls = normalisings(evidence, step=step, phases=phases)
    return ((layer, a.mode, b.mode) for layer, a, b in calls if a.mode != b.mode)


def all_mixed(evidence: Evidence, step: int) -> bool:
    """Tell whether the two sides run every BatchNorm of a training step in other modes, though not all are frozen."""
    mixed = {layer.key for layer, _, _ in mixed_modes(evidence, step=step, phases=("forward",))}
    calls = {key: call.path for key, call in evidence.a.calls["forward"].items() if call.kind == "batchnorm"}
    trained = set.intersection(*(set(trace.arrays(step, "gradients")) for trace in evidence.traces))
    return mixed.issuperset(calls) and any(f"{path}.weight" in trained for path in calls.values())


def normalising(side: Side, *, close: float) -> Normalising | None:
    """Return the statistics and the eps that give a side's output from its own input, None where none do."""
    for mode in ("batch", "running"):
        eps = implied_eps(side, mode)
        if eps is not None and explains(side, Normalising(mode, eps), close=close):
            return Normalising(mode, eps)
    return None


def explains(side: Side, how: Normalising, *, close: float) -> bool:
    """Tell whether this way to normalise gives a side's output."""
    mean, variance, weight, bias = vectors(side, how.mode)
    with np.errstate(divide="ignore", invalid="ignore"):  # a constant channel has no variance
        output = batchnorm(as_images(side.inputs[0]), mean, variance, weight, bias, how.eps)
    return distance(output, as_images(side.output)) <= close


def implied_eps(side: Side, mode: str) -> float | None:
    """Return the eps that a side's output implies if it used these statistics, read off where the variance is smallest.

    None where the layer lacks the statistics or the output is not shaped like the input.
    """
    if not side.inputs:
        return None
    x, y = as_images(side.inputs[0]), as_images(side.output)
    if x.ndim != 4 or x.shape != y.shape or (mode == "running" and "running_var" not in side.weights):
        return None
    mean, variance, weight, bias = (v.reshape(1, -1, 1, 1) for v in vectors(side, mode))
    if any(v.size not in (1, x.shape[1]) for v in (mean, variance, weight, bias)):
        return None
    centred = (x - mean) * weight
    power = (centred**2).sum(axis=(0, 2, 3))
    usable = np.flatnonzero(power > 0)
    if not usable.size:
        return None
    channel = usable[np.argmin(variance.ravel()[usable])]
    scale = (centred * (y - bias)).sum(axis=(0, 2, 3))[channel] / power[channel]
    with np.errstate(divide="ignore"):
        return max(float(1 / np.square(scale) - variance.ravel()[channel]), 0.0)


def vectors(side: Side, mode: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, variance, weight and bias (C,): of the side's batch in mode "batch", else its running ones."""
    x = as_images(side.inputs[0])
    ones = np.ones(x.shape[1], x.dtype)
    weight, bias = side.weights.get("weight", ones), side.weights.get("bias", 0 * ones)
    if mode == "batch":
        return x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3)), weight, bias
    return side.weights["running_mean"], side.weights["running_var"], weight, bias


def as_images(x: np.ndarray) -> np.ndarray:
    """View features (N, C) as images (N, C, 1, 1); images as they are."""
    return x[:, :, None, None] if x.ndim == 2 else x
