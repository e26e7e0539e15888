"""Files of features: written beside their name and renamed, checked whole before they are mapped into memory.

A file is a plain safetensors file with one tensor, `features` (views, N, ...), whose header always takes 4096 bytes, so
that the data begins on a page. Its metadata hold the key (key.py), the sha256 of the data, and what the file
is about. Nothing else about a file is trusted: not its name, not its size alone. The hash tells what rotted, not what
somebody forged: who may write to the folder decides what is trained on, so it is made for the user alone (mode 0700),
and a folder where others may write is told of.

    ~/.cache/ft-parity/features/features-KEY.safetensors
"""

import hashlib
import io
import mmap
import os
import re
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ft.errors import RunError
from ft.system import files, reading
from ft.system.reading import DIGEST, Check, items, one_of, row_of, table, text, whole
from ft.weights.download import cache_folder
from ft.weights.safetensors_file import CODES, DTYPES, encode_header

HEADER = 4096  # bytes
NAME = re.compile(r"features-[0-9a-f]{32}\.safetensors")
WORDS = Check("text", lambda x: isinstance(x, str))
TABLE = table(
    {
        "__metadata__": table({"key": text(64), "about": WORDS, "sha256": DIGEST}),
        "features": table(
            {
                "dtype": one_of(*DTYPES),
                "shape": items(whole(), least=2, most=16),
                "data_offsets": row_of(whole(), whole(0, 1 << 60)),
            },
            others=None,
        ),
    },
    others=None,
)
STALE_SECONDS = 24 * 3600  # a temporary file that nobody wrote to for so long was left by a run that died


@dataclass(frozen=True)
class Header:
    """What a file of features says of itself."""

    key: str
    about: str
    sha256: str
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """The size of the data in bytes."""
        return prod(self.shape) * self.dtype.itemsize

    def encode(self) -> bytes:
        """Return the first 4096 bytes of the file."""
        entry: dict[str, object] = {"dtype": CODES[self.dtype], "shape": self.shape, "data_offsets": [0, self.nbytes]}
        text = encode_header({"features": entry}, {"key": self.key, "about": self.about, "sha256": self.sha256})
        return struct.pack("<Q", HEADER - 8) + text.ljust(HEADER - 8)


def decode_header(head: bytes) -> Header:
    """Return the header in the first 4096 bytes of a file; ValueError where there is none."""
    try:
        (length,) = struct.unpack_from("<Q", head)
        values = reading.parsed(head[8:HEADER] if length == HEADER - 8 else b"", "features")
        reading.require(values, TABLE, "features")
    except (struct.error, RunError):
        raise ValueError("no file of features") from None
    facts, entry = values["__metadata__"], values["features"]
    header = Header(facts["key"], facts["about"], facts["sha256"], DTYPES[entry["dtype"]], tuple(entry["shape"]))
    if entry["data_offsets"] != [0, header.nbytes]:
        raise ValueError("no file of features")
    return header


def features_folder(cache_dir: str | None) -> Path:
    """Return the folder of the files of features, in `cache_dir` or the user's cache."""
    return (Path(os.path.expanduser(cache_dir)) if cache_dir else cache_folder()) / "features"


def path_of(folder: Path, key: str) -> Path:
    """Return where the features of a key are kept."""
    return folder / f"features-{key[:32]}.safetensors"


