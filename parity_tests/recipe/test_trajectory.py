"""A hundred free-running steps in float64: weights, BatchNorm statistics and momentum stay equal to rounding.

Each case stands beside its own sensitivity, the same wing with its first image moved by one ulp: a case that strays by
itself would prove nothing, and none of these does. A frozen base takes no statistics, so small images do there.
"""

import numpy as np
import pytest

from ft.backend.contract import Learner
from ft.parity.arrays import BARS, ZERO, Comparison, compare
from parity_tests.support.pairs import TRAJECTORY, Case, batch, learners

STEPS, SENSITIVITY, BATCHES = 100, BARS["float64"]["sensitivity"], 4
QUIET = {"dropout": 0.0, "stochastic_depth": 0.0}
GENTLE = {"lr": 0.0001}  # drawn weights give large features, on which a rate of 0.001 oscillates and amplifies rounding
QUICK = [Case("resnet18", "base", GENTLE)]
LONG = [
    Case("efficientnet_lite0", "base"),
    Case("resnet18", "none"),
    Case("efficientnet_lite0", "none"),
    Case("efficientnet_lite0", "none", QUIET),
    Case("efficientnet_lite0", "base", QUIET),
]


@pytest.mark.parametrize(
    ("case", "size"),
    [(case, 16) for case in QUICK] + [pytest.param(case, 64, marks=pytest.mark.slow) for case in LONG],
    ids=str,
)
def test_trajectory(case, size, say):
    apart, sensitivity = measure_trajectory(case, size)
    say(
        f"{case}, {STEPS} steps: weights {apart['weights'].largest:.1e}, momentum {apart['slots'].largest:.1e}, "
        f"own sensitivity {sensitivity:.1e}"
    )
    assert sensitivity <= SENSITIVITY, "this case is chaotic by itself: replace it"
    faults = {part: comparison.faults for part, comparison in apart.items()}
    assert not any(faults.values()), faults


def measure_trajectory(case: Case, size: int) -> tuple[dict[str, Comparison], float]:
    """Return how the wings compare after a hundred steps, and how far one strays when an image moves by an ulp."""
    pair, lr = learners(case), case.recipe().lr
    start = pair["tf"].get_weights()
    states = {name: run(learner, size, lr) for name, learner in pair.items()}
    apart = {
        part: compare(states["torch"][part], states["tf"][part], bar=TRAJECTORY, zero=zero(part))
        for part in ("weights", "slots")
    }
    assert compare(start, states["tf"]["weights"], bar=0).largest > 1e-4, "nothing was trained"
    pair["tf"].set_weights(start)
    pair["tf"].set_slots({name: np.zeros_like(slot) for name, slot in states["tf"]["slots"].items()})
    nudged = run(pair["tf"], size, lr, nudge=True)["weights"]
    return apart, compare(states["tf"]["weights"], nudged, bar=SENSITIVITY).largest


def zero(part: str) -> float:
    """Return the share below which a tensor is zero but for rounding: gradients have such tensors, weights do not."""
    return ZERO if part == "slots" else 0.0


def run(learner: Learner, size: int, base: float, *, nudge: bool = False) -> dict[str, dict[str, np.ndarray]]:
    """Train on a few batches in turn under a changing learning rate and return the state at the end."""
    batches = [batch(seed, size=size) for seed in range(BATCHES)]
    if nudge:
        images = np.asarray(batches[0].inputs)
        images[0] = np.nextafter(images[0], np.inf)
    for step in range(STEPS):
        learner.step(batches[step % BATCHES], step=step, lr=np.float64(base * (1 + step % 3)))
    return {"weights": learner.get_weights(), "slots": learner.get_slots()}
