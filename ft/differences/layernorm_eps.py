"""LayerNorm adds 1e-5 to the variance in PyTorch, 1e-3 in Keras."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, Side, distance
from ft.parity.probes.replay import layernorm


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Read off the eps of each side of every LayerNorm that differs."""
    for step in range(evidence.a.facts["steps"]):
        phases = ("inference", "forward") if step == 0 else ("forward",)
        for layer in evidence.layers("layernorm", phases=phases, step=step):
            a, b = (used_eps(side, close=evidence.close) for side in layer.sides)
            if a is not None and b is not None and not explains(layer.a, b, close=evidence.close):
                detail = f"eps is {a:.4g} in {evidence.a.label}, {b:.4g} in {evidence.b.label}"
                error = distance(layer.a.output, layer.b.output)
                yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)


def used_eps(side: Side, *, close: float) -> float | None:
    """Return the eps that gives a side's output from its own input, None where none does."""
    if not side.inputs or side.inputs[0].shape != side.output.shape or side.output.ndim < 2:
        return None
    if "weight" in side.weights and side.weights["weight"].shape != side.output.shape[-1:]:
        return None
    x, y, weight, bias = vectors(side)
    centred = (x - x.mean(-1, keepdims=True)) * weight
    power = (centred**2).sum(-1)
    row = np.argmin(np.where(power > 0, x.var(-1), np.inf))  # where the variance is small, eps is read best
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (centred[row] @ (y[row] - bias)) / power[row]
        eps = max(float(1 / np.square(scale) - x[row].var()), 0.0)
    return eps if explains(side, eps, close=close) else None


def explains(side: Side, eps: float, *, close: float) -> bool:
    """Tell whether this eps gives a side's output."""
    x, y, weight, bias = vectors(side)
    with np.errstate(divide="ignore", invalid="ignore"):  # a constant token has no variance
        return distance(layernorm(x, weight, bias, eps), y) <= close


def vectors(side: Side) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return input and output as rows (M, C), and weight and bias (C,)."""
    x, y = (array.reshape(-1, array.shape[-1]) for array in (side.inputs[0], side.output))
    ones = np.ones(x.shape[1], x.dtype)
    return x, y, side.weights.get("weight", ones), side.weights.get("bias", 0 * ones)


ENTRY = Entry(
    name="layernorm-eps",
    title="LayerNorm: what is added to the variance",
    torch="divides by sqrt(variance + 1e-5); torchvision's ViT, Swin and ConvNeXt set 1e-6 or 1e-5",
    tf="divides by sqrt(variance + 1e-3)",
    why="eps guards against a division by zero; each framework chose its own default, and networks were trained with "
    "either",
    shows="outputs are off from the first LayerNorm on: by 5e-4 where the variance of a token is 1, by 30 % where it "
    "is 0.001",
    mend_torch="torch.nn.LayerNorm(features, eps=1e-3)",
    mend_tf="keras.layers.LayerNormalization(epsilon=1e-5), or the 1e-6 that the network's source has",
    probe=probe,
)
