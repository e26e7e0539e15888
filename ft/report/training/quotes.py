"""What a page shows of texts: the most confident mistakes, word for word, and how long the texts are."""

import re
from collections.abc import Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any

from ft.data import Sample
from ft.data.sources.text import Text
from ft.errors import RunError
from ft.system import reading
from ft.system.clean import clean
from ft.tasks.sections import Mistake

LETTERS = 400  # of a text that are shown
QUOTE = re.compile(r'<li class="text"><q>(.*?)</q>.*?<small class="name">(.*?)</small></li>', re.DOTALL)


def quoted_parts(rows: Sequence[Mistake], wrong: int, samples: Sequence[Sample] | None, page: Path) -> dict[str, Any]:
    """Return what quotes.html.j2 needs. samples: the validation texts; page: the report of before, whose quotes stay
    where these are not to be had any more.
    """
    texts = {sample.name: excerpt(sample.source) for sample in samples or () if isinstance(sample.source, Text)}
    kept = {} if texts else kept_quotes(page)
    quotes = [texts.get(row.name) or kept.get(clean(row.name)) for row in rows]
    return {
        "template": "quotes.html.j2",
        "rows": list(zip(rows, quotes, strict=True)),
        "wrong": wrong,
        "found": samples is not None or any(quotes),
    }


def excerpt(text: Text) -> str:
    """Return the beginning of a text, or of both of a pair."""
    own = text.text if isinstance(text.text, str) else " ".join(text.text)
    parts = [own] if text.pair is None else [own, text.pair]
    room = LETTERS // len(parts)
    return clean(" | ".join(part if len(part) <= room else f"{part[:room].rstrip()} …" for part in parts))


def kept_quotes(page: Path) -> dict[str, str]:
    """Return the quotes of a report that was written before, by the names on it; none where there is no report."""
    try:
        html = reading.read_bytes(page, most=reading.TABLE_BYTES).decode()
    except (OSError, RunError, UnicodeDecodeError):
        return {}
    return {unescape(name): unescape(quote) for quote, name in QUOTE.findall(html)}


def length_parts(lengths: Mapping[str, Any]) -> dict[str, Any]:
    """Return what lengths.html.j2 needs: of each length that texts are padded to, how many of each split have it."""
    most = max(max(lengths["train"]), max(lengths["val"]), 1)
    rows = [
        (length, train, val)
        for length, train, val in zip(*(lengths[k] for k in ("padded", "train", "val")), strict=True)
    ]
    while len(rows) > 1 and not any(rows[-1][1:]):
        rows.pop()
    return {"template": "lengths.html.j2", "rows": rows, "most": most, **lengths}
