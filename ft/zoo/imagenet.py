"""The 1,000 classes of ImageNet in the order of every network's outputs: WordNet id and label."""

import csv
from functools import cache
from pathlib import Path


@cache
def _table() -> tuple[tuple[str, str], ...]:
    with Path(__file__).with_name("imagenet.csv").open(encoding="utf-8", newline="") as file:
        return tuple((row["wordnet_id"], row["label"]) for row in csv.DictReader(file))


def imagenet_ids() -> tuple[str, ...]:
    """Return the 1,000 WordNet ids, n01440764 first."""
    return tuple(wordnet_id for wordnet_id, _ in _table())


def imagenet_classes() -> tuple[str, ...]:
    """Return the 1,000 labels, "tench" first; distinct, in torchvision's wording."""
    return tuple(label for _, label in _table())
