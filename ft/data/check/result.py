"""What a check of a data set gives."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ft.data.check.findings import SPLIT_ORDER, ClassCount, Finding
from ft.data.check.look import Look
from ft.data.sources.dataset import Dataset
from ft.data.sources.listing import Listing, labels_in
from ft.data.sources.splits import byte_sorted


@dataclass(frozen=True)
class Check:
    """The result of a check. looks: every image or text, in the order of the data; classes: in that of their labels."""

    spec: str
    listing: Listing
    looks: tuple[Look, ...]
    classes: tuple[ClassCount, ...]
    splits: dict[str, str]
    findings: tuple[Finding, ...]
    seconds: float
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def status(self) -> Literal["errors", "warnings", "clean"]:
        """The worst that was found."""
        levels = {finding.level for finding in self.findings}
        return "errors" if "error" in levels else "warnings" if "warning" in levels else "clean"

    @property
    def usable(self) -> list[Look]:
        """What can be trained on."""
        return [look for look in self.looks if look.fault is None]

    @property
    def things(self) -> str:
        """What was looked at: images or texts."""
        return f"{self.listing.thing}s"


def splits_of(listing: Listing, dataset: Dataset | None) -> dict[str, str]:
    """Return the split of each name: that of the data set, or what the source says where there is none."""
    if dataset is None:
        return {entry.name: entry.split or "train" for entry in listing.entries}
    return {s.name: split for split in SPLIT_ORDER for s in getattr(dataset, split)}


def count_classes(listing: Listing, splits: dict[str, str], dataset: Dataset | None) -> tuple[ClassCount, ...]:
    """Return how many there are of each class, the empty ones too."""
    counts = Counter((label, splits[entry.name]) for entry in listing.entries for label in entry.labels)
    labels = listing.folders | labels_in(listing.entries)
    names: Sequence[str] = dataset.classes if dataset and labels else byte_sorted(labels)
    return tuple(ClassCount(name, *(counts[name, split] for split in SPLIT_ORDER)) for name in names)
