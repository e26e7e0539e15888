"""Safetensors files: read strictly, written so that equal tensors give equal bytes.

The `safetensors` package checks a file; what it lets pass (a name that stands twice) is refused here, and bfloat16,
which its NumPy side lacks, is read as `ml_dtypes.bfloat16`. Writing is ours: the package orders metadata at random.
Layout: 8 bytes of header length, a JSON header padded with spaces to 8 bytes, the data without gaps.
"""

import hashlib
import json
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize

from ft.errors import WeightsError, listed
from ft.weights.tensors import BFLOAT16, require_few, require_plain_name

DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
CODES = {dtype: code for code, dtype in DTYPES.items()}


def read_safetensors(path: str | Path) -> dict[str, np.ndarray]:
    """Return the tensors of a file, writable and in the file's types; WeightsError for anything irregular."""
    try:
        return parse_safetensors(Path(path).read_bytes())
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}; expected a safetensors file") from None
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None


def parse_safetensors(content: bytes) -> dict[str, np.ndarray]:
    """Return the tensors in a file's content; a WeightsError gives the reason only."""
    require_few(content.count(b'"data_offsets"', 0, 8 + int.from_bytes(content[:8], "little")))
    try:
        entries = deserialize(content)
    except SafetensorError as error:
        reason = ascii(str(error))[1:-1].removeprefix("Error while deserializing: ")[:200]
        raise WeightsError(f"{reason}; expected a whole safetensors file, fetch or save it again") from None
    refuse_duplicates(content)
    return {require_plain_name(name): to_array(name, entry) for name, entry in entries}


def to_array(name: str, entry: dict) -> np.ndarray:
    """Return one entry of the package's list {dtype, shape, data} as an array."""
    if entry["dtype"] not in DTYPES:
        raise WeightsError(f"tensor {name} has the type {entry['dtype']}; expected one of {', '.join(DTYPES)}")
    try:
        return np.frombuffer(entry["data"], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    except ValueError:  # NumPy allows 64 axes, and no axis that overflows beside an empty one
        raise WeightsError(f"tensor {name} has the shape {str(entry['shape'])[:80]}; NumPy cannot hold it") from None


def refuse_duplicates(content: bytes) -> None:
    """Raise WeightsError where a name stands twice in the header: JSON readers disagree about which one counts."""

    def pairs(items: list[tuple[str, object]]) -> dict:
        seen = dict(items)
        if len(seen) != len(items):
            twice = [name for name, count in Counter(name for name, _ in items).items() if count > 1]
            raise WeightsError(f"{ascii(listed(twice))[:200]} stands twice in the header; expected each name once")
        return seen

    (length,) = struct.unpack_from("<Q", content)
    json.loads(content[8 : 8 + length], object_pairs_hook=pairs)


def write_safetensors(path: str | Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Write tensors and text metadata and return the file's sha256, computed from what was given, not read back.

    Neither atomic nor synced: the caller writes to a temporary name. OSError (a full disk) is the caller's to explain.
    """
    digest, parts = hashlib.sha256(), parts_of(tensors, metadata)
    with open(path, "wb") as file:
        for part in parts:
            file.write(part)
            digest.update(part)
    return digest.hexdigest()


def sha256_of_tensors(tensors: Mapping[str, np.ndarray]) -> str:
    """Return the sha256 that a file of these tensors has."""
    digest = hashlib.sha256()
    for part in parts_of(tensors, {}):
        digest.update(part)
    return digest.hexdigest()


def parts_of(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> list[bytes | memoryview]:
    """Return the bytes of a file, which depend on the contents only, never on the order of the dicts.

    Names are sorted in the header; the data stands widest type first, then by name, so that each tensor is aligned.
    """
    arrays = {require_plain_name(n): np.asarray(t, to_little_endian(n, t.dtype), order="C") for n, t in tensors.items()}
    header: dict[str, object] = {}
    start = 0
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    for name in order:
        array = arrays[name]
        end = start + array.nbytes
        header[name] = {"dtype": CODES[array.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
        start = end
    text = encode_header(header, metadata)
    return [struct.pack("<Q", len(text)) + text, *(arrays[name].reshape(-1).view(np.uint8).data for name in order)]


def encode_header(entries: dict[str, object], metadata: Mapping[str, str]) -> bytes:
    """Return the JSON header: metadata first, names sorted, padded to 8 bytes."""
    if "__metadata__" in entries:
        raise WeightsError("tensor name __metadata__ is reserved in safetensors; rename the tensor")
    head = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    text = json.dumps(head | dict(sorted(entries.items())), separators=(",", ":"), ensure_ascii=False).encode()
    return text + b" " * (-len(text) % 8)


def to_little_endian(name: str, dtype: np.dtype) -> np.dtype:
    """Return the little-endian form of a type that safetensors knows, or raise WeightsError."""
    little = dtype if dtype == BFLOAT16 else dtype.newbyteorder("<")
    if little in CODES:
        return little
    raise WeightsError(f"tensor {name} has the type {dtype}; safetensors holds {', '.join(str(d) for d in CODES)}")
