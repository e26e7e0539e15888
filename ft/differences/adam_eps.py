"""Adam's eps: 1e-8 after the bias correction in PyTorch, 1e-7 before it in Keras."""

from collections.abc import Iterator
from math import sqrt

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.update_pairs import adam_pairs

UNSEEN = sqrt(1 - 0.999)  # what the bias correction of the first step makes of the second moment, by the default beta


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Read each side's eps off its first update, lr * g / (|g| + eps)."""
    for pair in adam_pairs(evidence):
        if "eps" in pair.unlike:
            both = [
                f"{in_words(rule.eps)} in {trace.label}"
                for rule, trace in zip((pair.a, pair.b), evidence.traces, strict=True)
            ]
            row = pair.row
            yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, f"eps is {', '.join(both)}")
            return


def in_words(eps: float) -> str:
    """Return an eps, and what it is before the bias correction where that is a round number and it is none itself."""
    before = eps * UNSEEN
    return f"{eps:.4g}" if is_round(eps) or not is_round(before) else f"{eps:.4g} ({before:.1g} before the correction)"


def is_round(x: float) -> bool:
    """Tell whether one digit says a number."""
    return abs(float(f"{x:.0e}") / x - 1) < 1e-4


ENTRY = Entry(
    name="adam-eps",
    title="Adam: how large eps is, and where it stands",
    torch="eps=1e-8, added after the bias correction: lr * m^ / (sqrt(v^) + eps)",
    tf="epsilon=1e-7, added before it, the paper's epsilon hat: lr * sqrt(1 - b2**t) / (1 - b1**t) * m / (sqrt(v) + "
    "epsilon)",
    why="the paper gives the first form, and beside it the second one as quicker; at step t Keras's epsilon acts like "
    "epsilon / sqrt(1 - b2**t): 3.2e-6 at the first step, 1e-7 in the end",
    shows="weights with gradients below 1e-5 move less in Keras, those with gradients near 1e-6 by a quarter as far; "
    "in float64 the first update is also off by 7e-6, for Keras corrects the bias with betas rounded to float32",
    mend_torch="before step t, counted from 1: group['eps'] = 1e-7 / sqrt(1 - 0.999**t) imitates Keras",
    mend_tf="before step t: optimizer.epsilon = 1e-8 * sqrt(1 - 0.999**t), in a step that is not compiled; in float64 "
    "also betas that float32 holds exactly, 0.875 and 1 - 2**-10",
    probe=probe,
)
