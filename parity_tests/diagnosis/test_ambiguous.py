"""Strangers whose parameters are alike in shape and nameless: which belong together is found by their values."""

import sys
from types import ModuleType
from unittest.mock import patch

import keras
import pytest
import torch
from keras import layers as L
from keras import ops
from torch import nn

from ft.parity.foreign.compare import compare_models
from parity_tests.support.foreign_pairs import in_process

HEADS, WIDTH = 2, 4


class TorchAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = (layer(x).reshape(n, t, HEADS, WIDTH).transpose(1, 2) for layer in (self.q, self.k, self.v))
        shares = torch.softmax(q @ k.transpose(-1, -2) / 2, -1)
        return x + self.out((shares @ v).transpose(1, 2).reshape(n, t, c))


class TorchGates(nn.Module):
    def __init__(self):
        super().__init__()
        self.early, self.late = nn.Parameter(torch.rand(8) + 0.5), nn.Parameter(torch.rand(8) + 0.5)

    def forward(self, x):
        return torch.tanh(x * self.early) * self.late


class TorchBranches(nn.Module):
    def __init__(self):
        super().__init__()
        parts = [nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh()) for _ in range(2)]
        self.parts, self.last = nn.ModuleList(parts), nn.Linear(16, 3)

    def forward(self, x):
        return self.last(torch.cat([part(x) for part in self.parts], -1))


class KerasAttention(L.Layer):
    """Attention whose query, key and value are made and called in some order."""

    def __init__(self, order, axis=-1):
        super().__init__()
        made = {letter: L.Dense(8) for letter in order}
        self.made, self.order, self.axis, self.out = list(made.values()), order, axis, L.Dense(8)

    def call(self, x):
        t = x.shape[1]
        parts = (ops.reshape(layer(x), (-1, t, HEADS, WIDTH)) for layer in self.made)
        found = {k: ops.transpose(y, (0, 2, 1, 3)) for k, y in zip(self.order, parts, strict=True)}
        scores = ops.matmul(found["q"], ops.transpose(found["k"], (0, 1, 3, 2))) / 2
        y = ops.matmul(ops.softmax(scores, self.axis), found["v"])
        return x + self.out(ops.reshape(ops.transpose(y, (0, 2, 1, 3)), (-1, t, 8)))


class KerasGates(L.Layer):
    def build(self, shape):
        self.second, self.first = (self.add_weight((8,), "random_normal", name=name) for name in ("one", "other"))

    def call(self, x):
        return ops.tanh(x * self.first) * self.second


class KerasBranches(L.Layer):
    """Branches of which the second runs first, as far as `deep` layers in turn."""

    def __init__(self):
        super().__init__()
        self.layers = [L.Dense(8, "tanh") for _ in range(4)]
        self.last = L.Dense(3)

    def call(self, x):
        right, left = self.layers[0](x), self.layers[1](x)
        left, right = self.layers[2](left), self.layers[3](right)
        return self.last(ops.concatenate([left, right], -1))


def torch_net(*parts):
    return lambda: nn.Sequential(*(part() for part in parts))


def keras_net(*parts):
    return lambda: keras.Sequential([part() for part in parts])


def compared(torch_model, keras_model, folder):
    module = ModuleType("theirs")
    module.torch, module.tf = torch_model, keras_model
    with patch.dict(sys.modules, {"theirs": module}), in_process():
        result = compare_models(torch="theirs:torch", tf="theirs:tf", inputs="5x8", folder=folder, batch_size=4)
        return result, [row for row in result.verdict().rows if row.differs]


@pytest.mark.parametrize(
    ("torch_model", "keras_model", "most"),
    [
        (torch_net(TorchAttention), keras_net(lambda: KerasAttention("vkq")), 2),
        (torch_net(TorchAttention), keras_net(lambda: KerasAttention("kvq")), 5),
        (torch_net(*[TorchAttention] * 3), keras_net(*[lambda: KerasAttention("kvq")] * 3), 7),  # as before: one try
        (torch_net(TorchGates), keras_net(KerasGates), 1),
        (torch_net(TorchBranches), keras_net(KerasBranches), 6),
    ],
    ids=["query and value", "all three", "three layers", "one after the other", "branches"],
)
def test_the_assignment_that_agrees_is_taken_and_said(torch_model, keras_model, most, tmp_path):
    result, differing = compared(torch_model, keras_model, tmp_path)
    assert not differing
    assert not result.findings
    assert any(pair.rule == "values" for pair in result.pairing)
    note = next(note for note in result.notes if "alike in shape" in note)
    assert note.endswith("so all results agree")
    assert int(note.partition("found in ")[2].partition(" ")[0]) <= most


def test_another_fault_is_named_beside_what_order_paired_wrongly(tmp_path):
    faulty = keras_net(lambda: KerasAttention("vkq"), lambda: L.Activation("gelu"), lambda: L.Dense(3))
    whole = torch_net(TorchAttention, lambda: nn.GELU(approximate="tanh"), lambda: nn.Linear(8, 3))
    result, _ = compared(whole, faulty, tmp_path)
    assert [(f.entry, f.name, f.certain) for f in result.findings] == [("activation", "1", True)]
    assert any(note.endswith("more operations agree, not all") for note in result.notes)


def test_a_fault_that_another_assignment_would_hide_in_part_is_named(tmp_path):
    """With query and key exchanged, a softmax along the other axis gives the same numbers, turned."""
    result, _ = compared(torch_net(TorchAttention), keras_net(lambda: KerasAttention("qkv", axis=-2)), tmp_path)
    assert [f.entry for f in result.findings] == ["softmax"]
    assert {pair.rule for pair in result.pairing} == {"order"}
    assert any(note.endswith("tried: none agrees better") for note in result.notes)
