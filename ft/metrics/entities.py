"""Which words make an entity by their tags, and how well the entities of texts agree.

Tags are BIO (IOB2), B-LOC I-LOC O, or BIOES, read leniently, as seqeval and CoNLL's own script do: an I-LOC without
anything of LOC before it begins an entity. A tag of another form, such as NOUN, is an entity of one word.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ft.metrics.confusion import ClassScores, scores_of

OUTSIDE = "O"
NO_LABEL = -100  # of a token that has none: what the losses of both frameworks' libraries leave out


class Entity(NamedTuple):
    """An entity of a text: what it is, its first and its last word."""

    kind: str
    first: int
    last: int


def entities_of(tags: Sequence[str]) -> list[Entity]:
    """Return the entities of a text. tags: of its words."""
    entities: list[Entity] = []
    first, before, kind_before = None, OUTSIDE, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        mark, kind = parts_of(tag)
        if first is not None and (mark in ("B", "S", OUTSIDE) or before in ("E", "S") or kind != kind_before):
            entities.append(Entity(kind_before, first, place - 1))
            first = None
        if first is None and mark != OUTSIDE:
            first = place
        before, kind_before = mark, kind
    return entities


def parts_of(tag: str) -> tuple[str, str]:
    """Return a tag's mark, one of B, I, E, S and O, and what it is of."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    mark, dash, kind = tag.partition("-")
    return (mark, kind) if dash and mark in ("B", "I", "E", "S") else ("S", tag)


class EntityCounts:
    """Entities by kind: those there are, those that are said to be, and those that are both, word by word."""

    def __init__(self) -> None:
        self.truth: Counter[str] = Counter()
        self.said: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()

    def update(self, truth: Sequence[str], said: Sequence[str]) -> None:
        """Add a text: the tags of its words, and those that are said to be theirs."""
        theirs, ours = set(entities_of(truth)), set(entities_of(said))
        for count, entities in ((self.truth, theirs), (self.said, ours), (self.hits, theirs & ours)):
            count.update(entity.kind for entity in entities)

    def merge(self, other: "EntityCounts") -> None:
        """Add what another one saw."""
        self.truth.update(other.truth)
        self.said.update(other.said)
        self.hits.update(other.hits)

    @property
    def kinds(self) -> list[str]:
        """What the entities are, in order."""
        return sorted(self.truth | self.said)

    @property
    def by_kind(self) -> ClassScores:
        """The scores of each kind, in the order of `kinds`."""
        return scores_of(*(np.array([count[kind] for kind in self.kinds], np.int64) for count in self.counts))

    @property
    def overall(self) -> tuple[float, float, float]:
        """Precision, recall and F1 of all entities alike."""
        scores = scores_of(*(np.array([count.total()]) for count in self.counts))
        return float(scores.precision[0]), float(scores.recall[0]), float(scores.f1[0])

    @property
    def counts(self) -> "tuple[Counter[str], Counter[str], Counter[str]]":
        """Hits, truth and what is said, as `scores_of` takes them."""
        return self.hits, self.truth, self.said
