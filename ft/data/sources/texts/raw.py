"""A text as a source has it, before labels are read, and what may be wrong with one."""

from dataclasses import dataclass, field
from pathlib import Path

from ft.data.sources.beside import read_beside
from ft.data.sources.text import Text
from ft.errors import DataError, printable

KINDS = {"empty text": "empty texts", "encoding": "texts that are no UTF-8"}  # of a fault, and what it is called
LARGEST = 1 << 32  # bytes of a file
TAKE_OUT = "take it out, or pass --on-bad-image skip"


class BadText(DataError):
    """A text that cannot be used. kind: one of KINDS; reason: why, and what to do."""

    def __init__(self, kind: str, reason: str, where: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.kind, self.reason = kind, reason


@dataclass(frozen=True)
class RawText:
    """A text. where: its file and line, for complaints; label: None where the source has none for it.

    tags: the labels of its words; fault: why it cannot be used; document: what it is a part of, which is held out as a
    whole.
    """

    name: str
    where: str
    text: Text
    label: str | None = None
    split: str = ""
    tags: tuple[str, ...] | None = None
    fault: BadText | None = None
    document: str = ""


@dataclass(frozen=True)
class TextListing:
    """All texts of a source. folders, notes and ignored are those of a `Listing`."""

    name: str
    texts: list[RawText]
    folders: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    ignored: dict[str, set[str]] = field(default_factory=dict)
    hidden: int = 0


def fault_of(text: Text, where: str) -> BadText | None:
    """Return what is wrong with a text, None where it can be used."""
    parts = {"text": text.line} | ({} if text.pair is None else {"second text": text.pair})
    for what, part in parts.items():
        if not part.strip():
            return BadText("empty text", f"the {what} is empty; write one, {TAKE_OUT}", where)
        try:
            part.encode()
        except UnicodeEncodeError as error:
            half = printable(part[error.start])
            return BadText("encoding", f"{half} at {error.start} of the {what} is no character; {TAKE_OUT}", where)
    return None


def read_utf8(path: Path, where: str = "") -> str:
    """Return the text of a file in UTF-8, with or without BOM; BadText with the line of the first byte that is none."""
    data = read_beside(path, most=LARGEST)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)  # the codec counts behind the BOM
        line = data.count(b"\n", 0, start) + 1
        what = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else f"byte 0x{data[start]:02x}"
        reason = f"{what}, where UTF-8 was expected; save the file as UTF-8"
        raise BadText("encoding", reason, f"{where or printable(path)} line {line}") from None
