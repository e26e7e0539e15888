"""What `ft convert` reads: hostile pickles, Keras files, run folders."""

import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest

from ft.api.convert import convert
from ft.errors import RecipeError, RunError, UserError
from ft.runs import checkpoint
from ft.weights import write_safetensors
from tests.ft.api.converting import assert_same, command
from tests.oracle import needs_torch, torch

pytestmark = needs_torch


class Canary:
    """Pickles as a command that leaves a file behind."""

    def __reduce__(self):
        return os.system, ("touch canary",)


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_a_hostile_pickle_is_refused_before_it_runs(folder, is_zip, capsys):
    torch.save({"a": torch.ones(1), "b": Canary()}, "a.pth", _use_new_zipfile_serialization=is_zip)
    assert command("a.pth", "b.safetensors") == 2
    assert capsys.readouterr().err.startswith("error: weights a.pth: refused, it names posix.system")
    assert os.listdir() == ["a.pth"]
    pickle.loads(pickle.dumps(Canary()))
    assert "canary" in os.listdir(), "the canary does not sing"


def write_keras(path, state):
    """Write a network of convolutions as Keras does: kernels (H, W, I, O), layers by name and variables by place."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as root:
        for number, layer in enumerate(dict.fromkeys(name.rpartition(".")[0] for name in state)):
            held = root.create_group(f"layers/conv2d_{number}").create_group("vars")
            held.attrs["name"] = layer
            held["0"] = state[f"{layer}.weight"].permute(2, 3, 1, 0).numpy()
            held["1"] = state[f"{layer}.bias"].numpy()


def test_keras_files_are_read_without_keras(folder, squeeze, hide):
    hide("tensorflow", "keras")
    write_keras("a.weights.h5", squeeze)
    done = convert("a.weights.h5", "b.pth")
    assert str(done.network) == "recognised as squeezenet1_1, 4 classes"
    assert_same("b.pth", squeeze)


def test_a_config_is_not_run_and_no_entry_leads_out(folder, squeeze):
    write_keras("model.weights.h5", squeeze)
    code = {"module": "os", "class_name": "system", "config": {"command": "touch canary"}}
    lambda_layer = {"class_name": "Lambda", "config": {"function": ["__lambda__", "os.system('touch canary')"]}}
    for name, config in (("a.keras", code), ("lambda.keras", lambda_layer)):
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr("config.json", json.dumps(config))
            archive.write("model.weights.h5")
    assert command("lambda.keras", "b.pth") == 2
    os.remove("lambda.keras")
    assert convert("a.keras", "b.pth").source.kind == "Keras file"
    assert_same("b.pth", squeeze)
    with zipfile.ZipFile("a.keras", "a") as archive:
        archive.writestr("../canary", "")
    assert command("a.keras", "c.pth") == 2
    assert sorted(os.listdir()) == ["a.keras", "b.pth", "model.weights.h5"]
    assert not Path("../canary").exists()


def test_safetensors_in_keras_names_are_read_without_keras(folder, squeeze, hide):
    hide("tensorflow", "keras")
    ends = {"weight": "kernel", "bias": "bias"}
    turned = {n: t.permute(2, 3, 1, 0).numpy() if t.ndim == 4 else t.numpy() for n, t in squeeze.items()}
    named = {f"{n.rpartition('.')[0]}/{ends[n.rpartition('.')[2]]}": t for n, t in turned.items()}
    write_safetensors("a.safetensors", named, {})
    assert convert("a.safetensors", "b.pth").source.kind == "safetensors file in Keras's names"
    assert_same("b.pth", squeeze)


def write_run(state, **changes):
    """Write what of a run's folder counts here."""
    os.mkdir("run")
    write_safetensors("run/model.safetensors", {name: tensor.numpy() for name, tensor in state.items()}, {})
    result = {
        "format": 1,
        "architecture": "shufflenet_v2_x0_5",
        "preprocess": {"resize": 64, "crop": 64, "mean": [0.0] * 3, "std": [1.0] * 3},
        "sha256": {"model.safetensors": checkpoint.sha256_of(Path("run/model.safetensors"))},
    }
    Path("run/model.json").write_text(json.dumps(result | changes))


def test_a_run_folder(folder, shuffle):
    write_run(shuffle)
    done = convert("run", "b.pth")
    assert str(done).startswith("read run (run folder, 338 tensors) as shufflenet_v2_x0_5, 4 classes; wrote b.pth (")
    assert_same("b.pth", shuffle)
    with pytest.raises(RecipeError, match="run is a run of shufflenet_v2_x0_5; leave --model out"):
        convert("run", "c.pth", model="resnet18")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": 9}, "format 9"),
        ({"sha256": {"model.safetensors": "00" * 32}}, "changed since the run wrote it"),
        ({"sha256": None}, "key 'sha256': found null"),
        ({"preprocess": {}}, "key 'preprocess.resize': found nothing"),
        ({"preprocess": {"resize": 64, "crop": "64"}}, "key 'preprocess.crop': found \"64\""),
        ({"architecture": []}, "key 'architecture': found a list"),
        ({"architecture": "x"}, "unknown model"),
    ],
)
def test_a_run_folder_that_is_damaged(folder, squeeze, changes, reason):
    write_run(squeeze, **changes)
    with pytest.raises(UserError, match=reason):
        convert("run", "b.pth")
    os.mkdir("no-run")
    with pytest.raises(RunError, match="not the folder of a run"):
        convert("no-run", "b.pth")
