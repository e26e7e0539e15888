"""Batches of texts whose tokens have a target each: a label of their own, or the token that follows."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ft.data.batches.texts import TextBatches
from ft.data.sources.dataset import Sample
from ft.data.sources.text import Text
from ft.data.targets import Targets
from ft.metrics.entities import NO_LABEL


class TokenBatches(TextBatches):
    """Texts as `TextBatches` has them; the task is given the targets of their tokens (N, T), padded as they are."""

    @cached_property
    @abstractmethod
    def marks(self) -> np.ndarray:
        """The target of every token of the split, int64, NO_LABEL for none."""

    def targets_at(self, epoch: int, indices: np.ndarray) -> Targets:
        """Return the targets of positions in the split."""
        length, side = self.preprocess.length(self.tokens, indices), self.preprocess.side
        return self.teach(list(self.tokens.placed(self.marks, indices, length=length, fill=NO_LABEL, side=side)))


class TagBatches(TokenBatches):
    """Texts whose words have a label each, which the first token of a word bears.

    A text that is asked about as a line is taken in words as data with labels are: what stands between blanks.
    """

    def __init__(self, samples: Sequence[Sample], *given: Any, **options: Any) -> None:
        super().__init__([in_words(sample) for sample in samples], *given, **options)

    @cached_property
    def marks(self) -> np.ndarray:
        """The label of every token; where a text has none, as when it is asked about, 0 stands for it."""
        if all(isinstance(sample.label, tuple) for sample in self.samples):
            return self.tokens.label_tokens([sample.labels for sample in self.samples])
        return np.where(self.tokens.first_of_word(), 0, NO_LABEL)


class NextBatches(TokenBatches):
    """Texts of which each token but the first is to be told from those before it."""

    @cached_property
    def marks(self) -> np.ndarray:
        """The token that follows, shifted here once and nowhere else."""
        return self.tokens.following()


def in_words(sample: Sample) -> Sample:
    """Return a sample whose text comes in words."""
    text = sample.source
    if not isinstance(text, Text) or not isinstance(text.text, str) or text.pair is not None:
        return sample
    return replace(sample, source=Text(tuple(text.text.split())))
