"""Strangers of which one has a single weight where the other has two: shared once, its gradient is their sum."""

import sys
from types import ModuleType
from unittest.mock import patch

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from keras import ops
from torch import nn

from ft.cli.parity import report_of
from ft.parity.foreign.compare import compare_models
from parity_tests.support.foreign_pairs import in_process


class TorchNet(nn.Module):
    """Words in, words out; a layer in between runs twice, or is two."""

    def __init__(self, tied, alike=False):
        super().__init__()
        self.embed, self.one = nn.Embedding(11, 8), nn.Linear(8, 8)
        self.two = self.one if tied else nn.Linear(8, 8)
        self.out = nn.Linear(8, 11, bias=False)
        if tied:
            self.out.weight = self.embed.weight
        elif alike:
            self.out.weight.data = self.embed.weight.data.clone()
            self.two.load_state_dict(self.one.state_dict())

    def forward(self, ids):
        return self.out(torch.tanh(self.two(torch.tanh(self.one(self.embed(ids))))))


class KerasNet(keras.Model):
    def __init__(self, tied):
        super().__init__()
        self.embed, self.first, self.tied = L.Embedding(11, 8), L.Dense(8, "tanh"), tied
        self.second = self.first if tied else L.Dense(8, "tanh")
        self.last = None if tied else L.Dense(11, use_bias=False)

    def call(self, ids):
        y = self.second(self.first(self.embed(ids)))
        return ops.matmul(y, ops.transpose(self.embed.embeddings)) if self.tied else self.last(y)


def compared(torch_model, keras_model, folder, **options):
    module = ModuleType("theirs")
    module.torch, module.tf = torch_model, keras_model
    with patch.dict(sys.modules, {"theirs": module}), in_process():
        how = {"inputs": "ids:int<11>:6", "folder": folder, "batch_size": 4, **options}
        result = compare_models(torch="theirs:torch", tf="theirs:tf", **how)
        return result, [row for row in result.verdict().rows if row.differs]


@pytest.mark.parametrize("direction", ["torch-to-tf", "tf-to-torch"])
@pytest.mark.parametrize("tied", ["torch", "tf"])
def test_a_tied_weight_is_shared_once_and_its_gradient_is_the_sum(tied, direction, tmp_path):
    models = (lambda: TorchNet(tied == "torch", alike=True)), (lambda: KerasNet(tied == "tf"))
    result, differing = compared(*models, tmp_path, direction=direction)
    assert not result.findings
    parts = {
        "torch": ["two.weight", "two.bias", "out.weight"],
        "tf": ["dense_1/kernel", "dense_1/bias", "dense_2/kernel"],
    }
    alone = parts["tf" if tied == "torch" else "torch"]
    settings = [row for row in differing if row.phase == "settings"]
    assert sorted(row.name for row in settings) == sorted(alone)
    assert all(f"in {tied} only" in row.fault for row in settings)
    unlike = {row.name for row in differing if row.phase == "parameters"}
    assert unlike <= {name for name in alone if name.startswith("dense")}  # Keras's begin at random, and may be asked
    assert bool(unlike) == (tied == "torch" and direction == "tf-to-torch")
    assert all(row.phase in ("settings", "parameters") for row in differing)  # gradients are equal
    ours = result.torch.arrays(0, "gradients")["embed.weight"]
    assert np.abs(ours).max() > 0
    report = report_of(result.torch, result.tf, verdict=result.verdict(), operations=result.findings)
    assert sorted(finding.name for finding in report.findings if finding.entry == "tied-weights") == sorted(alone)


def test_weights_that_start_unlike_where_the_other_side_has_one_are_a_finding(tmp_path):
    _, differing = compared(lambda: TorchNet(False), lambda: KerasNet(True), tmp_path)
    unlike = {row.name: row.fault for row in differing if row.phase == "parameters"}
    assert set(unlike) == {"two.weight", "two.bias", "out.weight"}
    assert (
        unlike["out.weight"] == "starts unlike embed.weight, which is one weight with it in tf; taken as embed.weight"
    )


@pytest.mark.parametrize("tied", ["torch", "tf"])
def test_steps_move_as_one_what_the_other_side_has_as_one(tied, tmp_path):
    """That they would part is told as a setting; what comes after it is compared as if they had not."""
    models = (lambda: TorchNet(tied == "torch", alike=True)), (lambda: KerasNet(tied == "tf"))
    result, differing = compared(*models, tmp_path, steps=3, lr=0.1)
    assert {row.phase for row in differing} <= {"settings", "parameters"}
    assert any(row.phase == "settings" for row in differing)
    assert not result.findings
    assert np.abs(result.torch.arrays(2, "updates")["embed.weight"]).max() > 0


def test_so_do_the_steps_of_an_optimizer_that_does_not_add_up(tmp_path):
    module = ModuleType("theirs")
    module.one, module.other = (lambda tied=tied: TorchNet(tied, alike=True) for tied in (True, False))
    module.make_optimizer = lambda model: torch.optim.Adam(model.parameters(), lr=2**-7)
    with patch.dict(sys.modules, {"theirs": module}), in_process():
        how = {"inputs": "ids:int<11>:6", "folder": tmp_path, "batch_size": 4, "steps": 3}
        result = compare_models(torch=("theirs:one", "theirs:other"), **how)
        assert {row.phase for row in result.verdict().rows if row.differs} == {"settings"}
