"""Two strangers of one framework: a rewrite, or an upgrade, is compared as a port is."""

import sys
from collections import OrderedDict
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from torch import nn

from ft.cli.dispatch import dispatch
from ft.differences import Evidence, find_all
from ft.errors import RecipeError
from ft.parity.foreign.compare import compare_models, targets_of
from parity_tests.support.foreign_pairs import in_process


class TorchNet(nn.Module):
    """With names of its own for each part."""

    def __init__(self, act, eps):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6, eps)
        self.act, self.head = act, nn.Linear(6, 4)

    def forward(self, x):
        return self.head(self.act(self.norm(self.conv(x))).mean((2, 3)))


def torch_rewrite(act=nn.functional.gelu, eps=1e-5):
    """What TorchNet computes, in other parts."""
    act = type("Act", (nn.Module,), {"forward": staticmethod(act)})()
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6, eps), act, pool, nn.Linear(6, 4))


def keras_net(act="gelu", eps=1e-3, padding="same"):
    x = images = keras.Input((16, 16, 3))
    x = L.BatchNormalization(epsilon=eps, name="norm")(L.Conv2D(6, 3, 2, padding=padding, name="conv")(x))
    x = L.GlobalAveragePooling2D()(L.Activation(act)(x))
    return keras.Model(images, L.Dense(4, name="head")(x))


class KerasRewrite(keras.Model):
    def __init__(self, act="gelu", eps=1e-3):
        super().__init__()
        self.conv, self.norm = L.Conv2D(6, 3, 2, padding="same"), L.BatchNormalization(epsilon=eps)
        self.act, self.pool, self.head = L.Activation(act), L.GlobalAveragePooling2D(), L.Dense(4)

    def call(self, x, training=False):
        return self.head(self.pool(self.act(self.norm(self.conv(x), training=training))))


def theirs(one, other):
    """Put two functions into a module of the user's."""
    module = ModuleType("theirs")
    module.one, module.other = one, other
    return patch.dict(sys.modules, {"theirs": module})


def compared(framework, one, other, folder, **options):
    with theirs(one, other), in_process():
        how = {"inputs": "3x16x16", "folder": folder, "batch_size": 4, framework: ("theirs:one", "theirs:other")}
        result = compare_models(**how, **options)
        return result, [row for row in result.verdict().rows if row.differs]


@pytest.mark.parametrize("direction", ["a-to-b", "b-to-a"])
@pytest.mark.parametrize(
    ("framework", "one", "other"),
    [("torch", lambda: TorchNet(nn.functional.gelu, 1e-5), torch_rewrite), ("tf", keras_net, KerasRewrite)],
)
def test_a_rewrite_is_equal_in_every_number(framework, one, other, direction, tmp_path):
    result, differing = compared(framework, one, other, tmp_path, direction=direction, steps=2)
    assert not differing
    assert not result.findings
    assert f"weights: copied {framework} {direction[0].upper()} to {framework} {direction[-1].upper()}" in result.notes
    compared_words = [note for note in result.notes if "compared by their values" in note]
    assert all(f"{framework} A" in note and f"{framework} B" in note for note in compared_words)
    folders = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert folders == {f"{framework}-a", f"{framework}-b"}


@pytest.mark.parametrize(
    ("framework", "one", "other", "words"),
    [
        ("torch", lambda: TorchNet(nn.functional.gelu, 1e-5), lambda: torch_rewrite(torch.tanh), ("gelu", "tanh")),
        ("tf", keras_net, lambda: KerasRewrite("tanh"), ("gelu, sqrt(1/2) in float32", "tanh")),
    ],
)
def test_a_difference_of_two_is_named_by_their_letters(framework, one, other, words, tmp_path):
    result, _ = compared(framework, one, other, tmp_path)
    (finding,) = result.findings
    assert (finding.entry, finding.certain) == ("activation", True)
    assert finding.detail.startswith(f"{framework} A: {words[0]}; {framework} B: {words[1]}")


@pytest.mark.parametrize(
    ("framework", "one", "other"),
    [
        ("torch", lambda: TorchNet(nn.functional.gelu, 1e-5), lambda: torch_rewrite(eps=1e-2)),
        ("tf", keras_net, lambda: KerasRewrite(eps=1e-2)),
    ],
)
def test_a_layer_that_keras_makes_of_many_operations_is_one(framework, one, other, tmp_path):
    result, _ = compared(framework, one, other, tmp_path)
    (finding,) = result.findings
    assert (finding.entry, finding.certain) == ("normalisation", True)
    assert "B: batch norm (eps 0.01)" in finding.detail


