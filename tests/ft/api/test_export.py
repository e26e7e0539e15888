"""`ft export` without a framework: which file, what is refused, what is checked, and that a failure leaves nothing."""

import errno
import json
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ft.api.export
from ft.api.export import FORMATS, MAX_BYTES, export_run
from ft.api.export_check import difference
from ft.backend import contract as backend
from ft.cli.export import export_command
from ft.cli.guard import guarded
from ft.data import Preprocess, open_dataset
from ft.data.sources.dataset import data_facts
from ft.errors import RecipeError, RunError, UserError
from ft.recipe import Recipe, to_dict
from ft.runs import folder as runfolder
from ft.runs.checkpoint import sha256_of
from ft.system import files
from ft.system.names import MODEL
from ft.weights import write_safetensors

CLASSES = ("cat", "dog", "é\n")
PIXELS = Preprocess(resize=10, crop=8, interpolation="bilinear", mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
FAULTS = {
    "wrong weights": {"weights": 1.01},
    "wrong normalisation": {"mean": (0.4, 0.5, 0.3)},
    "NaN": {"weights": np.nan},
    "another number of classes": {"classes": 2},
    "only a batch of 8": {"lone": 1.0},
}


class FakeFiles:
    """The export half of a wing: softmax regression on the mean colour, as a file of NumPy arrays."""

    def __init__(self):
        self.fault = {}

    def export_model(self, model, path, *, format, preprocess, raw, metadata):
        weights, bias = (model.tensors[f"fc.{leaf}"][: self.fault.get("classes")] for leaf in ("weight", "bias"))
        mean = self.fault.get("mean", preprocess.mean)
        if FORMATS[format].folder:
            path.mkdir()
        with open(path / "saved_model.pb" if FORMATS[format].folder else path, "wb") as file:
            text = json.dumps(metadata)
            scale = self.fault.get("weights", 1)
            np.savez(file, weights=weights * scale, bias=bias, mean=mean, std=preprocess.std, text=text)
        return {"opset": 18} if format == "onnx" else {}

    def run_exported(self, path, images, *, format):
        held = np.load(path / "saved_model.pb" if FORMATS[format].folder else path)
        x = (images / 255 - held["mean"]) / held["std"] if images.dtype == np.uint8 else images
        return x.mean((1, 2)) @ held["weights"].T + held["bias"] + self.fault.get("lone", 0) * (len(images) == 1)


@pytest.fixture
def wing(fake_wing, monkeypatch):
    """A wing of NumPy in the place of both, everything installed."""
    made, fake = FakeFiles(), backend.load("torch")
    fake.export_model, fake.run_exported = made.export_model, made.run_exported
    monkeypatch.setattr(backend, "FRAMEWORKS", {"torch": (), "tf": ()})
    monkeypatch.setattr(ft.api.export, "find_spec", lambda name: name)
    monkeypatch.setattr(ft.api.export, "version", lambda name: "1.0")
    return made


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Write the folder of a finished run whose data are three images; returns a function to change its facts."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for label in CLASSES:
        for split in ("train", "val"):
            os.makedirs(f"data/{split}/{label}")
            Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).save(f"data/{split}/{label}/0.png")
    shapes = {"conv1.weight": (4, 3, 3, 3), "fc.weight": (3, 3), "fc.bias": (3,)}
    Path("run").mkdir()
    write_safetensors(
        "run/model.safetensors", {n: rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}, {}
    )

    def write(**changes):
        result = {
            "format": runfolder.FORMAT,
            "architecture": "resnet18",
            "backend": "tf",
            "recipe": to_dict(Recipe(model="resnet18", data="data", **changes)),
            "classes": CLASSES,
            "preprocess": PIXELS.to_dict(),
            "data": data_facts(open_dataset("data")),
            "metrics": {},
            "sha256": {MODEL: sha256_of(Path("run/model.safetensors"))},
        }
        files.write_json("run/model.json", result)
        return "run"

    return write


def everything():
    return sorted(path for path in Path().rglob("*") if path.is_file())


def command(*arguments):
    """Run the command as `ft` does and return its exit code."""
    return guarded(lambda: export_command([str(argument) for argument in arguments]))


# ---- what is written


