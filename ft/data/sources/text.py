"""A text, and what it is compared by."""

from dataclasses import dataclass
from unicodedata import normalize


@dataclass(frozen=True)
class Text:
    """A text, or its words where each has a label, and the one that it makes a pair with, where there is one."""

    text: str | tuple[str, ...]
    pair: str | None = None

    @property
    def line(self) -> str:
        """The text without its pair, its words with blanks between."""
        return self.text if isinstance(self.text, str) else " ".join(self.text)

    @property
    def key(self) -> str:
        """What it is the same text by: case, blanks, and how accents are written change nothing."""
        both = (self.line,) if self.pair is None else (self.line, self.pair)
        return "\0".join(normalize("NFC", " ".join(part.split()).casefold()) for part in both)
