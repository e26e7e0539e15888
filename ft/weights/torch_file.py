"""`.pth` files without torch: the zip format (torch 1.6 on) and the legacy one, plain tensors only.

The numbers lie beside the pickle, never in it: `inert_pickle` says which windows into which storages the file
describes, this file finds the storages, `torch_tensors` copies the windows out. Whatever a file declares is compared
with its size before memory is asked for.
"""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ft.errors import WeightsError
from ft.weights.inert_pickle import HINT, Storage, read_pickle, read_with_storages
from ft.weights.torch_tensors import copy_tensors

LEGACY_MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # the pickle of torch's magic number
LEGACY_PROTOCOL = 1001
MAX_PICKLE_BYTES = 1 << 24  # ResNet-152 takes 0.2 MB


def read_torch_zip(path: str | Path) -> dict[str, np.ndarray]:
    """Return the tensors of a file in the zip format; WeightsError for anything but plain tensors."""
    file_size = os.path.getsize(path)
    try:
        with zipfile.ZipFile(path) as archive:
            require_plain_archive(archive, file_size)
            root = archive_root(archive)
            tree = read_pickle(io.BytesIO(archive.read(f"{root}data.pkl")))
            order = archive.read(f"{root}byteorder") if f"{root}byteorder" in archive.namelist() else b"little"
            if order not in (b"little", b"big"):
                raise WeightsError(f"byte order {order[:20]!r}; expected little or big")
            return copy_tensors(tree, lambda s: archive.read(f"{root}data/{s.key}"), order.decode(), file_size)
    except KeyError:
        raise WeightsError("a storage is missing from the archive; fetch or save the file again") from None
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError, OSError):
        raise WeightsError("damaged or cut off: not a whole zip archive; fetch or save it again") from None


def read_torch_legacy(path: str | Path) -> dict[str, np.ndarray]:
    """Return the tensors of a file in the format before torch 1.6: five pickles, then one storage after the other."""
    with open(path, "rb") as file:
        file_size = file.seek(0, io.SEEK_END)
        file.seek(0)
        head = io.BytesIO(file.read(MAX_PICKLE_BYTES))
        _magic, protocol, _system = read_pickle(head), read_pickle(head), read_pickle(head)
        if protocol != LEGACY_PROTOCOL:  # only a number is shown: a list that holds itself twice prints for ever
            version = ascii(protocol)[:20] if type(protocol) is int else type(protocol).__name__
            raise WeightsError(f"legacy protocol {version}; expected {LEGACY_PROTOCOL}; {HINT}")
        tree, storages = read_with_storages(head)
        keys = read_pickle(head)
        file.seek(head.tell())
        places = find_storages(file, keys, storages, file_size)

        def load(storage: Storage) -> bytes:
            file.seek(places[storage.key])
            return file.read(storage.size * storage.dtype.itemsize)

        return copy_tensors(tree, load, "little", file_size)  # the format is little-endian on every machine


def require_plain_archive(archive: zipfile.ZipFile, file_size: int) -> None:
    """Raise WeightsError unless the entries are stored plainly, each once, within the bytes that the file has."""
    entries = archive.infolist()
    if len({e.filename for e in entries}) < len(entries):
        raise WeightsError("an archive entry stands twice; expected each once, save the file again")
    if any(e.compress_type != zipfile.ZIP_STORED for e in entries):
        raise WeightsError(f"compressed entries, which torch does not write; {HINT}")
    if sum(max(e.file_size, e.compress_size) for e in entries) > file_size:
        raise WeightsError("archive entries that claim more bytes than the file has; fetch or save it again")


def archive_root(archive: zipfile.ZipFile) -> str:
    """Return the one folder of an archive, with its slash, after checking that it is one of torch.save's."""
    pickles = [e for e in archive.infolist() if e.filename.count("/") == 1 and e.filename.endswith("/data.pkl")]
    if len(pickles) != 1 or any(n.endswith("/constants.pkl") for n in archive.namelist()):
        raise WeightsError(f"a zip archive, but not one that torch.save wrote (Keras? TorchScript? a folder?); {HINT}")
    if pickles[0].file_size > MAX_PICKLE_BYTES:
        raise WeightsError(f"a pickle of {pickles[0].file_size} bytes; expected at most {MAX_PICKLE_BYTES}; {HINT}")
    return pickles[0].filename.removesuffix("data.pkl")


def find_storages(file: io.BufferedReader, keys: Any, storages: dict[str, Storage], file_size: int) -> dict[str, int]:
    """Return where each storage's numbers start: they lie in the order of `keys`, each behind its length as int64."""
    if type(keys) is not list or not all(isinstance(k, str) for k in keys) or sorted(keys) != sorted(storages):
        raise WeightsError("damaged: its list of storages differs from those of its tensors; fetch or save it again")
    places = {}
    for key in keys:
        length = file.read(8)
        places[key] = file.tell()
        end = places[key] + storages[key].size * storages[key].dtype.itemsize
        if length != struct.pack("<q", storages[key].size) or end > file_size:
            raise WeightsError(f"damaged or cut off at byte {places[key]} of {file_size}; fetch or save it again")
        file.seek(end)
    if file.tell() != file_size:
        raise WeightsError(f"{file_size - file.tell()} bytes after its last tensor; expected none, fetch it again")
    return places
