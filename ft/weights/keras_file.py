"""Keras's weights files without Keras: `.weights.h5`, `.keras`, the older `.h5`; nothing in them runs or is followed.

A `.keras` file is a zip archive. Its config.json, which describes code, is read for one thing only: a Lambda layer is
refused, for its code would not come along with the weights. In an HDF5 file every link must lead to a place of its own
in this file, every array must lie there plainly, and all of them together may claim no more bytes than the file has.
All of that is looked at before the first array is read, and by a process of its own: one flipped byte in a layer's
name can make the HDF5 library run for ever.
"""

import io
import json
import math
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, takewhile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ft.errors import WeightsError
from ft.system import apart
from ft.weights.keras_names import ORDERS
from ft.weights.tensors import BFLOAT16, require_few, require_plain_name

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
MEMBER, SHARDS, CONFIG = "model.weights.h5", "model.weights.json", "config.json"
CODE = ("Lambda", "__lambda__")  # classes of a config whose content is Python's bytecode
MAX_DEPTH = 32  # of groups in groups; Keras nests one to three for each model in a model
INSPECTION_SECONDS = 60  # it takes one or two
VARIABLE = re.compile(r"(?P<layer>layers/(?:.+/)?(?P<group>[^/]+)/vars)/(?P<index>[0-9]{1,6})")
HINT = "save it again with model.save_weights('NAME.weights.h5') in Keras 3"
DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError)  # what h5py raises for bad files

Plan = dict[str, tuple[str, str]]  # "LAYER/INDEX" or "LAYER/VARIABLE" -> path of the dataset, type


