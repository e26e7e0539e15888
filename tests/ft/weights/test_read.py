"""One door: content decides, everything else is named, and no damage gets past WeightsError."""

import io
import os
import pickletools
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from ft.errors import WeightsError
from ft.weights import read_weights, write_safetensors
from tests.oracle import needs_torch, torch

pytestmark = needs_torch
STATE = {
    "conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2).transpose(0, 1),
    "bn.num_batches_tracked": torch.tensor(7),
}


def keras_archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("config.json", "{}")
    return stream.getvalue()


def write(path: Path, kind: str) -> Path:
    if kind == "safetensors":
        write_safetensors(path, {name: tensor.numpy() for name, tensor in STATE.items()}, {"format": "pt"})
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zip")
    return path


KINDS = ["safetensors", "zip", "legacy"]


@pytest.mark.parametrize("suffix", ["safetensors", "pth", "h5"])
@pytest.mark.parametrize("kind", KINDS)
def test_content_decides_not_the_extension(tmp_path: Path, kind: str, suffix: str) -> None:
    arrays = read_weights(write(tmp_path / f"x.{suffix}", kind))
    assert {name: array.tolist() for name, array in arrays.items()} == {n: t.tolist() for n, t in STATE.items()}


@pytest.mark.parametrize(
    ("content", "likeness"),
    [
        (b"", "an empty file"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "a Git LFS pointer"),
        (b'{"error": 404}', "JSON"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 20, "HDF5"),
        (b"\x1f\x8b\x08" + b"\0" * 20, "gzip"),
        (b"\x93NUMPY\x01", "npy"),
        (b"\x80\x04\x95\0\0", "a pickle that torch.save did not write"),
        (b"\x80\x02}q\x00.", "a pickle that torch.save did not write"),
        (b"PK\x05\x06" + b"\0" * 18, "a zip archive"),
        (b"storages" + b"\0" * 249 + b"ustar\x0000", "a tar archive"),
        (b"PK\x03\x04 and so on", "not a whole zip archive"),
        (keras_archive(), "not one that torch.save wrote"),
        (b"\0\1\2\3\4\5\6\7\x08\x09", r"no weights \(b'\\x00"),
    ],
)
def test_other_files_are_named(tmp_path: Path, content: bytes, likeness: str) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=likeness) as caught:
        read_weights(tmp_path / "x.pth")
    assert str(caught.value).isprintable()
    assert str(caught.value).count(str(tmp_path / "x.pth")) == 1


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (tmp_path / "none", "No such file"), (tmp_path, "a folder"), (tmp_path / "pipe", "no regular"):
        with pytest.raises(WeightsError, match=reason):
            read_weights(path)


def damage(content: bytes, random: Random) -> bytes:
    """Change a few places: set a byte, flip a bit, cut out, repeat, overwrite, put in an opcode, truncate."""
    for _ in range(random.randint(1, 3)):
        at, size = random.randrange(len(content)), random.randint(1, 8)
        before, here, after = content[:at], content[at : at + size], content[at + size :]
        content = random.choice(
            [
                before + random.randbytes(1) + content[at + 1 :],
                before + bytes([here[0] ^ 1 << random.randrange(8)]) + content[at + 1 :],
                before + after,
                before + here * random.randint(2, 20) + after,
                before + random.choice([b"\xff", b"\0", b"\x7f"]) * size + after,
                before + random.choice(OPCODES) + content[at + 1 :],
                content if random.random() < 0.9 else before or content,
            ]
        )
    return content


OPCODES = [op.code.encode("latin-1") for op in pickletools.opcodes]


def damage_pickle(content: bytes, random: Random) -> bytes:
    """Damage the pickle inside an archive that is whole: no checksum stands before the reader."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            new.writestr(name, damage(old.read(name), random) if name.endswith("data.pkl") else old.read(name))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "spoil", "checks"),
    [
        (
            "safetensors",
            damage,
            ["read", "invalid JSON", "incomplete", "header too large", "tensor name"],
        ),
        ("zip", damage, ["read", "damaged", "a storage is missing", "compressed", "archive entries"]),
        (
            "zip",
            damage_pickle,
            ["read", "damaged", "refused", "its pickle uses", "tensor conv.weight reaches", "storage"],
        ),
        ("legacy", damage, ["read", "damaged", "refused", "its pickle uses", "tensor conv.weight reaches"]),
    ],
)
def test_damaged_files_give_tensors_or_a_weights_error(
    tmp_path: Path, kind: str, spoil: Callable, checks: list
) -> None:
    whole = write(tmp_path / "x", kind).read_bytes()
    random = Random(20)
    outcomes = []
    for _ in range(700):
        (tmp_path / "x").write_bytes(spoil(whole, random))
        try:
            arrays = read_weights(tmp_path / "x")
            outcomes.append("read" if sum(array.nbytes for array in arrays.values()) < 10_000 else "grown")
        except WeightsError as error:
            outcomes.append(str(error).removeprefix(f"weights {tmp_path / 'x'}: "))
    assert all(outcome.isprintable() for outcome in outcomes)
    assert "grown" not in outcomes
    for check in checks:  # the damage got as far as each of these
        assert any(outcome.startswith(check) for outcome in outcomes), check