@pytest.mark.parametrize("both", [False, True])
def test_the_gates_of_a_recurrent_layer_of_keras_are_read_off(both, tmp_path):
    def net(gate):
        layer = L.GRU(5, return_sequences=True, recurrent_activation=gate, bias_initializer="random_normal")
        return keras.Sequential([keras.Input((6, 4)), L.Bidirectional(layer) if both else layer, L.Dense(3)])

    with theirs(lambda: net("sigmoid"), lambda: net("hard_sigmoid")), in_process():
        how = {"inputs": "x:float:6x4", "folder": tmp_path, "batch_size": 4, "tf": ("theirs:one", "theirs:other")}
        findings = compare_models(**how).findings
    assert [(f.entry, f.certain) for f in findings] == [("recurrent cell", True)] * (1 + both)
    words = [f"tf {side}: GRU (reset after the product, {gate}" for side, gate in (("A", "sigm"), ("B", "hard sigm"))]
    assert all(word in f.detail for f in findings for word in words)


class NormAct(nn.BatchNorm2d):
    """A norm with an activation inside, as timm writes it."""

    def __init__(self, channels, momentum):
        super().__init__(channels, momentum=momentum)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(super().forward(x))


def test_the_momentum_of_a_norm_with_an_activation_inside_is_named(tmp_path):
    def plain():
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.01), nn.ReLU(), nn.Conv2d(4, 2, 1))

    def inside():
        return nn.Sequential(nn.Conv2d(3, 4, 3), NormAct(4, 0.1), nn.Conv2d(4, 2, 1))

    result, _ = compared("torch", plain, inside, tmp_path)
    assert "batchnorm-momentum" in [f.entry for f in find_all(Evidence(result.torch, result.tf, result.verdict()))]


def test_a_convolution_of_the_whole_map_is_a_linear_layer(tmp_path):
    def linear():
        return nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 2))

    def whole():
        last = nn.Sequential(nn.Conv2d(4, 5, 4), nn.ReLU(), nn.Conv2d(5, 2, 1), nn.Flatten())
        return nn.Sequential(nn.Conv2d(3, 4, 4, 4), last)

    _, differing = compared("torch", linear, whole, tmp_path)
    assert not differing


class Odd(TorchNet):
    """It gives one number, anchors that no input changes, and numbers of which some are NaN."""

    def forward(self, x):
        y = super().forward(x)
        return {"sum": y.sum(), "anchors": self.head.bias * 2, "log": torch.log(y - y.mean())}


def test_outputs_of_every_kind(tmp_path):
    plain, compiled = (Odd(nn.functional.gelu, 1e-5) for _ in range(2))
    nets = (lambda: plain, lambda: SimpleNamespace(_orig_mod=compiled))  # as torch.compile's result
    result, differing = compared("torch", *nets, tmp_path)
    assert not differing
    assert not result.findings
    given = result.torch.arrays(None, "inference")
    assert [given[f"output {name}"].shape for name in ("sum", "anchors", "log")] == [(), (4,), (4, 4)]
    assert np.isnan(given["output log"]).any()


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (torch.jit.script, "it returns a RecursiveScriptModule; expected a torch.nn.Module, not compiled"),
        (lambda net: net.to("meta"), "conv.weight has no numbers; expected a model on the CPU of dense tensors"),
    ],
)
def test_models_without_code_or_numbers_are_refused(change, message, tmp_path):
    with pytest.raises(RecipeError, match=message):
        compared("torch", torch_rewrite, lambda: change(nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 6, 3)))), tmp_path)


def test_the_command_writes_everything_with_their_letters(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = ["--html", "a.html", "--junit", "a.xml", "--out", "kept", "--sensitivity", "--steps", "1"]
    with theirs(lambda: TorchNet(nn.functional.gelu, 1e-5), lambda: torch_rewrite(eps=1e-2)), in_process():
        code = dispatch(["compare", "--torch", "theirs:one", "--torch", "theirs:other", "--input", "3x16x16", *files])
    told = capsys.readouterr().out
    assert code == 1
    assert "torch A and torch B part" in told
    assert "eps is 1e-05 in torch A, 0.01 in torch B" in told
    assert "torch A" in (tmp_path / "a.html").read_text()
    assert "torch B" in (tmp_path / "a.xml").read_text()
    assert {"torch-a", "torch-b", "torch-a-one-ulp"} <= {path.name for path in (tmp_path / "kept").iterdir()}


@pytest.mark.parametrize(("torch", "tf"), [("a:f", ()), ((), ("a:f",)), (("a:f", "b:g"), "c:h"), ((), ())])
def test_two_models_are_needed(torch, tf):
    with pytest.raises(RecipeError, match="pass two, MODULE:FUNCTION each"):
        targets_of(torch, tf)
