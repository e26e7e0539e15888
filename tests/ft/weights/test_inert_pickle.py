"""Hostile pickles, in both of torch's formats and bare: refused by name, and the canary stays unhatched."""

import builtins
import io
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ft.errors import WeightsError
from ft.weights import inert_pickle, read_weights
from ft.weights.torch_file import LEGACY_MAGIC

SYSTEM = os.system.__module__.encode()  # posix
DICT = b"ccollections\nOrderedDict\n)R"


def as_zip(path: Path, payload: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/version", b"3\n")


def as_legacy(path: Path, payload: bytes) -> None:
    path.write_bytes(LEGACY_MAGIC + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + payload + pickle.dumps([], 2))


def as_legacy_header(path: Path, payload: bytes) -> None:
    """The payload where the system's description stands, which a careless reader loads with plain pickle."""
    path.write_bytes(LEGACY_MAGIC + pickle.dumps(1001, 2) + payload)


FORMATS = pytest.mark.parametrize("wrap", [as_zip, as_legacy, as_legacy_header])


class Call:
    def __init__(self, function: Callable, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


def short(text: str) -> bytes:
    return b"X" + len(text.encode()).to_bytes(4, "little") + text.encode()


def touch(canary: Path) -> str:
    return f"touch {canary}"


def make(canary: Path) -> str:
    return f"open({str(canary)!r}, 'w').close()"


LIVE = {
    "REDUCE os.system": (lambda c: pickle.dumps(Call(os.system, touch(c)), 2), r"names posix\.system"),
    "REDUCE exec": (lambda c: pickle.dumps(Call(builtins.exec, make(c)), 2), r"names __builtin__\.exec"),
    "protocol 0 eval": (lambda c: pickle.dumps(Call(builtins.eval, make(c)), 0), r"names __builtin__\.eval"),
    "protocol 4 eval": (lambda c: pickle.dumps(Call(builtins.eval, make(c)), 4), "uses (FRAME|SHORT_BINUNICODE)"),
    "in a state dict": (
        lambda c: pickle.dumps(OrderedDict(a=1, b=Call(os.system, touch(c))), 2),
        r"names posix\.system",
    ),
    "INST": (lambda c: b"(" + short(touch(c)) + b"i" + SYSTEM + b"\nsystem\n.", "uses INST"),
    "OBJ": (lambda c: b"(c" + SYSTEM + b"\nsystem\n" + short(touch(c)) + b"o.", r"names posix\.system"),
}


@FORMATS
@pytest.mark.parametrize("kind", LIVE)
def test_payload_does_not_run(tmp_path: Path, kind: str, wrap: Callable) -> None:
    canary = tmp_path / "canary"
    payload, reason = LIVE[kind][0](canary), LIVE[kind][1]
    pickle.loads(payload)
    assert canary.exists()  # the payload is live: Python's own unpickler runs it
    canary.unlink()
    wrap(tmp_path / "x.pth", payload)
    with pytest.raises(WeightsError, match=reason) as caught:
        read_weights(tmp_path / "x.pth")
    assert not canary.exists()
    assert str(caught.value).isprintable()
    assert "re-save" in str(caught.value)


REFUSED = {
    "a global outside the list": (b"ctorch\nload\n" + short("x") + b"\x85R.", r"names torch\.load"),
    "torch's own loader": (b"ctorch.storage\n_load_from_bytes\n.", r"names torch\.storage\._load_from_bytes"),
    "a path through an allowed name": (
        b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n.",
        "_rebuild_tensor_v2.__glob",
    ),
    "a path through a module": (b"ctorch._utils\nos.system\n.", r"names torch\._utils\.os\.system"),
    "Python 2's name": (b"c__builtin__\neval\n.", r"names __builtin__\.eval"),
    "a storage class of another module": (b"cevil\nFloatStorage\n.", r"names evil\.FloatStorage"),
    "NumPy": (pickle.dumps(np.ones(2), 2), r"names numpy"),
    "line breaks in a name": (b"cos\nsys\rtem\x1b[31m\n.", r"names os\.sys\\rtem\\x1b"),
    "NEWOBJ": (b"ccollections\nOrderedDict\n)\x81.", "uses NEWOBJ"),
    "NEWOBJ_EX": (b"ccollections\nOrderedDict\n)}\x92.", "uses NEWOBJ_EX"),
    "OBJ": (b"(ccollections\nOrderedDict\no.", "uses OBJ"),
    "INST": (b"(icollections\nOrderedDict\n.", "uses INST"),
    "STACK_GLOBAL": (short("collections") + short("OrderedDict") + b"\x93.", "uses STACK_GLOBAL"),
    "EXT1": (b"\x82\x01.", "uses EXT1"),
    "PERSID": (b"Pstorage\n.", "uses PERSID"),
    "BYTEARRAY8": (b"\x96" + (1).to_bytes(8, "little") + b"x.", "uses BYTEARRAY8"),
    "DUP": (b"}2.", "uses DUP"),
    "attributes of a class": (
        b"ccollections\nOrderedDict\n}" + short("x") + b"K\x01sb.",
        "sets attributes of a Global",
    ),
    "slots of a function": (b"ctorch._utils\n_rebuild_tensor_v2\nN}\x86b.", "sets attributes of a Global"),
    "calling a storage class": (b"ctorch\nFloatStorage\n)R.", "calls something else"),
    "calling text": (short("eval") + b")R.", "calls something else"),
    "a module by persistent id": (b"(" + short("module") + b"K\x01K\x02K\x03K\x04tQ.", "refers to something else"),
    "a storage of no class": (b"(" + short("storage") + b"K\x01" + short("0") + b"K\x03K\x04tQ.", "malformed"),
    "a name twice": (DICT + b"(" + short("a") + b"K\x01" + short("a") + b"K\x02u.", "stands twice"),
    "a tuple as key": (DICT + b"))s.", "malformed"),
    "append to a dict": (b"}K\x01a.", "malformed"),
    "set an item of a list": (b"]K\x00K\x01s.", "malformed"),
    "set an item of a class": (b"ctorch\nSize\n" + short("a") + b"K\x01s.", "malformed"),
    "nothing": (b".", "malformed"),
    "two things": (b"}}.", "malformed"),
    "a mark too few": (b"t.", "malformed"),
    "a mark too many": (b"}(K\x01K\x02\x86s.", "malformed"),
    "below the mark": (b"K\x01(\x85.", "malformed"),
    "an unknown memo": (b"h\x07.", "malformed"),
    "no end": (b"}", "malformed"),
    "text of 4 GiB": (b"X\xff\xff\xff\xffabc.", "malformed"),
    "not UTF-8": (b"X\x01\x00\x00\x00\xff.", "malformed"),
    "an int of 2 GiB": (b"\x8b\xff\xff\xff\x7f\x01.", "malformed"),
}


@FORMATS
@pytest.mark.parametrize("kind", REFUSED)
def test_refused(tmp_path: Path, kind: str, wrap: Callable) -> None:
    payload, reason = REFUSED[kind]
    wrap(tmp_path / "x.pth", payload)
    with pytest.raises(WeightsError, match=reason) as caught:
        read_weights(tmp_path / "x.pth")
    assert str(caught.value).isprintable()


def test_plain_data_is_read() -> None:
    value = {
        "a": [1, -70000, 2.5, None, True, False, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "b": {3: "é"},
        "c": [],
    }
    stream = io.BytesIO(pickle.dumps(value, 2) + b"rest")
    assert inert_pickle.read_pickle(stream) == value
    assert stream.read() == b"rest"


def test_memo_gives_the_same_object_and_attributes_are_dropped() -> None:
    state = OrderedDict(a=[1])
    state["b"] = state["a"]
    state._metadata = {"": {"version": 1}}  # type: ignore[attr-defined]
    read = inert_pickle.read_pickle(io.BytesIO(pickle.dumps(state, 2)))
    assert (read, type(read)) == ({"a": [1], "b": [1]}, dict)
    assert read["a"] is read["b"]


def test_copying_the_same_pairs_over_and_over_gains_nothing() -> None:
    pairs = b"](](" + short("a") + b"K\x01ee" + b"q\x00"
    again = b"ccollections\nOrderedDict\nh\x00\x85R"
    _, first, *others = inert_pickle.read_pickle(io.BytesIO(b"(" + pairs + again * 3 + b"t."))
    assert (first, others) == ({"a": 1}, [{}, {}])


def test_huge_memo_number_takes_no_memory() -> None:
    assert inert_pickle.read_pickle(io.BytesIO(b"}r\xff\xff\xff\xff.")) == {}


def test_deep_nesting_does_not_overflow() -> None:
    value = inert_pickle.read_pickle(io.BytesIO(b")" + b"\x85" * 100_000 + b"."))
    assert type(value) is tuple


def test_container_that_holds_itself(tmp_path: Path) -> None:
    as_zip(tmp_path / "x", b"}q\x00" + short("state_dict") + b"h\x00s.")
    with pytest.raises(WeightsError, match="beside tensors it holds 'state_dict'"):
        read_weights(tmp_path / "x")


def test_pickle_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft.weights.torch_file.MAX_PICKLE_BYTES", 100)
    for wrap, reason in (as_zip, "at most 100"), (as_legacy, "malformed or breaks off"):
        wrap(tmp_path / "x", short("a" * 200) + b".")
        with pytest.raises(WeightsError, match=reason):
            read_weights(tmp_path / "x")
