"""Dropout: each framework draws its masks from a generator of its own."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ft.differences.entry import Entry
from ft.differences.train_mode import is_switched_off
from ft.parity.evidence import Evidence, Finding, Side, distance


@dataclass(frozen=True)
class Mask:
    """What a dropout layer let through: `kept` where that can be seen, for a dropped zero looks like a kept one."""

    kept: np.ndarray
    seen: np.ndarray
    rate: float


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Take the mask and the rate of each dropout from what went in and came out, in training and at every step."""
    for step in range(evidence.a.facts["steps"]):
        for layer in evidence.layers("dropout", phases=("forward",), step=step):
            a, b = (find_mask(evidence, side) for side in layer.sides)
            if a is None or b is None or a.kept.shape != b.kept.shape or any(map(is_switched_off, layer.sides)):
                continue
            names = [trace.label for trace in evidence.traces]
            other = np.count_nonzero((a.kept != b.kept) & a.seen & b.seen)
            if abs(a.rate - b.rate) > evidence.close:
                detail = f"rate {a.rate:.6g} in {names[0]}, {b.rate:.6g} in {names[1]}"
            elif other:
                detail = f"rate {a.rate:.6g} in both, but {other} of {a.kept.size} places have other masks"
            else:
                continue
            error = distance(layer.a.output, layer.b.output)
            yield Finding(ENTRY.name, step, layer.phase, layer.key, error, detail)


def find_mask(evidence: Evidence, side: Side) -> Mask | None:
    """Return the mask of a side, None unless every value is 0 or its input over 1 - rate.

    None too where the layer passes all on although its own rate is not 0: then it is in inference mode.
    """
    if not side.inputs or side.inputs[0].shape != side.output.shape:
        return None
    x, y = side.inputs[0], side.output
    seen, kept = x != 0, y != 0
    own_rate = side.call.settings.get("p", side.call.settings.get("rate", 0))
    if not (kept & seen).any() or (own_rate and np.array_equal(x, y)):
        return None
    largest = np.abs(np.where(kept, x, 0)).argmax()
    scale = float(y.ravel()[largest] / x.ravel()[largest])
    fits = scale > 1 - evidence.close and evidence.same(np.where(kept, scale * x, 0), y)
    return Mask(kept, seen, 1 - 1 / max(scale, 1.0)) if fits else None


ENTRY = Entry(
    name="dropout-mask",
    title="Dropout: which values it drops",
    torch="nn.Dropout(p) draws its mask from torch's global generator, so it depends on all that was drawn before",
    tf="keras.layers.Dropout(rate) draws from a seed generator of the layer; both scale what they keep by 1 / (1 - p)",
    why="each framework has a generator of its own: on a CPU the Mersenne Twister in PyTorch, Philox in TensorFlow",
    shows="no seed makes two masks equal: training parts at the first dropout, inference is alike",
    mend_torch="for a comparison model.eval(), or p=0; to train alike, multiply by a mask that both sides compute, as "
    "ft_torch.layers.Dropout does",
    mend_tf="for a comparison training=False, or rate 0; to train alike, ft_tf.layers.Dropout: SplitMix64 of seed, "
    "layer, step and position",
    probe=probe,
)
