"""Keras's weights files without Keras: `.weights.h5`, `.keras`, the older `.h5`; nothing in them runs or is followed.

A `.keras` file is a zip archive: its config.json, which describes code, is not even read; its model.weights.h5 is. In
an HDF5 file every link must lead to a place of its own in this file, every array must lie there plainly, and all of
them together may claim no more bytes than the file has. All of that is looked at before the first array is read.
"""

import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ft.errors import WeightsError
from ft.weights.tensors import BFLOAT16, require_plain_name

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
MEMBER, SHARDS = "model.weights.h5", "model.weights.json"
MAX_DEPTH = 32  # of groups in groups; Keras nests one to three for each model in a model
VARIABLE = re.compile(r"layers/(?:.+/)?vars/([0-9]{1,6})")
HINT = "save it again with model.save_weights('NAME.weights.h5') in Keras 3"
DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError)  # what h5py raises for bad files


def read_keras(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of an HDF5 file of Keras's as "LAYER/INDEX", an index for each variable of a layer, in order.

    Types and layouts are the file's; optimizers and metrics are left out. Raises WeightsError, one line that gives the
    reason only, for anything but plain arrays within the file, and where h5py is not installed.
    """
    with open(path, "rb") as file:
        return read_hdf5(file, file.seek(0, io.SEEK_END))


def read_keras_archive(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of a `.keras` file, see `read_keras`. Its other entries are neither read nor unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            require_plain_archive(archive, Path(path).stat().st_size)
            content = archive.read(MEMBER)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError):
        raise WeightsError("damaged or cut off: not a whole zip archive; fetch or save it again") from None
    return read_hdf5(io.BytesIO(content), len(content))


def is_keras_archive(path: str | Path) -> bool:
    """Tell whether a file is a zip archive with Keras's weights in it, whole or in shards."""
    try:
        with zipfile.ZipFile(path) as archive:
            return not {MEMBER, SHARDS}.isdisjoint(archive.namelist())
    except (zipfile.BadZipFile, ValueError):
        return False


def require_plain_archive(archive: zipfile.ZipFile, file_size: int) -> None:
    """Raise WeightsError unless the entries are stored plainly, each once, inside of the archive's own folder."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    for name in names:
        if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts:
            raise WeightsError(f"refused, its entry {ascii(name)[:80]} leads out of the archive; {HINT}")
    if len(set(names)) < len(names):
        raise WeightsError("an archive entry stands twice; expected each once, save the file again")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise WeightsError("compressed entries, which Keras does not write; save the file again with model.save")
    if sum(entry.file_size for entry in entries) > file_size:
        raise WeightsError("archive entries that claim more bytes than the file has; fetch or save it again")
    if MEMBER not in names:
        raise WeightsError(f"its weights are split into shards; {HINT}")


def read_hdf5(file: Any, file_size: int) -> dict[str, np.ndarray]:
    """Return the arrays of an open file by "LAYER/INDEX", whichever Keras wrote it."""
    h5py = import_h5py()
    try:
        with h5py.File(file, "r") as root:
            found = survey(root, file_size)
            arrays: dict[str, np.ndarray] = {}
            for layer, index, where in variables(found, file_size):
                name = f"{require_plain_name(layer)}/{index}"
                if name in arrays:
                    raise WeightsError(f"two layers called {layer}; expected each name once, {HINT}")
                arrays[name] = read_array(found[where], where)
            if not arrays:
                raise WeightsError(f"holds no weights of layers; {HINT}")
            return arrays
    except DAMAGE:
        raise WeightsError("damaged or cut off: not a whole HDF5 file of Keras's; fetch or save it again") from None


def import_h5py() -> Any:
    """Return h5py, or raise WeightsError that says how to get it."""
    try:
        import h5py
    except ImportError:
        raise WeightsError('reading .h5 and .keras takes h5py; pip install h5py, or "ft-parity[tf]"') from None
    return h5py


def survey(root: Any, file_size: int) -> dict[str, Any]:
    """Return every group and dataset of a file by its path, the root as "", after checking that each one is plain.

    A path holds no surprises afterwards: objects are looked up here, never again in the file.
    """
    h5py = import_h5py()
    found, addresses, waiting, claimed = {"": root}, {address(root)}, [("", root, 0)], 0
    while waiting:
        path, group, depth = waiting.pop()
        for name in group:
            where = f"{path}/{name}" if path else name
            shown = ascii(where)[1:-1][-80:]
            if type(group.get(name, getlink=True)) is not h5py.HardLink:
                raise WeightsError(f"refused, {shown} is a link to another place or file; {HINT}")
            item = group[name]
            if address(item) in addresses or depth == MAX_DEPTH:
                raise WeightsError(f"refused, {shown} stands in the file twice or too deep; {HINT}")
            addresses.add(address(item))
            found[where] = item
            if isinstance(item, h5py.Group):
                waiting.append((where, item, depth + 1))
            else:
                claimed += bytes_of(item, shown)
    if claimed > file_size:
        raise WeightsError(f"its arrays claim {claimed:.3g} bytes, the file has {file_size}; fetch or save it again")
    return found


def address(item: Any) -> int:
    """Return where an object lies in its file: two links to one object have the same address."""
    return import_h5py().h5o.get_info(item.id).addr


def bytes_of(dataset: Any, shown: str) -> int:
    """Return the bytes of a dataset, after checking that it lies in its file in one piece, as Keras writes it."""
    h5py = import_h5py()
    if not isinstance(dataset, h5py.Dataset):
        raise WeightsError(f"refused, {shown} is neither a group nor an array; {HINT}")
    creation = dataset.id.get_create_plist()
    if creation.get_external_count() or creation.get_layout() not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT):
        raise WeightsError(f"refused, {shown} lies in another file, is compressed or in pieces; {HINT}")
    claimed = math.prod(dataset.shape or ()) * dataset.dtype.itemsize
    if claimed != dataset.id.get_storage_size():
        stored = dataset.id.get_storage_size()
        raise WeightsError(f"{shown} claims {claimed:.3g} bytes, {stored} are stored; fetch or save it again")
    return claimed


def variables(found: dict[str, Any], file_size: int) -> Iterator[tuple[str, int, str]]:
    """Yield a layer's name, the index of a variable in the layer, and the path of its dataset."""
    for base in ("", "model_weights"):  # the old format, of weights alone and of a whole model
        if base in found and "layer_names" in found[base].attrs:
            return old_variables(found, base, file_size)
    if "layers" not in found:
        raise WeightsError(f"an HDF5 file, but not of Keras's weights; {HINT}")
    return new_variables(found, file_size)


def new_variables(found: dict[str, Any], file_size: int) -> Iterator[tuple[str, int, str]]:
    """Yield the variables of a file of Keras 3's: groups bear class names, a layer's own is an attribute of "vars"."""
    for where in found:
        if match := VARIABLE.fullmatch(where):
            (layer,) = texts(found[where.rpartition("/")[0]], "name", file_size) or [None]
            if layer is None:
                raise WeightsError(f"written by Keras 2.12 to 2.15, without the layers' names; {HINT}")
            if "/" in layer:
                raise WeightsError(f"refused, a layer is called {ascii(layer)[:80]}; expected a name without '/'")
            yield layer, int(match[1]), where


def old_variables(found: dict[str, Any], base: str, file_size: int) -> Iterator[tuple[str, int, str]]:
    """Yield the variables of an old file: layers and their weights are listed in attributes."""
    start = f"{base}/" if base else ""
    for layer in texts(found[base], "layer_names", file_size):
        for index, weight in enumerate(texts(found[f"{start}{layer}"], "weight_names", file_size)):
            yield layer, index, f"{start}{layer}/{weight}"


def texts(group: Any, attribute: str, file_size: int) -> list[str]:
    """Return the texts of an attribute, or of its parts "..0", "..1" where it outgrew HDF5's 64 kB; [] without it."""
    parts = [attribute] if attribute in group.attrs else takewhile(group.attrs.__contains__, numbered(attribute))
    return [text for part in parts for text in read_texts(group, part, file_size)]


def numbered(name: str) -> Iterator[str]:
    """Yield name0, name1, name2 ..."""
    return (f"{name}{number}" for number in count())


def read_texts(group: Any, attribute: str, file_size: int) -> list[str]:
    """Return the texts of one attribute, after checking its type and the bytes that it claims."""
    raw = group.attrs.get_id(attribute)
    if import_h5py().check_string_dtype(raw.dtype) is None or raw.get_storage_size() > file_size:
        raise WeightsError(f"its attribute {attribute} is no list of names; {HINT}")
    values = np.ravel(np.asarray(group.attrs[attribute], object))
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def read_array(dataset: Any, where: str) -> np.ndarray:
    """Return a surveyed dataset's numbers in the machine's byte order; Keras keeps bfloat16 as two opaque bytes."""
    dtype = dataset.dtype
    if dtype == np.dtype("V2") and texts(dataset, "dtype", dataset.file.id.get_filesize()) == ["bfloat16"]:
        return np.array(dataset[()]).view(BFLOAT16)
    if dtype.kind not in "fiub" or dtype.itemsize > 8 or dataset.shape is None:
        raise WeightsError(f"{ascii(where)[1:-1][-80:]} holds {dtype}; expected an array of plain numbers")
    return np.array(dataset[()], dtype.newbyteorder("="))
