"""Rows 36 to 43: weights files, downloads, checkpoints. Each part has more tests of its own in tests/ft/weights."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import ml_dtypes
import numpy as np
import pytest

from ft.cli.train import train_command
from ft.errors import RunError, WeightsError
from ft.recipe import Recipe
from ft.runs import checkpoint
from ft.training.job import prepare_job
from ft.weights import fetch, match_weights, read_weights, write_safetensors
from ft.weights.keras_file import MEMBER, read_keras
from ft.weights.source import read_source

ENTRY = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
NET = [
    "--model",
    "resnet18",
    "--weights",
    "none",
    "--image-size",
    "16",
    "--batch-size",
    "4",
    "--workers",
    "0",
    "--quiet",
]


def safetensors(header, data=bytes(4)):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


IRREGULAR = {
    "empty": b"",
    "truncated": safetensors({"a": ENTRY}, bytes(3)),
    "trailing": safetensors({"a": ENTRY}, bytes(5)),
    "header-100MB": struct.pack("<Q", 100_000_001) + b'{"a":',
    "overlap": safetensors({"a": ENTRY, "b": ENTRY}),
    "duplicate": safetensors(b'{"a":%b,"a":%b}' % ((json.dumps(ENTRY).encode(),) * 2)),
    "not-utf8": safetensors(b'{"\xff":%b}' % json.dumps(ENTRY).encode()),
}


@pytest.mark.parametrize("kind", IRREGULAR)
def test_row_36_irregular_safetensors(kind, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(IRREGULAR[kind])
    with pytest.raises(WeightsError) as caught:
        read_weights(tmp_path / "x.safetensors")
    assert str(caught.value).startswith(f"weights {tmp_path / 'x.safetensors'}: ")
    assert str(caught.value).isprintable()


@pytest.fixture
def recipe(folder, tmp_path):
    """Return a function that gives a recipe with these tensors as its weights."""

    def recipe(tensors, **fields):
        write_safetensors(tmp_path / "w.safetensors", tensors, {})
        return Recipe(model="resnet18", weights=str(tmp_path / "w.safetensors"), data=str(folder), **fields)

    return recipe


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_row_37_weights_that_are_not_finite(value, recipe):
    broken = recipe({"conv1.weight": np.array([1, value, 2], np.float32)})
    with pytest.raises(
        WeightsError, match=r"w\.safetensors: NaN or infinity in conv1\.weight; expected finite weights"
    ):
        prepare_job(broken)
    assert prepare_job(broken.replace(allow_nonfinite=True)).source is not None


def test_row_37_weights_that_were_altered(tmp_path):
    tensors = {"a": np.arange(4.0)}
    path = checkpoint.save(tmp_path, step=1, model=tensors, optimizer=tensors, state={})
    data = bytearray((path / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (path / "model.safetensors").write_bytes(data)
    with pytest.raises(RunError, match=r"model\.safetensors was altered \(its sha256 differs\)"):
        checkpoint.load(path)


def test_row_38_tensors_that_do_not_fit(recipe):
    shapes = {f"layer{i:02}.weight": (2,) for i in range(12)} | {"conv.weight": (4, 3, 5, 5), "fc.weight": (2, 3)}
    source = {"conv.weight": np.ones((5, 5, 3, 4)), "fc.weight": np.ones((3, 2)), "head.bias": np.ones(2)}
    with pytest.raises(WeightsError) as caught:
        match_weights(source, shapes, origin="w.pth")
    for words in (
        "w.pth: weights do not fit the model: 12 missing: layer00.weight, ",
        "layer09.weight and 2 more",
        "1 unexpected: head.bias",
        "conv.weight (file (5, 5, 3, 4), model (4, 3, 5, 5), looks like HWIO)",
        "fc.weight (file (3, 2), model (2, 3), looks like (in, out))",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_row_38_a_cast_is_said(dtype, recipe):
    name = np.dtype(dtype).name
    notes = prepare_job(recipe({"conv1.weight": np.ones(3, dtype), "bn1.num_batches_tracked": np.array(1)})).notes
    assert f"weights of type {name} are cast to float32" in notes
    assert not any("cast" in note for note in prepare_job(recipe({"conv1.weight": np.ones(3, np.float32)})).notes)


class Payload:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


@pytest.mark.parametrize("kind", ["zip", "legacy", "bare"])
def test_row_39_hostile_pickles(kind, tmp_path):
    canary, path = tmp_path / "canary", tmp_path / "x.pth"
    payload = pickle.dumps({"conv1.weight": Payload(canary)}, 2)
    pickle.loads(payload)
    canary.rmdir()  # it works where it is let
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", payload)
            archive.writestr("archive/version", b"3\n")
    else:
        magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
        path.write_bytes((magic if kind == "legacy" else b"") + payload)
    with pytest.raises(WeightsError, match=r"re-save it in PyTorch|a pickle that torch\.save did not write; expected"):
        read_weights(path)
    with pytest.raises(WeightsError):
        read_source(path)
    assert not canary.exists()


def keras_file(root):
    """Write one layer as Keras 3 does."""
    root.create_group("layers/dense/vars").attrs["name"] = "fc"
    root["layers/dense/vars/0"] = np.ones((3, 2), np.float32)


def external_link(h5py, root):
    root["layers/dense/vars/1"] = h5py.ExternalLink("/etc/passwd", "/")


def virtual_data(h5py, root):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (3,))
    root.create_virtual_dataset("layers/dense/vars/1", layout)


def shape_bomb(h5py, root):
    root.create_dataset("layers/dense/vars/1", (1 << 40,), "f4")


def name_that_leads_out(h5py, root):
    root["layers/dense/vars"].attrs["name"] = "../../evil"


@pytest.mark.parametrize("spoil", [external_link, virtual_data, shape_bomb, name_that_leads_out])
def test_row_40_hostile_hdf5(spoil, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.weights.h5", "w") as root:
        keras_file(root)
        spoil(h5py, root)
    with pytest.raises(WeightsError, match=r"refused|claims"):
        read_keras(tmp_path / "x.weights.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.weights.h5"]


LAMBDA = {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}}}


@pytest.mark.parametrize(("entry", "config"), [("config.json", LAMBDA), ("../canary", {}), ("/tmp/canary", {})])
def test_row_40_hostile_archives(entry, config, tmp_path):
    h5py = pytest.importorskip("h5py")
    content = io.BytesIO()
    with h5py.File(content, "w") as root:
        keras_file(root)
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in/x.keras", "w") as archive:
        archive.writestr(MEMBER, content.getvalue())
        archive.writestr(entry, json.dumps({"config": {"layers": [config]}}))
    with pytest.raises(WeightsError, match=r"refused, its (config holds a Lambda layer|entry .* leads out)"):
        read_keras(tmp_path / "in/x.keras")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "x.keras"]


@pytest.fixture
def server():
    """Serve `server.answer`: status, type, announced length (None: the true one), content."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            kind, length, content = server.answer
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content) if length is None else length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (("application/octet-stream", None, b"another file"), "has another sha256 .* and was removed"),
        (("text/html", None, b"<html>login"), "a web page came instead"),
        (("application/octet-stream", 999, b"cut"), "ended after 3 of 999 bytes; run again"),
    ],
    ids=["wrong", "login", "cut"],
)
def test_row_42_downloads(answer, words, server, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    server.answer = answer
    url = f"http://127.0.0.1:{server.server_port}/w.pth"
    with pytest.raises(WeightsError, match=words) as caught:
        fetch(url, sha256="ab" * 32, filename="w.pth", cache=tmp_path)
    assert "fetch it by hand and pass it as --weights FILE" in str(caught.value)
    left = {path.name for path in tmp_path.rglob("w.pth*")} - {"w.pth.lock"}
    assert left == ({"w.pth.part"} if answer[1] else set())  # a cut one goes on from there, its hash is checked then


def test_row_42_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(WeightsError, match=r"cannot get w\.pth from http://127\.0\.0\.1:9/w\.pth: no connection"):
        fetch("http://127.0.0.1:9/w.pth", sha256="ab" * 32, filename="w.pth", cache=tmp_path)


def test_row_43_a_newer_format(tmp_path):
    path = checkpoint.save(tmp_path, step=1, model={}, optimizer={}, state={})
    state = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps({**state, "format": checkpoint.FORMAT + 1}))
    with pytest.raises(RunError, match=r"has format 3, this version reads up to 2; update ft-parity"):
        checkpoint.last_good(tmp_path)  # not passed over for an older one


def test_row_43_another_network(folder, fake_wing, no_plots, tmp_path, capsys):
    run, command = str(tmp_path / "run"), [*NET, "--data", str(folder), "--epochs", "1"]
    assert train_command([*command, "--out", run], backend="torch") == 0
    capsys.readouterr()
    again = [*command, "--resume", run, "--epochs", "2", "--model", "resnet34"]
    assert train_command(again, backend="torch") == 2
    error = capsys.readouterr().err
    assert f"{run} was trained with model resnet18, now asked for resnet34" in error
    assert error.count("\n") == 1
    with pytest.raises(WeightsError, match="1 missing: a"):
        match_weights({}, {"a": (2,)})


def test_no_reader_of_weights_imports_pickle():
    """The strongest canary: what is not loaded cannot be called."""
    code = "import sys, ft.weights.source; print('torch' in sys.modules, 'h5py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False False\n"
