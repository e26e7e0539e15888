"""Val samples that are train samples: images are found by their bytes, texts by what they say."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ft.data.images.decode import LEAVE_OUT
from ft.data.sources.listing import Thing, note
from ft.data.sources.policy import Policy, require_none
from ft.data.sources.text import Text
from ft.errors import DataError, printable

LEAKS: dict[Thing, tuple[str, str]] = {  # of val, and of test
    "image": (
        "val images with the bytes of a train image, so val accuracy flatters",
        "test images with the bytes of a train or val image, so test accuracy flatters",
    ),
    "text": (
        "val texts that are train texts, too, so val accuracy flatters",
        "test texts that are train or val texts, too, so test accuracy flatters",
    ),
}


class Located(Protocol):
    """An image or text with its name and where its pixels are."""

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> Any: ...


def leak_notes(
    train: Sequence[Located], val: Sequence[Located], test: Sequence[Located], policy: Policy, spec: str, thing: Thing
) -> tuple[list[str], int]:
    """Return notes on what val and test share with the splits before them, and how much of val is in train.

    DataError where the policy forbids any.
    """
    shared = find_leaks(train, val), find_leaks((*train, *val), test)
    notes = []
    for what, leaks in zip(LEAKS[thing], shared, strict=True):
        notes += note(what, require_none(leaks, policy.fail_on_leak, spec, what, "--no-fail-on-leak"))
    return notes, len(shared[0])


def find_leaks(train: Sequence[Located], val: Sequence[Located]) -> list[str]:
    """Return the names of val files whose bytes are those of a train file, and of val texts that train has too.

    Only files of equal size are read.
    """
    known = {sample.source.key for sample in train if isinstance(sample.source, Text)}
    sizes: defaultdict[int, list[Path]] = defaultdict(list)
    for sample in train:
        if isinstance(sample.source, Path):
            sizes[sample.source.stat().st_size].append(sample.source)
    hashes: dict[int, set[bytes]] = {}
    leaks = []
    for sample in val:
        if isinstance(sample.source, Text) and sample.source.key in known:
            leaks.append(sample.name)
        if isinstance(sample.source, Path) and (size := sample.source.stat().st_size) in sizes:
            if size not in hashes:
                hashes[size] = {hash_file(path) for path in sizes[size]}
            if hash_file(sample.source) in hashes[size]:
                leaks.append(sample.name)
    return leaks


def hash_file(path: Path) -> bytes:
    """Return the SHA-256 of a file's bytes."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror}); mend that, {LEAVE_OUT}") from None
