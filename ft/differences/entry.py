"""One difference between the frameworks, as text and as a probe."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ft.parity.evidence import Evidence, Finding


@dataclass(frozen=True)
class Entry:
    """One difference between the frameworks: taught, tested and diagnosed.

    torch, tf: what each framework does; why: the reason; shows: how one notices; mend_torch, mend_tf: what to write
    instead; probe: yields a Finding for every place where this is the cause.
    """

    name: str
    title: str
    torch: str
    tf: str
    why: str
    shows: str
    mend_torch: str
    mend_tf: str
    probe: Callable[[Evidence], Iterable[Finding]]

    @property
    def example(self) -> Path:
        """The folder of the runnable pair, examples/differences/NAME, in a source checkout."""
        return Path(__file__).parents[2] / "examples" / "differences" / self.name
