"""The small pair trained in both wings, and in one of them once more from weights that are moved by one ulp.

`python -m parity_tests.support.one_ulp docs/one-ulp.svg` draws the figure of docs/parity.md.
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torchvision  # noqa: F401  before TensorFlow, which small_pair imports: the other way round it crashes

from ft.parity.sensitivity import FEW, Band, StepBand, band_of, by_step, moved_by_one_ulp
from ft.parity.trace import Trace, TraceBatch
from ft.parity.verdict import compare_traces
from ft.report.plots import new_figure
from parity_tests.support.faults import Feed, traced
from parity_tests.support.small_pair import small_learners

STEPS, RATE = 10, 0.01


def measured(folder: Path, feed: Feed | None = None, *, optimizer: str = "adam") -> tuple[Trace, Trace, Band]:
    """Return the traces of both wings, and the band of PyTorch. feed: what a wing gets instead of a batch."""
    how = {"seed": 0, "steps": STEPS, "rates": (RATE,), "feed": feed or {}}
    a, b = traced(small_learners(optimizer=optimizer), folder, **how)
    again = small_learners(optimizer=optimizer)["torch"]
    again.set_weights(moved_by_one_ulp(again.get_weights()))
    (moved,) = traced({"torch": again}, folder / "again", **how)
    return a, b, band_of(a, moved)


def off_by_a_millionth(batch: TraceBatch) -> TraceBatch:
    """A difference that is there: one wing's learning rate is larger by a millionth."""
    return replace(batch, lr=batch.lr * (1 + 1e-6))


def draw(sides: Sequence[tuple[str, list[StepBand]]], path: Path) -> None:
    """Draw how far the wings are apart step by step over what one ulp does, a panel a comparison, as SVG."""
    figure = new_figure(9.6, 3.4)
    panels = figure.subplots(1, len(sides), sharey=True)
    for axes, (title, steps) in zip(panels, sides, strict=True):
        x = [each.step for each in steps]
        moved = [max(each.moved, 1e-18) for each in steps]
        axes.fill_between(x, 1e-18, [FEW * size for size in moved], color="#2b6cb0", alpha=0.13, lw=0)
        axes.semilogy(x, moved, "--", color="#2b6cb0", label="one ulp, PyTorch against itself")
        axes.semilogy(x, [each.apart for each in steps], "o-", color="#c2351f", label="PyTorch against Keras", ms=4)
        axes.set(title=title, xlabel="step", ylim=(1e-16, 10))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("relative difference, updates")
    panels[0].legend(loc="lower right", frameon=False, fontsize=9)
    figure.savefig(path, format="svg", metadata={"Date": None})


def main(path: Path) -> None:
    """Measure both comparisons and draw them."""
    cases = {"Adam, both wings alike": {}, "SGD, a learning rate off by a millionth": {"tf": off_by_a_millionth}}
    sides = []
    for (title, feed), optimizer in zip(cases.items(), ("adam", "sgd"), strict=True):
        with tempfile.TemporaryDirectory() as folder:
            a, b, band = measured(Path(folder), feed, optimizer=optimizer)
            steps = by_step(compare_traces(a, b).rows, band)
        sides.append((title, [each for each in steps if each.phase == "updates"]))
    draw(sides, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
