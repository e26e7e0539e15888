"""A file as a side: an ONNX file or a SavedModel against the model that it was made from, or another one."""

import subprocess
import sys
from types import ModuleType
from unittest.mock import patch

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from torch import nn

from ft.cli.dispatch import dispatch
from ft.errors import RecipeError
from ft.parity.foreign.outputs import COVERED, compare_outputs
from parity_tests.support.foreign_pairs import in_process


class TorchNet(nn.Module):
    def __init__(self, approximate="none"):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.act, self.head = nn.Conv2d(3, 6, 3, 2, 1), nn.GELU(approximate), nn.Conv2d(6, 4, 1)

    def forward(self, x):
        return self.head(self.act(self.conv(x)))


def keras_net(act="gelu"):
    """TorchNet's weights, where there is a file of them beside."""
    images = keras.Input((8, 12, 3))
    x = L.Activation(act)(L.Conv2D(6, 3, 2)(L.ZeroPadding2D(1)(images)))
    net, weights = keras.Model(images, L.Conv2D(4, 1)(x)), [x.detach().numpy() for x in TorchNet().parameters()]
    net.set_weights([x.transpose(2, 3, 1, 0) if x.ndim == 4 else x for x in weights])
    return net


@pytest.fixture
def files(tmp_path):
    """An ONNX file for any number of samples, and a SavedModel, of one network."""
    more = {"dynamic_axes": {"x": {0: "n"}}, "input_names": ["x"], "dynamo": False}
    torch.onnx.export(TorchNet().eval(), (torch.randn(1, 3, 8, 12),), tmp_path / "net.onnx", **more)
    keras.config.set_floatx("float32")
    keras_net().export(str(tmp_path / "saved"), verbose=False)
    return {"onnx": str(tmp_path / "net.onnx"), "saved-model": str(tmp_path / "saved")}


def compared(sides, folder, torch_net=TorchNet, tf_net=keras_net, **options):
    module = ModuleType("theirs")
    module.torch, module.tf = torch_net, tf_net
    with patch.dict(sys.modules, {"theirs": module}), in_process():
        return compare_outputs(sides, inputs="3x8x12", folder=folder, batch_size=4, **options)


@pytest.mark.parametrize(
    ("one", "other"),
    [("torch", "onnx"), ("torch", "saved-model"), ("tf", "onnx"), ("tf", "saved-model"), ("onnx", "saved-model")],
)
def test_a_file_gives_what_its_model_gives(one, other, files, tmp_path):
    sides = [(kind, files.get(kind, f"theirs:{kind}")) for kind in (one, other)]
    result = compared(sides, tmp_path / "out")
    (row,) = result.verdict().rows
    assert not row.differs, row
    assert COVERED in result.notes
    assert "weights: each side's own" in result.notes
    assert result.one.arrays(None, "inference")[row.name].ndim == 4  # in one layout on both sides


@pytest.mark.parametrize("other", ["onnx", "saved-model"])
def test_another_activation_is_no_rounding(other, files, tmp_path):
    sides = [("torch", "theirs:torch"), (other, files[other])]
    result = compared(sides, tmp_path / "out", torch_net=lambda: TorchNet("tanh"))
    (row,) = result.verdict().rows
    assert row.differs
    assert 1e-6 < row.relative < 1e-3


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_a_file_in_float64_whose_runtime_lacks_that_is_run_in_float32(approximate, tmp_path):
    path, net = tmp_path / "net.onnx", TorchNet().eval().double()
    torch.onnx.export(net, (torch.randn(4, 3, 8, 12).double(),), path, input_names=["x"], dynamo=False)
    sides = [("torch", "theirs:torch"), ("onnx", str(path))]
    result = compared(sides, tmp_path / "out", torch_net=lambda: TorchNet(approximate))
    (row,) = result.verdict().rows
    assert row.differs == (approximate == "tanh"), row
    assert result.bar <= 1e-5
    words = "net.onnx is in float64, in which onnxruntime lacks an operation of it: both were compared in float32"
    assert result.notes[0] == words


def test_an_onnx_file_needs_no_framework(files, tmp_path):
    without = "import sys; sys.modules |= dict.fromkeys(('torch', 'tensorflow', 'keras')); "
    run = "from ft.cli.dispatch import dispatch; sys.exit(dispatch(sys.argv[1:]))"
    more = ["--onnx", files["onnx"], "--onnx", files["onnx"], "--input", "3x8x12", "--out", str(tmp_path / "out")]
    subprocess.run([sys.executable, "-c", without + run, "compare", *more], check=True, stdout=subprocess.DEVNULL)
    hosts = "from ft.parity.foreign.host import make_host; from pathlib import Path; "
    opened = f"print(make_host('onnx', {files['onnx']!r}, Path(), None).opened({{}}))"
    said = subprocess.run([sys.executable, "-c", without + hosts + opened], check=True, stdout=subprocess.PIPE).stdout
    assert b"float32" in said


def test_the_command_says_what_a_file_does_not_show(files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    module = ModuleType("theirs")
    module.torch = TorchNet
    asked = [
        "--torch",
        "theirs:torch",
        "--onnx",
        files["onnx"],
        "--input",
        "3x8x12",
        "--junit",
        "a.xml",
        "--html",
        "a.html",
    ]
    with patch.dict(sys.modules, {"theirs": module}), in_process():
        assert dispatch(["compare", *asked]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "a file shows no gradients, no training and no operation inside" in told
    assert "torch and onnx" in (tmp_path / "a.xml").read_text()
    assert "no gradients" in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ([("torch", "theirs:torch"), ("onnx", "nowhere.onnx")], "--onnx nowhere.onnx: there is no such file"),
        ([("torch", "theirs:torch"), ("onnx", __file__)], "--onnx .*: onnxruntime cannot open it: InvalidProtobuf"),
        (
            [("torch", "theirs:wide"), ("onnx", None)],
            "outputs: torch gives .* onnx gives .*; both models must give",
        ),
    ],
)
def test_mistakes_are_one_line(sides, message, files, tmp_path):
    sides = [(kind, files["onnx"] if path is None else path) for kind, path in sides]
    module = ModuleType("theirs")
    module.torch, module.wide = TorchNet, lambda: nn.Conv2d(3, 9, 1)
    with patch.dict(sys.modules, {"theirs": module}), in_process(), pytest.raises(RecipeError, match=message) as caught:
        compare_outputs(sides, inputs="3x8x12", folder=tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_the_bar_is_no_wider_than_rounding():
    from ft.parity.foreign.outputs import bar_for

    exact = {"torch": {"y": np.ones(3)}}
    assert bar_for("float32", exact, {"torch": {"y": np.ones(3, np.float32)}}) == 2.0**-20
    assert bar_for("float32", exact, {"torch": {"y": np.full(3, 1 + 1e-6, np.float32)}}) == pytest.approx(
        16e-6, rel=0.1
    )
    assert bar_for("float32", exact, {"torch": {"y": np.full(3, 2.0, np.float32)}}) == 1e-4
