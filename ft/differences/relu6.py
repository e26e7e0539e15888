"""ReLU, or ReLU6 that also cuts off at 6."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, Side, distance


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See at which value, if any, each side's ReLU cuts off."""
    for kind in ("relu", "relu6", "activation"):
        for layer in evidence.layers(kind):
            cuts = [evidence.which(FORMULAS, side) if side.inputs else None for side in layer.sides]
            if None not in cuts and cuts[0] != cuts[1] and all(np.max(side.inputs[0]) > 6 for side in layer.sides):
                detail = f"{evidence.a.label}: {cuts[0]}; {evidence.b.label}: {cuts[1]}"
                error = distance(layer.a.output, layer.b.output)
                yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)


def relu(side: Side) -> np.ndarray:
    """Return max(x, 0)."""
    return np.maximum(side.inputs[0], 0)


def relu6(side: Side) -> np.ndarray:
    """Return max(x, 0), at most 6."""
    return np.clip(side.inputs[0], 0, 6)


FORMULAS = {"no limit": relu, "a limit of 6": relu6}

ENTRY = Entry(
    name="relu6",
    title="ReLU or ReLU6",
    torch="nn.ReLU and nn.ReLU6 are layers of their own; torchvision's MobileNetV2 has nn.ReLU6",
    tf="keras.layers.ReLU() has no limit, keras.layers.ReLU(6.0) or keras.activations.relu6 has; ReLU(max_value=6) too",
    why="MobileNets were made for 8-bit arithmetic, and a known range of 0 to 6 keeps its steps small",
    shows="only activations above 6 differ: few with random weights, many in a trained first layer",
    mend_torch="nn.ReLU6() where the weights were trained with the limit, nn.ReLU() where not",
    mend_tf="keras.layers.ReLU(6.0) where the weights were trained with the limit, keras.layers.ReLU() where not",
    probe=probe,
)
