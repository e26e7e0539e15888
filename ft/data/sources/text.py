"""A text, and what it is compared by."""

from dataclasses import dataclass
from unicodedata import normalize


@dataclass(frozen=True)
class Text:
    """A text, and the one that it makes a pair with, where there is one.

    words: the same text in words, where each of them has a label of its own.
    """

    text: str
    pair: str | None = None
    words: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        """What it is the same text by: case, blanks, and how accents are written change nothing."""
        both = (self.text,) if self.pair is None else (self.text, self.pair)
        return "\0".join(normalize("NFC", " ".join(part.split()).casefold()) for part in both)
