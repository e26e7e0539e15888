"""PyTorch clips gradients by the norm of all of them together, Keras's clipnorm each tensor by its own."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.arrays import ZERO
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.update_rules import history, least_squares
from ft.parity.trace import Trace

EQUAL = 1e-6  # relative: the 1e-6 that clip_grad_norm_ adds to the norm shifts no factor by more where it matters
WORDS = {"none": "does not clip", "all": "clips by the norm of all", "each": "clips each tensor by its own norm"}


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Compare, tensor by tensor, the factor between gradient and update with the norm of the gradient."""
    for step in range(evidence.a.facts["steps"]):
        rows = (row for row in evidence.verdict.rows if row.step == step and row.phase == "updates" and row.differs)
        if row := next(rows, None):
            ways = [way_of_clipping(*factors_and_norms(evidence, trace, step)) for trace in evidence.traces]
            if None not in ways and ways[0] != ways[1] and "each" in ways:
                words = (f"{trace.label} {WORDS[way or '']}" for trace, way in zip(evidence.traces, ways, strict=True))
                yield Finding(ENTRY.name, step, row.phase, row.name, row.relative, ", ".join(words))
                return


def factors_and_norms(evidence: Evidence, trace: Trace, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what each gradient was multiplied by, besides the rate, and its norm; of tensors that are not all zero.

    Empty where an update is not a multiple of the gradient plus one of the weight: the optimizer has a memory.
    """
    gradients, pairs = trace.arrays(step, "gradients"), []
    for name in trace.arrays(step, "updates"):
        past = history(trace, step, name)
        if not past.usable:
            return np.empty(0), np.empty(0)
        g, w, rate = past.gradients[-1], past.weights[-1], past.rates[-1]
        factor, decay = least_squares((g, w), past.updates[-1] / rate)
        norm = float(np.linalg.norm(gradients[name]))
        if not past.fits(step, rate * (factor * g + decay * w), close=evidence.close) and norm > 0:
            return np.empty(0), np.empty(0)
        pairs.append((factor, norm))
    factors, norms = np.array(pairs).reshape(-1, 2).T
    felt = norms > ZERO * norms.max(initial=0.0)
    return factors[felt], norms[felt]


def way_of_clipping(factors: np.ndarray, norms: np.ndarray) -> str | None:
    """Return how gradients of these norms came to be multiplied by these factors, a key of WORDS, or None."""
    if not factors.size:
        return None
    if np.ptp(factors) <= EQUAL:
        return "all" if factors[0] < 1 - EQUAL else "none" if factors[0] < 1 + EQUAL else None
    clipped = factors < 1 - EQUAL
    limits = (factors * norms)[clipped]
    alike = np.ptp(limits) <= EQUAL * limits.max()
    others = np.all(np.abs(factors[~clipped] - 1) <= EQUAL) and np.all(norms[~clipped] <= limits.max() * (1 + EQUAL))
    return "each" if alike and others else None


ENTRY = Entry(
    name="gradient-clipping",
    title="Gradient clipping: by the norm of all gradients, or of each",
    torch="torch.nn.utils.clip_grad_norm_(parameters, c) divides all gradients by one number, so that their common "
    "norm is c: the direction of the step stays",
    tf="clipnorm=c divides every gradient whose own norm is above c: the direction changes, and the common norm may "
    "still be c * sqrt(number of tensors)",
    why="two options under nearly one name; Keras has PyTorch's as global_clipnorm",
    shows="updates differ by a factor of their own for each tensor, with the same c by up to the number of tensors' "
    "root",
    mend_torch="to imitate clipnorm: for p in parameters: torch.nn.utils.clip_grad_norm_([p], c)",
    mend_tf="global_clipnorm=c in place of clipnorm=c; PyTorch adds 1e-6 to the norm, so their numbers agree to about "
    "1e-6",
    probe=probe,
)
