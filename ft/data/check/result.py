"""What a check hands over: every look, the classes and what was found."""

from dataclasses import dataclass
from typing import Literal

from ft.data.check.findings import ClassCount, Finding
from ft.data.check.look import Look
from ft.data.sources.listing import Listing


@dataclass(frozen=True)
class Check:
    """The result of a check. looks: every image, in byte order; classes: in the order of their labels."""

    spec: str
    listing: Listing
    looks: tuple[Look, ...]
    classes: tuple[ClassCount, ...]
    splits: dict[str, str]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def status(self) -> Literal["errors", "warnings", "clean"]:
        """The worst that was found."""
        levels = {finding.level for finding in self.findings}
        return "errors" if "error" in levels else "warnings" if "warning" in levels else "clean"

    @property
    def usable(self) -> list[Look]:
        """The images that can be trained on."""
        return [look for look in self.looks if look.fault is None]