def open_features(path: Path, *, key: str, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Return the features (views, images, ...) in a file, mapped read-only, after reading and checking all of it.

    Raises FileNotFoundError, or ValueError with the reason where the file is not what the key stands for.
    """
    with regular(path) as file:  # one descriptor for all of it: another run may rename a new file to this place
        header = decode_header(file.read(HEADER))
        size = os.fstat(file.fileno()).st_size
        if header.key != key or header.dtype != dtype or header.shape != shape:
            raise ValueError("features of something else")
        if size != HEADER + header.nbytes:
            raise ValueError(f"{size} bytes, expected {HEADER + header.nbytes}")
        file.seek(HEADER)
        if hashlib.file_digest(file, "sha256").hexdigest() != header.sha256:
            raise ValueError("its content changed")
        with suppress(OSError):  # the least recently used go first; a folder that is read-only keeps no account
            os.utime(path)
        return mapped(file, header)


def regular(path: Path) -> io.BufferedReader:
    """Open a regular file; ValueError for a folder, a pipe or a device."""
    try:
        return reading.opened(path)
    except RunError:
        raise ValueError("no regular file") from None


def exposed(folder: Path) -> str | None:
    """Return who else than the user may write to the folder of the features, in words; None where nobody may."""
    try:
        facts = folder.stat()
    except OSError:  # it will be made
        return None
    if facts.st_uid != os.geteuid():
        return "another user's"
    return f"of mode {facts.st_mode & 0o777:04o}, so others write there" if facts.st_mode & 0o022 else None


def mapped(file: Any, header: Header) -> np.ndarray:
    """Return the data of an open file as a read-only array; the file may go, the array stays."""
    return np.asarray(np.memmap(file, header.dtype, mode="r", offset=HEADER, shape=header.shape))


def let_go(array: np.ndarray) -> None:
    """Give the memory of a mapped array back; the system reads it again, or still has it. Nothing for other arrays."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        with suppress(OSError):  # of memory that is locked nothing can be given back
            owner.madvise(mmap.MADV_DONTNEED)


def write_features(
    path: Path,
    parts: Iterable[np.ndarray],
    *,
    key: str,
    about: str,
    dtype: np.dtype,
    shape: tuple[int, ...],
    limit: float,
) -> np.ndarray:
    """Write features that come in parts (n, ...) and return all of them, mapped, in `shape` (views, N, ...).

    limit: bytes that all files of the folder may take together; the least recently used give way. RunError where the
    disk refuses. Two runs that write the same file at once both succeed: each maps its own, and the last name wins.
    """
    header, digest = Header(key, about, "0" * 64, dtype, shape), hashlib.sha256()
    needed = HEADER + header.nbytes
    with files.publishing(path, needed=needed, flag="--cache-dir") as temporary:
        make_own_folder(path.parent)
        remove(path, only_folders=True)
        make_room(path.parent, needed, limit)
        files.require_room(path, needed)
        with open(temporary, "xb") as file:
            file.write(header.encode())
            for part in parts:
                data = np.ascontiguousarray(part, dtype).reshape(-1).view(np.uint8).data
                file.write(data)
                digest.update(data)
            assert file.tell() == needed, "not as many features as the header says"
            header = Header(key, about, digest.hexdigest(), dtype, shape)
            file.seek(0)
            file.write(header.encode())
        with open(temporary, "rb") as file:
            return mapped(file, header)


def make_own_folder(folder: Path) -> None:
    """Make the folder of the features where it is missing, for the user alone."""
    if not folder.exists():
        files.make_folder(folder)
        folder.chmod(0o700)


def remove(path: Path, *, only_folders: bool = False) -> None:
    """Remove what bears the name of a file of features, whatever it is."""
    if path.is_dir() and not path.is_symlink():
        files.remove_folder(path)
    elif not only_folders:
        path.unlink(missing_ok=True)


def make_room(folder: Path, needed: int, limit: float) -> None:
    """Remove what dead runs left, then the least recently used files, until `needed` bytes more are within `limit`."""
    for leftover in dead(folder):
        leftover.unlink(missing_ok=True)
    kept = stored(folder)
    taken = sum(size for _, size, _ in kept)
    for path, size, _ in kept:
        if taken + needed <= limit:
            return
        remove(path)
        taken -= size


def stored(folder: Path) -> list[tuple[Path, int, float]]:
    """Return path, size in bytes and time of last use (seconds since 1970) of every file of features, oldest first."""
    rows = []
    for path in folder.glob("features-*.safetensors"):
        with suppress(FileNotFoundError):  # another run may just have removed it
            if NAME.fullmatch(path.name):
                facts = path.lstat()
                rows.append((path, facts.st_size, facts.st_mtime))
    return sorted(rows, key=lambda row: row[2])


def dead(folder: Path) -> list[Path]:
    """Return the temporary files that runs left which died while they wrote."""
    paths = []
    for path in folder.glob(f"{files.TEMPORARY}*"):
        with suppress(FileNotFoundError):  # it just got its name
            if path.is_file() and time.time() - path.stat().st_mtime > STALE_SECONDS:
                paths.append(path)
    return paths


def clear(folder: Path) -> int:
    """Remove every file of features, and what dead runs left; return how many bytes that were."""
    gone = [(path, path.stat().st_size) for path in dead(folder)] + [(path, size) for path, size, _ in stored(folder)]
    with files.explained(folder, flag="--cache-dir"):
        for path, _ in gone:
            remove(path)
    return sum(size for _, size in gone)


def about(path: Path) -> dict[str, str]:
    """Return what a file of features says that it is about."""
    try:
        with regular(path) as file:
            return {"about": decode_header(file.read(HEADER)).about}
    except (OSError, ValueError):
        return {"about": "damaged"}
