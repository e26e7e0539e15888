"""model.train() puts the whole network in training mode, what had been put in inference mode on purpose included."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, Layer, Side, distance
from ft.parity.probes.batchnorm import all_mixed, mixed_modes


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Look for a network, or a dropout, that is in training mode on one side and in inference mode on the other."""
    for layer, mode_a, mode_b in mixed_modes(evidence):
        if layer.phase == "inference" or all_mixed(evidence, layer.step or 0):
            yield finding(evidence, layer, f"uses the {mode_a} statistics", f"the {mode_b} ones")
        break
    for step in range(evidence.a.facts["steps"]):
        phases = ("inference", "forward") if step == 0 else ("forward",)
        for layer in evidence.layers("dropout", phases=phases, step=step):
            off = [is_switched_off(side) for side in layer.sides]
            if off[0] != off[1] and drops(layer.sides[off[0]], close=evidence.close):
                yield finding(evidence, layer, *("passes its input on" if idle else "drops" for idle in off))


def finding(evidence: Evidence, layer: Layer, a: str, b: str) -> Finding:
    """Return the finding for a layer in the words for each side."""
    error = distance(layer.a.output, layer.b.output)
    detail = f"in {layer.phase} {evidence.a.label} {a}, {evidence.b.label} {b}"
    return Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)


def is_switched_off(side: Side) -> bool:
    """Tell whether a dropout passes its input on though its own rate is not 0."""
    settings = side.call.settings
    rate = settings.get("p", settings.get("rate", 1.0))
    return rate != 0 and bool(side.inputs) and np.array_equal(side.inputs[0], side.output)


def drops(side: Side, *, close: float) -> bool:
    """Tell whether a dropout makes each number zero or larger by one factor."""
    if not side.inputs or side.inputs[0].shape != side.output.shape:
        return False
    x, y = side.inputs[0], side.output
    kept = (y != 0) & (x != 0)
    factor = float(np.median(y[kept] / x[kept])) if kept.any() else 1.0
    return factor > 1 and distance(np.where(kept, factor * x, 0.0), y) <= close


ENTRY = Entry(
    name="train-mode",
    title="Training mode: a switch that stays, or an argument of the call",
    torch="model.train() and model.eval() set a flag in every layer until the next call of either: a frozen BatchNorm "
    "or dropout that was put in eval mode is back in train mode after model.train()",
    tf="no such switch: model(x, training=True) says it for this one call, and model(x) alone means inference",
    why="PyTorch keeps the mode in the layers, Keras hands it through the call",
    shows="after model.eval() for a validation every BatchNorm stays on its running statistics and no dropout drops; "
    "after model.train() a frozen base is in training mode: losses differ at once, by some percent",
    mend_torch="model.train() before each epoch, then base.eval() for what is frozen; model.eval() before evaluation",
    mend_tf="training=True in the training step and training=False elsewhere; layer.trainable = False for BatchNorm",
    probe=probe,
)
