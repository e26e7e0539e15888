"""Keras's files read without Keras. parity_tests/runs/test_convert.py reads what Keras itself writes."""

import io
import json
import signal
import subprocess
import sys
import zipfile

import ml_dtypes
import numpy as np
import pytest

from ft.errors import WeightsError
from ft.weights import keras_file
from ft.weights.keras_file import MEMBER, inspect, is_keras_archive, read_keras

h5py = pytest.importorskip("h5py")

KERNEL = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
LAYERS = {"conv1": [KERNEL, np.ones(4, np.float32)], "bn1": [np.array(7, np.int64), np.full(3, 0.5)], "relu": []}
ARRAYS = {f"{layer}/{index}": array for layer, arrays in LAYERS.items() for index, array in enumerate(arrays)}
OLD_ARRAYS = {f"{layer}/v{index}": array for layer, arrays in LAYERS.items() for index, array in enumerate(arrays)}


def write(file, layers=LAYERS):
    """Write layers as Keras 3 does: a group of the class's name, in it "vars" with the layer's name."""
    with h5py.File(file, "w") as root:
        root.create_group("vars").attrs["name"] = "network"
        root.create_group("optimizer").create_group("vars")["0"] = np.zeros(5)
        for number, (layer, arrays) in enumerate(layers.items()):
            held = root.create_group(f"layers/layer_{number}").create_group("vars")
            held.attrs["name"] = layer
            for index, array in enumerate(arrays):
                held[str(index)] = array
    return file


def write_old(file, start=""):
    """Write layers as Keras 1 and 2 do: the names of layers and of their weights are attributes."""
    with h5py.File(file, "w") as root:
        top = root.create_group(start) if start else root
        top.attrs["layer_names"] = np.array([layer.encode() for layer in LAYERS])
        for layer, arrays in LAYERS.items():
            held = top.create_group(layer)
            names = [f"{layer}/v{index}:0" for index in range(len(arrays))]
            held.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, arrays, strict=True):
                held[name] = array
    return file


