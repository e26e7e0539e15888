"""Two models compared operation by operation: what is accepted passes by its id, and hides nothing behind it."""

import json
import sys
from types import ModuleType
from xml.etree import ElementTree as ET

import keras
import pytest
import torch
import torch.nn.functional as F

from ft.cli.dispatch import dispatch
from parity_tests.support.foreign_pairs import in_process

SLOPE, SECOND = "activation@model/leaky_relu", "activation@model/leaky_relu.2"
LIMIT, DROPOUT = "activation@model/relu", "settings@dropout"  # what the inputs do not reach, and what no number shows


class Net(torch.nn.Module):
    """A model whose activations are no layers."""

    def __init__(self, rate=0.2):
        super().__init__()
        self.first, self.second, self.third, self.last = (torch.nn.Linear(6, 6) for _ in range(4))
        self.dropout = torch.nn.Dropout(rate)

    def forward(self, x):
        x = F.relu(self.first(x))
        x = F.leaky_relu(self.second(x), 0.125)
        return self.last(self.dropout(F.leaky_relu(self.third(x), 0.125)))


def twin(planted, rate):
    """Return the model in Keras, with other activations where their ids are planted."""
    x = inputs = keras.Input((6,))
    x = (keras.ops.relu6 if LIMIT in planted else keras.ops.relu)(keras.layers.Dense(6, name="first")(x))
    x = keras.ops.leaky_relu(keras.layers.Dense(6, name="second")(x), 0.25 if SLOPE in planted else 0.125)
    x = keras.ops.leaky_relu(keras.layers.Dense(6, name="third")(x), 0.25 if SECOND in planted else 0.125)
    return keras.Model(inputs, keras.layers.Dense(6, name="last")(keras.layers.Dropout(rate)(x)))


@pytest.fixture
def compared(tmp_path, monkeypatch, capsys):
    """Compare the two; return exit code and verdict."""
    monkeypatch.chdir(tmp_path)

    def run(planted, *flags):
        module = ModuleType("drawn")
        vars(module).update(torch=Net, tf=lambda: twin(planted, 0.3 if DROPOUT in planted else 0.2))
        monkeypatch.setitem(sys.modules, "drawn", module)
        with in_process():
            ends = ["--torch", "drawn:torch", "--tf", "drawn:tf", "--input", "x:6"]
            code = dispatch(["compare", *ends, "--json", "--junit", "x.xml", *flags])
        said = json.loads(capsys.readouterr().out)
        return code, {finding["id"]: finding["accepted"] is not None for finding in said["findings"]}, said

    return run


@pytest.mark.parametrize(("first", "then"), [(SLOPE, SECOND), (SECOND, SLOPE), (SLOPE, LIMIT), (SLOPE, DROPOUT)])
def test_what_operations_find_is_accepted_by_its_id_and_the_next_difference_is_told(compared, tmp_path, first, then):
    assert compared([first])[:2] == (1, {first: False})
    code, accepted, said = compared([first], "--accept", first)
    assert (code, accepted, said["verdict"]) == (0, {first: True}, "accepted")
    code, accepted, said = compared([first, then], "--accept", first)
    assert (code, accepted) == (1, {first: True, then: False})
    assert said["causes"][0]["id"] == then
    cases = {case.get("name"): [child.tag for child in case] for case in ET.parse(tmp_path / "x.xml").iter("testcase")}
    assert (cases[first], cases[then]) == (["skipped"], ["failure"])
    assert compared([first, then], "--accept", f"{first},{then}")[0] == 0
