"""Safetensors files: strict reading, deterministic writing, the official package as oracle."""

import json
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from ft.errors import WeightsError
from ft.weights import read_safetensors, read_weights, write_safetensors
from ft.weights.safetensors_file import DTYPES
from tests.oracle import needs_torch, torch

pytestmark = needs_torch
ENTRY = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def file_of(header: object, data: bytes = b"\0" * 4) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def every_type() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    tensors = {code: random.normal(0, 50, (2, 3)).astype(dtype) for code, dtype in DTYPES.items()}
    return {**tensors, "zero_dim": np.array(3.5), "empty": np.empty((3, 0), np.float32)}


def assert_same(arrays: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert sorted(arrays) == sorted(expected)
    for name, array in expected.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape), name
        assert arrays[name].tobytes() == array.tobytes(), name


def test_written_and_read(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "x", every_type(), {"format": "pt"})
    assert_same(read_safetensors(tmp_path / "x"), every_type())
    assert_same(read_weights(tmp_path / "x"), every_type())
    assert all(array.flags.writeable for array in read_weights(tmp_path / "x").values() if array.size)


def test_package_reads_what_we_write(tmp_path: Path) -> None:
    expected = every_type()
    write_safetensors(tmp_path / "x", expected, {"b": "2", "a": "ü"})
    with safetensors.safe_open(tmp_path / "x", framework="pt") as file:
        assert file.metadata() == {"a": "ü", "b": "2"}
        for name, array in expected.items():
            tensor = file.get_tensor(name)
            assert str(tensor.dtype).removeprefix("torch.") == str(array.dtype)
            raw = tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor
            assert raw.numpy().tobytes() == array.tobytes(), name


def test_we_read_what_the_package_writes(tmp_path: Path) -> None:
    import safetensors.torch

    state = {"b": torch.randn(2, 3).bfloat16(), "a": torch.randn(3), "n": torch.tensor(7)}
    safetensors.torch.save_file(state, tmp_path / "x", metadata={"format": "pt"})
    arrays = read_weights(tmp_path / "x")
    assert arrays["b"].dtype == ml_dtypes.bfloat16
    assert all(np.array_equal(arrays[name].astype("f8"), tensor.double().numpy()) for name, tensor in state.items())


def test_bytes_depend_on_the_contents_only(tmp_path: Path) -> None:
    tensors = every_type()
    write_safetensors(tmp_path / "x", tensors, {"a": "1", "b": "2", "c": "3"})
    write_safetensors(tmp_path / "y", dict(reversed(tensors.items())), {"c": "3", "b": "2", "a": "1"})
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()
    write_safetensors(tmp_path / "y", {**tensors, "F32": tensors["F32"] + 1}, {"a": "1", "b": "2", "c": "3"})
    assert (tmp_path / "x").read_bytes() != (tmp_path / "y").read_bytes()


def test_header_is_sorted_and_data_aligned(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "x", every_type(), {"z": "", "a": ""})
    content = (tmp_path / "x").read_bytes()
    length = struct.unpack_from("<Q", content)[0]
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__")
    assert length % 8 == 0
    assert list(header) == sorted(header)
    assert list(metadata) == ["a", "z"]
    assert all(e["data_offsets"][0] % DTYPES[e["dtype"]].itemsize == 0 for e in header.values())


def test_strided_and_big_endian_arrays_are_written_by_value(tmp_path: Path) -> None:
    base = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    write_safetensors(tmp_path / "x", {"t": base.T, "e": base.astype(">f4"), "s": base[:, ::2]}, {})
    assert_same(read_safetensors(tmp_path / "x"), {"t": base.T.copy(), "e": base, "s": base[:, ::2].copy()})


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"a": np.ones(1, np.complex64)}, "tensor a has the type complex64"),
        ({"a": np.array(["text"])}, "tensor a has the type"),
        ({"a": np.array([None])}, "tensor a has the type object"),
        ({"__metadata__": np.ones(1)}, "reserved"),
        ({"a\n": np.ones(1)}, "printable"),
        ({"": np.ones(1)}, "printable"),
    ],
)
def test_what_the_format_cannot_hold_is_not_written(
    tmp_path: Path, tensors: dict[str, np.ndarray], reason: str
) -> None:
    with pytest.raises(WeightsError, match=reason):
        write_safetensors(tmp_path / "x", tensors, {})
    assert not (tmp_path / "x").exists()


IRREGULAR = {
    "truncated data": (file_of({"a": ENTRY}, b"\0" * 3), "not fully covered"),
    "truncated header": (file_of({"a": ENTRY})[:20], "header"),
    "trailing bytes": (file_of({"a": ENTRY}, b"\0" * 5), "not fully covered"),
    "header of 100 MB and 1": (struct.pack("<Q", 100_000_001) + b'{"a":', "header too large"),
    "header of 2^63": (struct.pack("<Q", 1 << 63) + b'{"a":', "header too large"),
    "overlap": (file_of({"a": ENTRY, "b": ENTRY}), "invalid offset"),
    "hole": (file_of({"a": {**ENTRY, "data_offsets": [4, 8]}}, b"\0" * 8), "invalid offset"),
    "shape and offsets disagree": (file_of({"a": {**ENTRY, "shape": [2]}}), "invalid shape|Tensor|tensor"),
    "shape that overflows": (file_of({"a": {**ENTRY, "shape": [1 << 62, 1 << 62]}}), "overflow|number|invalid"),
    "negative shape": (file_of({"a": {**ENTRY, "shape": [-1]}}), "invalid value"),
    "65 axes": (file_of({"a": {**ENTRY, "shape": [1] * 65}}), "NumPy cannot hold"),
    "empty but enormous": (
        file_of({"a": {"dtype": "F32", "shape": [0, 1 << 62, 8], "data_offsets": [0, 0]}}, b""),
        "NumPy cannot hold",
    ),
    "the same name twice": (file_of(b'{"a":%b,"a":%b}' % ((json.dumps(ENTRY).encode(),) * 2)), "a.* stands twice"),
    "the same key twice": (file_of(b'{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}'), "duplic"),
    "not UTF-8": (file_of(b'{"\xff":%b}' % json.dumps(ENTRY).encode()), "UTF-8"),
    "not JSON": (file_of(b'{"a":'), "JSON"),
    "deep JSON": (file_of(b'{"a":' + b"[" * 100_000), "recursion"),
    "a type without NumPy's like": (file_of({"a": {**ENTRY, "dtype": "F8_E4M3", "shape": [4]}}), "type F8_E4M3"),
    "line break in a name": (file_of({"a\nb": ENTRY}), r"name 'a\\nb'"),
}


@pytest.mark.parametrize("kind", IRREGULAR)
@pytest.mark.parametrize("read", [read_weights, read_safetensors])
def test_irregular_file_is_refused(tmp_path: Path, kind: str, read) -> None:
    content, reason = IRREGULAR[kind]
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(WeightsError, match=reason) as caught:
        read(tmp_path / "x")
    assert str(caught.value).isprintable()
    assert str(caught.value).count(str(tmp_path / "x")) == 1


@pytest.mark.parametrize("content", [b"", b"\0" * 7])
def test_file_too_short_for_a_header(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(WeightsError, match="header too small"):
        read_safetensors(tmp_path / "x")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="No such file"):
        read_safetensors(tmp_path / "x")
