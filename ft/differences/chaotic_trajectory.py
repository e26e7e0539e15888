"""No difference of meaning: a training that multiplies any rounding error at each step.

`ft compare --sensitivity` names it by what one ulp does, see ft/parity/sensitivity.py.
"""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding

LEAST_STEPS = 4  # fewer points lie on a line by chance
LEAST_GROWTH, LARGEST_GROWTH = 1.5, 300.0  # a step; more in one step is a difference that begins there
STRAY = 0.8  # decades by which a step's error may miss steady growth


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether errors begin at rounding level and grow by a steady factor until they pass the bar."""
    first = evidence.verdict.first
    if first is None or not first.step or first.fault:
        return
    errors = errors_by_step(evidence)[: first.step + 1]
    growth = steady_growth(errors)
    if growth is not None:
        detail = (
            f"no difference of meaning is in sight: {errors[0]:.1e} at step 0 is rounding, and it grows {growth:.1f} "
            "times a step; compare with a smaller learning rate"
        )
        yield Finding(ENTRY.name, first.step, first.phase, first.name, first.relative, detail, certain=False)


def errors_by_step(evidence: Evidence) -> list[float]:
    """Return the largest relative difference in each step's forward pass."""
    errors = [0.0] * evidence.a.facts["steps"]
    for row in evidence.verdict.rows:
        if row.phase == "forward" and row.step is not None and not row.zero:
            errors[row.step] = max(errors[row.step], row.relative)
    return errors


def steady_growth(errors: list[float]) -> float | None:
    """Return the factor by which errors grow a step, None unless all of them lie near one line of a log plot."""
    if len(errors) < LEAST_STEPS or not all(0 < error < np.inf for error in errors):
        return None
    steps, decades = np.arange(len(errors)), np.log10(errors)
    slope, start = np.polyfit(steps, decades, 1)
    rises = np.diff(decades).max() <= np.log10(LARGEST_GROWTH)
    steady = np.abs(start + slope * steps - decades).max() <= STRAY
    return float(10**slope) if rises and steady and 10**slope >= LEAST_GROWTH else None


ENTRY = Entry(
    name="chaotic-trajectory",
    title="A chaotic training: rounding grows until it shows",
    torch="adds the same numbers in another order than TensorFlow, so its sums differ in the last bit",
    tf="adds the same numbers in another order than PyTorch, so its sums differ in the last bit",
    why="a step that is too large for the curvature of the loss moves near weights apart, by a factor at each step; "
    "the same framework does so against itself when one input moves by one bit; Adam, RMSprop and Adagrad divide a "
    "gradient by its own size, so that one which is zero but for rounding moves its weight by noise of a whole step",
    shows="equal to 1e-14 at first, then ten times more every few steps; no layer, gradient or update is wrong given "
    "its own inputs",
    mend_torch="no mend is needed; to compare, take a smaller lr, or warm-up, or restart both from the same weights "
    "each step",
    mend_tf="no mend is needed; to compare, take a smaller lr, or warm-up, or restart both from the same weights each "
    "step",
    probe=probe,
)
