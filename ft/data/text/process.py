"""How texts become a network's input: the tokenizer and its settings, as a run keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from ft.data.inputs import TokenIds
from ft.data.sources.dataset import Sample
from ft.data.sources.text import Text
from ft.data.text.buckets import bucket_lengths, buckets_of
from ft.data.text.tokenizer import Tokenizer
from ft.data.text.tokens import Side, Tokens
from ft.errors import DataError


@dataclass(frozen=True, eq=False)
class TextProcess:
    """Cut texts to `max_length` tokens and pad them on a side with the token `pad` to the next bucket.

    types: whether the network tells the two texts of a pair apart. It takes the place of an image's `Preprocess`.
    """

    tokenizer: Tokenizer
    max_length: int
    pad: int
    side: Side = "right"
    types: bool = True
    known: dict[int, tuple[tuple[Sample, ...], Tokens]] = field(default_factory=dict, repr=False)

    @property
    def crop(self) -> int:
        """The largest size of an input: tokens here, pixels of images."""
        return self.max_length

    @property
    def size_words(self) -> str:
        """That size in words."""
        return f"at most {self.max_length} tokens"

    flag = "--max-length"  # that says another

    def tokens(self, samples: tuple[Sample, ...]) -> Tokens:
        """Return the tokens of samples, made once for as long as these samples are used."""
        kept = self.known.get(id(samples))
        if kept is None or kept[0] is not samples:
            kept = self.known[id(samples)] = (samples, self.encoded(samples))
        return kept[1]

    def encoded(self, samples: Sequence[Sample]) -> Tokens:
        """Return the tokens of samples; DataError with the name of one that has none."""
        try:
            return self.read(samples)
        except DataError:
            for sample in samples:  # which one it is
                self.require(sample)
            raise

    def read(self, samples: Sequence[Sample]) -> Tokens:
        """Return the tokens of samples, of texts in words each with the number of its word."""
        sources = [cast(Text, sample.source) for sample in samples]
        texts: list[Any] = [source.text for source in sources]
        if isinstance(texts[0], tuple):
            return self.tokenizer.encode_words(texts, max_length=self.max_length)
        pairs = None if sources[0].pair is None else [source.pair or "" for source in sources]
        return self.tokenizer.encode(texts, pairs, max_length=self.max_length)

    def require(self, sample: Sample) -> None:
        """Raise DataError with its name for a text that is empty or has no tokens."""
        source = cast(Text, sample.source)
        parts = [source.text if isinstance(source.text, str) else " ".join(source.text)]
        parts += [] if source.pair is None else [source.pair]
        if not all(part.strip() for part in parts):
            raise DataError(f"{sample.name}: an empty text; write one, or take it out")
        try:
            self.read([sample])
        except DataError as error:
            raise DataError(f"{sample.name}: {str(error).removeprefix('text 0: ')}") from None

    def length(self, tokens: Tokens, rows: np.ndarray) -> int:
        """Return the length that some texts are padded to: the bucket of the longest."""
        return int(buckets_of(tokens.lengths[rows].max(keepdims=True), bucket_lengths(self.max_length))[0])

    def batch(self, tokens: Tokens, rows: np.ndarray) -> TokenIds:
        """Return some texts, padded to one length."""
        arrays = tokens.padded(rows, length=self.length(tokens, rows), pad=self.pad, side=self.side)
        return TokenIds({name: array for name, array in arrays.items() if name != "types" or self.types})

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values for JSON; the tokenizer is a file of its own."""
        return {"max_length": self.max_length, "pad": self.pad, "side": self.side, "types": self.types}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], tokenizer: Tokenizer) -> "TextProcess":
        """Return what `to_dict` was made from."""
        try:
            return cls(tokenizer, **values)
        except TypeError:
            raise DataError(f"preprocess: got {dict(values)}; expected max_length, pad, side and types") from None


def text_of(sample: Sample) -> Text:
    """Return the text of a sample; DataError for one of another kind."""
    if not isinstance(sample.source, Text):
        raise DataError(f"{sample.name}: {type(sample.source).__name__}; expected a text")
    return sample.source