def archive(path, content=None, *, compression=zipfile.ZIP_STORED, config=(), **entries):
    """Write a .keras file; config: what it says of its layers."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": config}}))
        file.writestr(MEMBER, write(io.BytesIO()).getvalue() if content is None else content)
        for name, text in entries.items():
            file.writestr(name, text)
    return path


def assert_same(arrays, expected=ARRAYS):
    assert sorted(arrays) == sorted(expected)
    for name, array in expected.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape), name
        assert arrays[name].tobytes() == array.tobytes(), name
        assert arrays[name].flags.writeable


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.weights.h5"


def test_layers_by_name_and_place(path):
    assert_same(read_keras(write(path)))


def test_nothing_in_the_current_folder_runs(path, tmp_path, monkeypatch):
    """It is looked at by another Python, which imports `numbers`: of the standard library, not of a download."""
    write(path)
    (tmp_path / "numbers.py").write_text("open('canary', 'w')")
    monkeypatch.chdir(tmp_path)
    assert_same(read_keras(path))
    assert not (tmp_path / "canary").exists()
    subprocess.run([sys.executable, "-m", "ft.weights.keras_file", path], capture_output=True)
    assert (tmp_path / "canary").exists()  # it would run where it is let


def test_an_archive(tmp_path):
    path = archive(tmp_path / "x.keras")
    assert is_keras_archive(path)
    assert_same(read_keras(path))


@pytest.mark.parametrize("start", ["", "model_weights"])
def test_the_old_format(path, start):
    assert_same(read_keras(write_old(path, start)), OLD_ARRAYS)


def test_an_old_list_of_names_may_be_in_parts(path):
    write_old(path)
    with h5py.File(path, "a") as root:
        names = root["conv1"].attrs["weight_names"]
        del root["conv1"].attrs["weight_names"]
        root["conv1"].attrs["weight_names0"], root["conv1"].attrs["weight_names1"] = names[:1], names[1:]
    assert list(inspect(path)) == list(OLD_ARRAYS)


def test_models_in_models(path):
    write(path, {"conv1": [KERNEL]})
    with h5py.File(path, "a") as root:
        root.move("layers/layer_0", "layers/functional/layers/layer_0")
    assert list(inspect(path)) == ["conv1/0"]


@pytest.mark.parametrize("start", ["", "model_weights"])
def test_models_in_an_old_model(path, start):
    """Keras lists a model in a model as one layer with all the weights of its layers."""
    with h5py.File(path, "w") as root:
        top = root.create_group(start) if start else root
        top.attrs["layer_names"] = [b"inner", b"dense"]
        weights = {"inner": ["conv1/kernel:0", "deep/bn1/gamma:0", "bn2/gamma"], "dense": ["sequential/other/kernel"]}
        for layer, names in weights.items():
            held = top.create_group(layer)
            held.attrs["weight_names"] = [name.encode() for name in names]
            for number, name in enumerate(names):
                held[name] = np.full(2, number, np.float32)
    arrays = read_keras(path)
    assert {name: array[0] for name, array in arrays.items()} == {
        "conv1/kernel": 0,
        "bn1/gamma": 1,
        "bn2/gamma": 2,
        "dense/kernel": 0,
    }


def test_the_variables_of_some_classes_are_known_by_name(path):
    write(path, {"attn": [KERNEL] * 5})
    with h5py.File(path, "a") as root:
        root.move("layers/layer_0", "layers/multihead_attention_12")
    names = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias", "4"]
    assert list(inspect(path)) == [f"attn/{name}" for name in names]


def test_types(path):
    numbers = np.random.default_rng(0).normal(0, 50, (2, 3))
    kinds = ["f2", "f4", "f8", "i1", "i8", "u1", ">f4", ">i8"]
    halves = numbers.astype(ml_dtypes.bfloat16)
    write(path, {"a": [numbers.astype(kind) for kind in kinds], "b": [halves.view("V2")], "c": [np.empty((0, 3))]})
    with h5py.File(path, "a") as root:
        root["layers/layer_1/vars/0"].attrs["dtype"] = "bfloat16"
    expected = {f"a/{i}": numbers.astype(kind).astype(kind.lstrip(">")) for i, kind in enumerate(kinds)}
    assert_same(read_keras(path), {**expected, "b/0": halves, "c/0": np.empty((0, 3))})


def test_an_hdf5_file_of_another_kind(path):
    with h5py.File(path, "w") as root:
        root["data"] = KERNEL
    with pytest.raises(WeightsError, match="not of Keras's weights"):
        inspect(path)
    with pytest.raises(WeightsError, match="no weights of layers"):
        inspect(write(path, {"relu": []}))


def test_a_file_that_is_cut_off(path):
    content = write(io.BytesIO()).getvalue()
    for end in range(0, len(content), 997):
        path.write_bytes(content[:end])
        with pytest.raises(WeightsError, match="damaged"):
            inspect(path)


def test_a_name_that_makes_the_library_run_for_ever_is_refused(path, monkeypatch):
    """HDF5 keeps names in one heap, each behind its length; where that is wrong, version 1.14 does not come back."""
    content = bytearray(write(io.BytesIO()).getvalue())
    content[content.index(b"conv1\0") - 8] = 92
    path.write_bytes(content)
    monkeypatch.setattr(keras_file, "INSPECTION_SECONDS", 3)
    with pytest.raises(WeightsError, match="damaged"):
        read_keras(path)


def test_a_crash_of_the_library_is_an_error_of_the_file(path, monkeypatch):
    killed = subprocess.CompletedProcess([], -signal.SIGSEGV, b"", b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(WeightsError, match="crashes"):
        read_keras(write(path))


def test_a_failure_of_our_own_is_none_of_the_file(path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, b"", b"Traceback ... ImportError")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(RuntimeError, match="ImportError"):
        read_keras(write(path))


@pytest.mark.parametrize("name", ["../evil", "/evil", "assets/../../evil", "..\\evil"])
def test_an_archive_entry_that_leads_out_is_refused(tmp_path, name):
    with pytest.raises(WeightsError, match="leads out of the archive"):
        inspect(archive(tmp_path / "x.keras", **{name: "x"}))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["x.keras"]


CODE = [{"class_name": "Dense"}, {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__"}}}]


def test_a_lambda_in_an_archive_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="refused, its config holds a Lambda layer, which is code; save it again"):
        read_keras(archive(tmp_path / "x.keras", config=CODE))
    nested = [{"class_name": "Functional", "config": {"layers": [{"config": {"activation": CODE[1]["config"]}}]}}]
    with pytest.raises(WeightsError, match="Lambda"):
        read_keras(archive(tmp_path / "x.keras", config=nested))


def test_a_lambda_in_an_old_file_of_a_whole_model_is_refused(path):
    write_old(path, "model_weights")
    with h5py.File(path, "a") as root:
        root.attrs["model_config"] = json.dumps({"config": {"layers": [{"class_name": "Dense"}]}})
    assert_same(read_keras(path), OLD_ARRAYS)
    with h5py.File(path, "a") as root:
        root.attrs["model_config"] = json.dumps({"config": {"layers": CODE}})
    with pytest.raises(WeightsError, match="Lambda"):
        read_keras(path)


@pytest.mark.parametrize("config", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_a_config_that_is_no_json_is_damage(tmp_path, config):
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as file:
        file.writestr("config.json", config)
        file.writestr(MEMBER, write(io.BytesIO()).getvalue())
    with pytest.raises(WeightsError, match="damaged"):
        read_keras(tmp_path / "x.keras")


def test_an_archive_that_would_grow_is_refused(tmp_path):
    bomb = archive(tmp_path / "x.keras", bytes(1 << 24), compression=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 1 << 16
    with pytest.raises(WeightsError, match="compressed"):
        inspect(bomb)


@pytest.mark.parametrize("sizes", [(20, 24), (20,), (24,)], ids=["both", "stored", "unpacked"])
def test_an_archive_that_lies_about_its_size_is_refused(tmp_path, sizes):
    path = archive(tmp_path / "x.keras")
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)  # the second entry of the list at the end
    for size in sizes:
        content[place + size : place + size + 4] = (1 << 30).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"claim more bytes|damaged"):
        inspect(path)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_an_archive_entry_that_stands_twice_is_refused(tmp_path):
    path = archive(tmp_path / "x.keras")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(MEMBER, b"")
    with pytest.raises(WeightsError, match="twice"):
        inspect(path)


def test_an_archive_whose_weights_are_damaged_or_elsewhere(tmp_path):
    with pytest.raises(WeightsError, match="damaged"):
        inspect(archive(tmp_path / "x.keras", b"no HDF5"))
    path = archive(tmp_path / "y.keras")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(WeightsError, match="damaged"):
        inspect(path)
    with zipfile.ZipFile(tmp_path / "z.keras", "w") as file:
        file.writestr("model.weights.json", "{}")
    assert is_keras_archive(tmp_path / "z.keras")
    with pytest.raises(WeightsError, match="shards"):
        inspect(tmp_path / "z.keras")


def test_without_h5py_a_line_says_how_to_get_it(path, monkeypatch):
    write(path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(WeightsError, match="pip install h5py"):
        read_keras(path)