def read_keras(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file of Keras's as "LAYER/INDEX", or as "LAYER/VARIABLE" where a name is known.

    Types and layouts are the file's; optimizers and metrics are left out. Raises WeightsError, one line that gives the
    reason only, for anything but plain arrays within the file, and where h5py is not installed.
    """
    plan = inspect_apart(Path(path))
    require_few(len(plan))
    with opened(path) as (root, _):
        return {name: read_array(root[where], dtype) for name, (where, dtype) in plan.items()}


def is_keras_archive(path: str | Path) -> bool:
    """Tell whether a file is a zip archive with Keras's weights in it, whole or in shards."""
    try:
        with zipfile.ZipFile(path) as archive:
            return not {MEMBER, SHARDS}.isdisjoint(archive.namelist())
    except (zipfile.BadZipFile, ValueError):
        return False


def inspect_apart(path: Path) -> Plan:
    """Return `inspect(path)` of another process; WeightsError as well where that crashes or does not come to an end."""
    import_h5py()
    try:
        done = subprocess.run(
            apart.command("ft.weights.keras_file", str(path.absolute())),
            env=apart.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=INSPECTION_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise WeightsError("damaged: the HDF5 library hangs on it; fetch or save it again") from None
    if done.returncode < 0:
        raise WeightsError("damaged: the HDF5 library crashes on it; fetch or save it again")
    answer = json.loads(done.stdout) if done.returncode == 0 else {}
    if "refused" in answer:
        raise WeightsError(answer["refused"])
    if "plan" not in answer:
        raise RuntimeError(f"inspection of {path} failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return {name: (where, dtype) for name, (where, dtype) in answer["plan"].items()}


def answer_for(path: str) -> str:
    """Return what `inspect` says about a file as JSON, for the process that asked."""
    try:
        return json.dumps({"plan": inspect(path)})
    except WeightsError as refusal:
        return json.dumps({"refused": str(refusal)})


def inspect(path: str | Path) -> Plan:
    """Return where each variable of a file lies and its type, after checking everything in the file but the numbers."""
    with opened(path) as (root, file_size):
        items, plan = survey(root, file_size), {}
        for config in texts(items[""], "model_config", file_size):
            refuse_lambdas(config)
        for layer, variable, where in variables(items, file_size):
            name = f"{require_plain_name(layer)}/{require_plain_name(variable)}"
            if name in plan:
                raise WeightsError(f"two variables called {name}; expected each name once, {HINT}")
            plan[name] = where, type_of(items[where], where, file_size)
    if not plan:
        raise WeightsError(f"holds no weights of layers; {HINT}")
    return plan


@contextmanager
def opened(path: str | Path) -> Iterator[tuple[Any, int]]:
    """Give the root of the HDF5 file that `path` is or, as an archive, holds, and its size; WeightsError if damaged."""
    h5py = import_h5py()
    try:
        with open_content(path) as file:
            size = file.seek(0, io.SEEK_END)
            with h5py.File(file, "r") as root:
                yield root, size
    except (*DAMAGE, zipfile.BadZipFile, zlib.error, EOFError):
        raise WeightsError("damaged or cut off: not a whole file of Keras's; fetch or save it again") from None


def open_content(path: str | Path) -> Any:
    """Return the open HDF5 file: `path` itself, or the one in the archive, whose other entries are never unpacked."""
    if not is_keras_archive(path):
        return open(path, "rb")
    with zipfile.ZipFile(path) as archive:
        require_plain_archive(archive, Path(path).stat().st_size)
        return io.BytesIO(archive.read(MEMBER))


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
    if sum(max(entry.file_size, entry.compress_size) for entry in entries) > file_size:
        raise WeightsError("archive entries that claim more bytes than the file has; fetch or save it again")
    if CONFIG in names:
        refuse_lambdas(archive.read(CONFIG))
    if MEMBER not in names:
        raise WeightsError(f"its weights are split into shards; {HINT}")


def refuse_lambdas(config: str | bytes) -> None:
    """Raise WeightsError where the description of a model holds code; nothing of it is run to find out."""
    waiting = [json.loads(config)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if value.get("class_name") in CODE:
                raise WeightsError(f"refused, its config holds a Lambda layer, which is code; {HINT}")
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


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
    items, addresses, waiting, claimed = {"": root}, {address(root)}, [("", root, 0)], 0
    while waiting:
        path, group, depth = waiting.pop()
        for name in group:
            where = f"{path}/{name}" if path else name
            if type(group.get(name, getlink=True)) is not h5py.HardLink:
                raise WeightsError(f"refused, {shown(where)} is a link to another place or file; {HINT}")
            item = group[name]
            if address(item) in addresses or depth == MAX_DEPTH:
                raise WeightsError(f"refused, {shown(where)} stands in the file twice or too deep; {HINT}")
            addresses.add(address(item))
            items[where] = item
            if isinstance(item, h5py.Group):
                waiting.append((where, item, depth + 1))
            else:
                claimed += bytes_of(item, where)
    if claimed > file_size:
        raise WeightsError(f"its arrays claim {claimed:.3g} bytes, the file has {file_size}; fetch or save it again")
    return items


def shown(where: str) -> str:
    """Return a path in the file for a message."""
    return ascii(where)[1:-1][-80:]


def address(item: Any) -> int:
    """Return where an object lies in its file: two links to one object have the same address."""
    return import_h5py().h5o.get_info(item.id).addr


def bytes_of(dataset: Any, where: str) -> int:
    """Return the bytes of a dataset, after checking that it lies in its file in one piece, as Keras writes it."""
    h5py = import_h5py()
    if not isinstance(dataset, h5py.Dataset):
        raise WeightsError(f"refused, {shown(where)} is neither a group nor an array; {HINT}")
    creation = dataset.id.get_create_plist()
    if creation.get_external_count() or creation.get_layout() not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT):
        raise WeightsError(f"refused, {shown(where)} lies in another file, is compressed or in pieces; {HINT}")
    claimed, stored = math.prod(dataset.shape or ()) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if claimed != stored:
        raise WeightsError(f"{shown(where)} claims {claimed:.3g} bytes, {stored} are stored; fetch or save it again")
    return claimed


def variables(items: dict[str, Any], file_size: int) -> Iterator[tuple[str, str, str]]:
    """Yield a layer's name, the name or the index of a variable in the layer, and the path of its dataset."""
    for base in ("", "model_weights"):  # the old format, of weights alone and of a whole model
        if base in items and "layer_names" in items[base].attrs:
            return old_variables(items, base, file_size)
    if "layers" not in items:
        raise WeightsError(f"an HDF5 file, but not of Keras's weights; {HINT}")
    return new_variables(items, file_size)


def new_variables(items: dict[str, Any], file_size: int) -> Iterator[tuple[str, str, str]]:
    """Yield the variables of a file of Keras 3's: groups bear class names, a layer's own is an attribute of "vars"."""
    for where in sorted(items, key=natural):
        if match := VARIABLE.fullmatch(where):
            (layer,) = texts(items[match["layer"]], "name", file_size) or [None]
            if layer is None:
                raise WeightsError(f"written by Keras 2.12 to 2.15, without the layers' names; {HINT}")
            if "/" in layer:
                raise WeightsError(f"refused, a layer is called {ascii(layer)[:80]}; expected a name without '/'")
            index, order = int(match["index"]), ORDERS.get(re.sub("_[0-9]+$", "", match["group"]), ())
            yield layer, order[index] if index < len(order) else str(index), where


def natural(path: str) -> list[tuple[int, str]]:
    """Return a key that sorts conv2d before conv2d_2 before conv2d_10: Keras numbers groups in the order of layers."""
    parts = enumerate(re.split("([0-9]+)", path))  # every other one is a number: the longer, the larger
    return [(len(part.lstrip("0")), part.lstrip("0")) if place % 2 else (0, part) for place, part in parts]


def old_variables(items: dict[str, Any], base: str, file_size: int) -> Iterator[tuple[str, str, str]]:
    """Yield the variables of an old file: layers and their weights are listed in attributes, as "conv1/kernel:0"."""
    start = f"{base}/" if base else ""
    for layer in texts(items[base], "layer_names", file_size):
        weights = texts(items[f"{start}{layer}"], "weight_names", file_size)
        owners = {weight.rpartition("/")[0] for weight in weights}
        for weight in weights:
            owner, _, variable = weight.removesuffix(":0").rpartition("/")
            own = owner.rpartition("/")[2] if len(owners) > 1 else layer  # several: a model, which is listed as a layer
            yield own, variable, f"{start}{layer}/{weight}"


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
    if raw.shape == (0,):  # Keras writes an empty list as one of floats
        return []
    if import_h5py().check_string_dtype(raw.dtype) is None or raw.get_storage_size() > file_size:
        raise WeightsError(f"its attribute {attribute} is no list of names; {HINT}")
    values = np.ravel(np.asarray(group.attrs[attribute], object))
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def type_of(dataset: Any, where: str, file_size: int) -> str:
    """Return the name of an array's type; Keras keeps bfloat16 as two opaque bytes and says so in an attribute."""
    if not isinstance(dataset, import_h5py().Dataset):
        raise WeightsError(f"damaged: {shown(where)} is listed as an array and is none; fetch or save it again")
    dtype = dataset.dtype
    if dtype == np.dtype("V2") and texts(dataset, "dtype", file_size) == ["bfloat16"]:
        return "bfloat16"
    if dtype.kind not in "fiub" or dtype.itemsize > 8 or dataset.shape is None:
        raise WeightsError(f"{shown(where)} holds {dtype}; expected an array of plain numbers")
    return dtype.name


def read_array(dataset: Any, dtype: str) -> np.ndarray:
    """Return an inspected dataset's numbers in the machine's byte order."""
    array = np.array(dataset[()])
    return array.view(BFLOAT16) if dtype == "bfloat16" else array.astype(dtype, copy=False)


if __name__ == "__main__":
    print(answer_for(sys.argv[1]))
