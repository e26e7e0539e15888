"""What `Run.predict` of a run on text may be asked about -> samples, and the form of its answer."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ft.api.asked import Asked
from ft.data.sources.asked_texts import all_texts, find_texts, require_alike
from ft.data.sources.dataset import Sample
from ft.data.sources.pictures import Pictures
from ft.data.sources.text import Text
from ft.errors import RecipeError

EXPECTED = "expected a text, a pair of texts (a tuple), a path, or a list of texts or pairs"


def asked_for(texts: Any, *, missing: bool) -> Asked:
    """Return what is meant. A word that names what exists, or a table, is a path; in a list each is a text itself."""
    if isinstance(texts, (str, Path)):
        named = find_texts(texts)
        require_alike(named.samples)
        return Asked(named.samples, "dict" if named.several else "one")
    if is_pair(texts):
        return Asked([sample_of(0, texts)], "one")
    if isinstance(texts, bytes) or not isinstance(texts, Iterable):
        raise RecipeError(f"texts: got {type(texts).__name__}; {EXPECTED}")
    samples = [sample_of(index, text) for index, text in enumerate(texts)]
    require_alike(samples)
    return Asked(samples, "list")


def all_asked(words: Iterable[str], *, missing: bool) -> Pictures:
    """Return what the words of a command line stand for."""
    return all_texts(words)


def is_pair(value: Any) -> bool:
    """Tell whether a value is a pair of texts."""
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, str) for part in value)


def sample_of(index: int, text: Any) -> Sample:
    """Return one text of a list."""
    if isinstance(text, str):
        return Sample(str(index), 0, Text(text))
    if is_pair(text):
        return Sample(str(index), 0, Text(*text))
    raise RecipeError(f"texts[{index}]: got {type(text).__name__}; {EXPECTED}")