@pytest.mark.parametrize("pixels", ["normalised", "raw"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_file_and_its_json(name, pixels, run, wing):
    done = export_run(run(), format=name, pixels=pixels)
    kind, raw = FORMATS[name], pixels == "raw"
    assert done.path == Path(f"run/export/resnet18{'-raw' * raw}{kind.ending}")
    assert sorted(os.listdir("run/export")) == sorted([done.path.name, f"{done.path.name}.json"])
    held = done.path / "saved_model.pb" if kind.folder else done.path
    digest = {"saved_model.pb": sha256_of(held)} if kind.folder else sha256_of(held)
    record = json.loads(Path(f"{done.path}.json").read_text())
    assert record == json.loads(json.dumps(done.record))
    assert (record["sha256"], record["classes"], record["preprocess"]) == (digest, list(CLASSES), PIXELS.to_dict())
    assert record["output"] == {"name": "logits", "dtype": "float32", "shape": ["batch", 3]}
    channels_last = raw or kind.wing == "tf"
    assert record["input"] == {
        "name": "images",
        "pixels": pixels,
        "dtype": "uint8" if raw else "float32",
        "layout": "NHWC" if channels_last else "NCHW",
        "shape": ["batch", 8, 8, 3] if channels_last else ["batch", 3, 8, 8],
    }
    assert record["check"]["difference"] < 1e-6
    assert record["check"]["images"] == "3 of its validation images"
    inside = json.loads(str(np.load(held)["text"]))
    assert inside.items() <= record.items()
    assert set(record) - set(inside) - {"opset"} == {"check", "sha256"}


def test_the_json_names_every_version_and_the_weights(run, wing, monkeypatch):
    monkeypatch.setattr(backend, "FRAMEWORKS", {"torch": ("numpy", "safetensors"), "tf": ()})
    record = export_run(run(), format="onnx").record
    assert set(record["versions"]) == {"ft-parity", "numpy", "safetensors", "onnx", "onnxscript", "onnxruntime"}
    assert record["weights_sha256"] == sha256_of(Path("run/model.safetensors"))


def test_generated_images_where_the_data_are_gone(run, wing):
    run()
    os.rename("data", "moved")
    check = export_run("run", format="onnx").record["check"]
    assert check["images"].startswith("8 generated images, for data 'data' does not exist")
    assert check["difference"] < 1e-6


def test_at_most_eight_images_of_all_classes(run, wing):
    for i in range(30):
        os.link("data/val/cat/0.png", f"data/val/cat/{i}-again.png")
    run()
    assert export_run("run", format="onnx").record["check"]["images"] == "7 of its validation images"


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_in_float64(name, run, wing):
    check = export_run(run(precision="float64"), format=name).record
    kept = FORMATS[name].float64
    assert check["output"]["dtype"] == check["input"]["dtype"] == ("float64" if kept else "float32")
    assert check["check"]["tolerance"] == (1e-10 if kept else 1e-4)
    assert check["check"]["note"] == ("" if kept else f"; the run is float64, {name} float32")


def test_the_command_says_what_it_wrote_and_measured(run, wing, capsys):
    assert command(run(), "--format", "onnx", "--pixels", "raw", "--out", "a.onnx") == 0
    said = capsys.readouterr()
    first, second = said.out.splitlines()
    begun = ["building resnet18 in PyTorch", "writing ONNX", "running it on 3 of its validation images"]
    assert said.err.splitlines() == [f"export: {what}" for what in begun]
    assert first == "wrote a.onnx (ONNX, opset 18): images uint8 (batch, 8, 8, 3), raw -> logits float32 (batch, 3)"
    assert second.startswith("run again on 3 of its validation images: logits differ from the run's by at most ")
    assert second.endswith(" of the largest (tolerance 1e-04)")
    assert command("run", "--format", "savedmodel", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {
        "path": "run/export/resnet18.savedmodel",
        **json.loads(Path(f"{printed['path']}.json").read_text()),
    }


def test_force_replaces_a_file_and_a_folder(run, wing):
    for name in ("onnx", "savedmodel"):
        target = export_run(run(), format=name).path
        held = target / "saved_model.pb" if target.is_dir() else target
        held.write_bytes(b"old")
        if target.is_dir():
            (target / "left over").touch()
        assert export_run("run", format=name, force=True).path == target
        assert held.stat().st_size > 3
        assert not (target / "left over").exists()


# ---- what is refused


@pytest.mark.parametrize("pixels", ["normalised", "raw"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_refused_and_leaves_nothing(fault, pixels, run, wing):
    run()
    wing.fault = FAULTS[fault]
    before = everything()
    if fault == "wrong normalisation" and pixels == "normalised":  # which such a file has none of
        export_run("run", format="onnx")
        return
    for name in ("onnx", "savedmodel"):
        with pytest.raises(RunError, match=r"resnet18.* was not kept: its logits differ by .* 1e-04; this is a bug"):
            export_run("run", format=name, pixels=pixels)
    assert everything() == before
    assert not os.path.exists("run/export")


def test_a_failure_leaves_the_old_file_as_it_was(run, wing, monkeypatch):
    old = {path: path.read_bytes() for path in (export_run(run(), format="onnx").path, Path("run/model.json"))}
    wing.fault = FAULTS["wrong weights"]
    with pytest.raises(RunError):
        export_run("run", format="onnx", force=True)
    monkeypatch.setattr(wing, "fault", {})
    monkeypatch.setattr(backend.load("torch"), "run_exported", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_run("run", format="onnx", force=True)
    assert {path: path.read_bytes() for path in old} == old
    assert len(os.listdir("run/export")) == 2


def interrupted(path, images, *, format):
    raise KeyboardInterrupt


def test_a_full_disk_is_one_line(run, wing, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ft.api.export, "digests", full)
    before = [run(), everything()][1]
    assert command("run", "--format", "onnx") == 2
    line = capsys.readouterr().err.partition("its validation images\n")[2]
    assert line.startswith("error: cannot write run/export/resnet18.onnx: No space left on device (")
    assert line.endswith("free some space or choose another --out\n")
    assert line.count("\n") == 1
    assert everything() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "arguments are required: RUN, --format"),
        (["run"], "arguments are required: --format"),
        (
            ["run", "--format", "onx"],
            "unknown format 'onx'; did you mean 'onnx'? (known: onnx, torch-export, savedmodel",
        ),
        (["run", "--format", "onnx", "--pixels", "rew"], "pixels: unknown value 'rew'; did you mean 'raw'?"),
        (["run", "--format", "onnx", "--outt", "x"], "unknown flag '--outt'; did you mean '--out'?"),
        (["data", "--format", "onnx"], "data is not the folder of a run"),
        (["run", "--format", "onnx", "--out", "x.tflite"], "--out x.tflite: onnx files end in .onnx; choose a name"),
        (["run", "--format", "litert", "--out", "no/x.tflite"], "--out no/x.tflite: there is no folder no; make it"),
        (["run", "--format", "onnx", "--out", "there.onnx"], "there.onnx exists; choose another --out, or replace it"),
        (["run", "--format", "savedmodel", "--out", "there.onnx"], "there.onnx exists and is no savedmodel folder;"),
        (["run", "--format", "savedmodel", "--out", "data", "--force"], "data exists and is no savedmodel folder;"),
    ],
)
def test_a_mistake_is_one_line(arguments, words, run, wing, capsys):
    run()
    Path("there.onnx").touch()
    before = everything()
    assert command(*arguments) == 2
    line = capsys.readouterr().err
    assert words in line
    assert line.count("\n") == 1
    assert everything() == before


@pytest.mark.parametrize(
    ("name", "absent", "words"),
    [
        ("onnx", "torch", 'torch not installed; pip install "ft-parity[torch]", or write savedmodel, litert'),
        ("torch-export", "torchvision", 'not installed; pip install "ft-parity[torch]", or write savedmodel, litert'),
        ("savedmodel", "keras", 'keras not installed; pip install "ft-parity[tf]", or write onnx, torch-export'),
        ("litert", "tensorflow", 'not installed; pip install "ft-parity[tf]", or write onnx, torch-export'),
        ("onnx", "onnxscript", 'format onnx: onnxscript not installed; pip install "ft-parity[export]"'),
    ],
)
def test_what_is_not_installed_is_named_before_anything_loads(name, absent, words, run, monkeypatch, capsys):
    def spec_of(package):
        return None if package == absent else find_spec("numpy")

    monkeypatch.setattr(backend, "find_spec", spec_of)
    monkeypatch.setattr(ft.api.export, "find_spec", spec_of)
    monkeypatch.setattr(backend, "load", lambda name: pytest.fail("a framework was loaded"))
    assert command(run(), "--format", name) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"error: format {name}: ")
    assert words in line


def test_more_weights_than_a_format_holds(run, wing):
    run(precision="float64")
    os.truncate("run/model.safetensors", 2 * MAX_BYTES + 2)
    with pytest.raises(RunError, match=r"run: 2\.0 GB of weights, onnx holds 2 GB; write torch-export, savedmodel"):
        export_run("run", format="onnx")


@pytest.mark.slow
def test_float64_weights_are_half_as_much_in_a_format_of_float32(run, wing):
    run(precision="float64")
    os.truncate("run/model.safetensors", 2 * MAX_BYTES)
    with pytest.raises(UserError, match=r"model\.safetensors"):
        export_run("run", format="onnx")


def test_every_format_is_reached_by_the_other_wing_s_runs():
    assert {kind.wing for kind in FORMATS.values()} == {"torch", "tf"}
    with pytest.raises(RecipeError, match="known: onnx, torch-export, savedmodel, litert"):
        ft.api.export.find_format("tensorrt")


def test_difference_is_relative_and_cannot_be_fooled():
    expected = np.array([[1.0, -4.0], [2.0, 3.0]])
    assert difference(expected + np.array([[0, 0], [0, 0.4]]), expected) == pytest.approx(0.1)
    assert difference(expected[:1], expected) == 0
    assert difference(expected[:, :1], expected) == np.inf
    assert difference(expected * np.nan, expected * np.nan) == np.inf
    assert difference(np.zeros((2, 2)), np.zeros((2, 2))) == 0
