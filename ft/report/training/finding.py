"""One sentence of advice."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Advice:
    """One finding: how good or bad it is, what was found, what to try about it."""

    kind: Literal["good", "warn", "bad"]
    found: str
    try_this: str = ""
