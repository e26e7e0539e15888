"""Plain text for a language model: a file is cut into blocks, each of which is a text to learn from.

A block is as many whole lines as have room in a number of characters, blank lines between them included; a line that is
longer is cut behind a blank, or where it has none in the middle of a word. So nothing is lost and nothing comes twice.
"""

from collections.abc import Iterator
from pathlib import Path

from ft.data.sources.folder import Walk, find_images
from ft.data.sources.listing import SPLITS, Inside, name_bytes
from ft.data.sources.text import Text
from ft.data.sources.texts.raw import BadText, RawText, TextListing, fault_of, read_utf8
from ft.errors import printable

BLOCK = 512  # characters of a block at most: about 128 tokens of English
ENDINGS = {".txt", ".text"}


def list_blocks(path: Path, *, block: int, prefix: str = "") -> list[RawText]:
    """Return the blocks of a file, each by its first line."""
    where = printable(path)
    return [
        RawText(f"{prefix}line {line}", f"{where} line {line}", Text(text))
        for line, text in blocks_of(read_utf8(path), block)
    ]


def blocks_of(text: str, block: int) -> Iterator[tuple[int, str]]:
    """Yield the line that a block begins in, and the block, without the blanks around it."""
    start, held = 1, ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        for part in parts_of(line, block):
            if held and len(held) + 1 + len(part) > block:
                if held.strip():
                    yield start, held.strip()
                held = ""
            if not held.strip():
                start, held = number, part
            else:
                held += "\n" + part
    if held.strip():
        yield start, held.strip()


def parts_of(line: str, block: int) -> Iterator[str]:
    """Yield a line, in parts of at most `block` characters."""
    start = 0
    while len(line) - start > block:
        cut = line.rfind(" ", start + 1, start + block) + 1 or start + block
        yield line[start:cut]
        start = cut
    yield line[start:]


def list_documents(root: Path, *, outside: bool, block: int) -> TextListing:
    """Return the blocks of every file of text below a folder; those of a file stay in one split."""
    walk = Walk(root, Inside(root, outside=outside), "text", ENDINGS)
    texts: list[RawText] = []
    for path in sorted(find_images(root, walk), key=lambda path: name_bytes(path.relative_to(root).as_posix())):
        name = path.relative_to(root)
        split = SPLITS.get(name.parts[0].lower(), "") if len(name.parts) > 1 else ""
        texts += document(path, name.as_posix(), split, block)
    return TextListing(root.resolve().name, texts)


def document(path: Path, name: str, split: str, block: int) -> list[RawText]:
    """Return the blocks of a file, or the file itself with what is wrong with it."""
    try:
        blocks = list(blocks_of(read_utf8(path), block))
    except BadText as fault:
        return [RawText(name, printable(path), Text(""), split=split, fault=fault)]
    if not blocks:
        return [RawText(name, printable(path), Text(""), split=split, fault=fault_of(Text(""), printable(path)))]
    return [
        RawText(f"{name} line {line}", f"{printable(path)} line {line}", Text(text), split=split, document=name)
        for line, text in blocks
    ]
