"""Names come from strangers' models: what may not stand in a terminal, a page or XML is taken out of them."""

import re

# control characters but tab and newline, the halves of surrogate pairs, and marks that turn the direction of writing
UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """Return text with a replacement character for everything that a reader cannot see."""
    return UNFIT.sub("\ufffd", text)


GB = 1e9


def size_text(count: float) -> str:
    """Return a number of bytes as "12.3 MB"."""
    for unit, size in (("GB", GB), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B"
