"""The hub's part of a comparison of strangers, with sides that answer from a script; and user's code that fails."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from ft.backend import contract as backend
from ft.backend.calls import Call
from ft.backend.description import Description, Parameter
from ft.errors import RecipeError
from ft.parity.foreign import by_values, couple, process, rounding
from ft.parity.foreign import compare as strangers
from ft.parity.foreign.assignment import AGAIN, WEIGHTS, Assignment
from ft.parity.foreign.code import find_optimizer, make_model
from ft.parity.foreign.compare import compare_models, read_map, without_mispairings
from ft.parity.foreign.operations import Diagnosis
from ft.parity.foreign.pairing import Pairing
from ft.parity.foreign.process import BUG, ModelProcess
from ft.parity.foreign.runtimes import numbers
from ft.parity.foreign.settings import lone_parameters
from ft.parity.verdict import Row, Verdict
from ft.system import apart

FC = (Parameter("fc.weight", "fc", "weight", "linear", (5, 3), True),)
CALLS = {"fc": Call("linear", "fc", ("",))}
MODEL = Description("float64", (8, 5), FC, CALLS, gives={"logits": (8, 5)})
ASSIGNMENT = Assignment((3, 4, 6), 5, 2, 0.001, 8, 0)


def changed(**fields):
    return replace(MODEL, **fields)


@pytest.fixture
def script(monkeypatch):
    """Put sides in place that answer `models[name]` to every request, and keep what they were asked."""
    models, asked = {"torch": MODEL, "tf": MODEL}, []

    class Scripted(ModelProcess):
        def __init__(self, name, target, assignment, folder):
            self.name, self.target = name, target
            (folder / WEIGHTS).touch()

        def send(self, request):
            answers = {"describe": models[self.name].to_dict(), "inputs": {"inputs": False}}
            self.answer = answers.get(request["do"], {"optimizer": ""})
            if request["do"] != "inputs":
                asked.append((self.name, request))

        def receive(self):
            return self.answer

        def end(self):
            asked.append((self.name, {"do": "end"}))

    monkeypatch.setattr(process, "ModelProcess", Scripted)
    for module in (strangers, couple, rounding):
        monkeypatch.setattr(module, "Trace", lambda folder: folder)
    monkeypatch.setattr(by_values, "results_agree", lambda traces: True)
    monkeypatch.setattr(strangers, "compare_traces", lambda *traces: Verdict(()))
    monkeypatch.setattr(strangers, "diagnose_operations", lambda *args: Diagnosis([], (), None, {}))
    monkeypatch.setattr(backend, "require", lambda name: None)
    return models, asked


def compare(folder, **options):
    settings = {"torch": "a:f", "tf": "b:g", "shape": (3, 4, 6), "classes": 5, "folder": folder, **options}
    return compare_models(**settings)


def test_both_are_described_then_traced_under_common_names(script, tmp_path):
    models, asked = script
    kernel = Parameter("dense/kernel", "dense", "weight", "linear", (5, 3), True)
    models["tf"] = changed(parameters=(kernel,), calls={"dense": Call("linear", "dense", ("",))})
    result = compare(tmp_path, direction="tf-to-torch", steps=1)
    assert [(name, request["do"]) for name, request in asked] == [
        *(("torch", "describe"), ("tf", "describe"), ("torch", "trace"), ("tf", "trace")),
        *(("tf", "end"), ("torch", "end")),
    ]
    assert [request["save"] for _, request in asked[:2]] == [False, True]
    assert asked[3][1]["names"] == {"dense/kernel": "fc.weight"}
    assert asked[2][1]["source"] == asked[3][1]["source"] == {"fc.weight": "dense/kernel"}
    assert asked[3][1]["keys"] == {"dense": "fc"}
    assert (result.torch, result.tf) == (tmp_path / "torch", tmp_path / "tf")
    assert "weights: copied tf to torch" in result.notes


def test_sensitivity_builds_one_side_anew_and_traces_it_from_moved_weights(script, tmp_path, monkeypatch):
    _, asked = script
    monkeypatch.setattr(rounding, "band_of", lambda one, again: (one, again))
    result = compare(tmp_path, steps=2, sensitivity=True)
    assert [(name, r["do"], r.get("one_ulp")) for name, r in asked[2:6]] == [
        *(("torch", "trace", False), ("tf", "trace", False)),
        *(("torch", "describe", None), ("torch", "trace", True)),
    ]
    assert result.band == (tmp_path / "torch", tmp_path / AGAIN.format("torch"))


@pytest.mark.parametrize(("giver", "whose"), [("both", "each module"), ("tf", "the module of --tf")])
def test_a_note_says_whose_inputs_they_are(script, tmp_path, monkeypatch, giver, whose):
    monkeypatch.setattr(couple, "find_giver", lambda sides: giver)
    assert f"inputs: those of make_inputs of {whose}" in compare(tmp_path).notes


def test_calls_that_are_alike_in_name_only_are_kept_apart(script, tmp_path):
    models, asked = script
    models["torch"] = changed(calls={"drop": Call("dropout", "drop", ("",)), **CALLS})
    after = {**CALLS, "drop": Call("dropout", "drop", ("fc",))}
    models["tf"] = changed(calls=after, automatic=frozenset({"drop"}))
    compare(tmp_path)
    assert asked[3][1]["keys"] == {"fc": "fc", "drop": "drop (keras)"}


def test_one_model_in_float32_takes_both_there(script, tmp_path):
    models, asked = script
    models["torch"] = models["tf"] = changed(dtype="float32")
    result = compare(tmp_path)
    assert [request.get("dtype") for _, request in asked[:6]] == [*["float64"] * 2, *["float32"] * 4]
    assert "float32" in result.notes[0]


@pytest.mark.parametrize(
    ("torch", "tf", "message"),
    [
        ({}, {"outputs": (8, 7)}, r"--tf: the model gives outputs of shape \(8, 7\); expected \(N, 5\)"),
        ({"outputs": (8, 5, 1)}, {}, r"--torch: the model gives outputs of shape \(8, 5, 1\)"),
        ({"dtype": "float16"}, {"dtype": "float32"}, "--torch: the model computes in float16"),
        ({}, {"own_optimizer": True}, "only the module of --tf has make_optimizer"),
    ],
)
def test_models_that_do_not_go_together(script, tmp_path, torch, tf, message):
    models, asked = script
    models["torch"], models["tf"] = changed(**torch), changed(**tf)
    with pytest.raises(RecipeError, match=message):
        compare(tmp_path)
    assert asked[-1][1] == {"do": "end"}


def test_notes_say_what_was_changed_or_left(script, tmp_path):
    models, _ = script
    mean = Parameter("mean", "", "mean", "other", (3,), False)
    models["torch"] = changed(parameters=(*FC, mean), silenced=("drop (p 0.5)",))
    models["tf"] = changed(parameters=(replace(FC[0], trained=False),), remarks=("something",))
    notes = compare(tmp_path).notes
    assert "torch: dropout and other noise set to 0: drop (p 0.5)" in notes
    assert "torch: constants without a partner, left as they are: mean" in notes
    assert "tf: something" in notes
    assert "trained in one model only: fc.weight" in notes
    assert not any("optimizer" in note for note in notes)  # no step, no optimizer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"torch": "a.f"}, "--torch: got 'a.f'; expected MODULE:FUNCTION"),
        ({"tf": "a:"}, "--tf: got 'a:'"),
        ({"shape": (3, 0, 4)}, "input: got 3x0x4; expected CxHxW"),
        ({"shape": (3, 4)}, "input: got 3x4;"),
        ({"classes": 0}, "classes: got 0; it must be at least 1"),
        ({"steps": -1}, "steps: got -1"),
        ({"batch_size": 0}, "batch_size: got 0"),
        ({"batch_size": 10**14}, "numbers in a batch are more than any memory holds"),
        ({"inputs": "x:float:99999999x99999999"}, "numbers in a batch are more than any memory holds"),
        ({"inputs": "ids:int<99999999999999999999>:4"}, "input: got 'ids:int<9"),
        ({"dtype": "float16"}, "unknown dtype 'float16'"),
        ({"direction": "both"}, "unknown direction 'both'"),
        ({"map_file": Path("nowhere.yaml")}, "map nowhere.yaml: No such file or directory; expected a file of lines"),
    ],
)
def test_mistakes_are_found_before_a_framework_starts(script, tmp_path, options, message):
    with pytest.raises(RecipeError, match=message):
        compare(tmp_path, **options)
    assert script[1] == []


@pytest.mark.parametrize("text", ["- a\n", "a\n", "a: 1\n", "a: b\na: c\n", "a: *b\n", ":\n  - ["])
def test_a_map_is_lines_of_names(tmp_path, text):
    path = tmp_path / "map.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"map .*map.yaml: .*expected") as caught:
        read_map(path)
    assert "\n" not in str(caught.value)


def test_batches_come_from_the_seed_and_differ_by_step():
    first, second = ASSIGNMENT.batches()
    assert first.inputs["images"].shape == (8, 4, 6, 3)
    assert first.lr == 0.001
    assert np.array_equal(first.inputs["images"], next(ASSIGNMENT.batches()).inputs["images"])
    assert not np.array_equal(first.inputs["images"], second.inputs["images"])
    assert len(list(Assignment((3, 4, 6), 5, 0, 0.001, 8, 0).batches())) == 1


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a user's module; return the name of its function `make`."""
    monkeypatch.syspath_prepend(tmp_path)

    def module(text):
        (tmp_path / "theirs.py").write_text(text)
        return "theirs:make"

    yield module
    sys.modules.pop("theirs", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import nothing_of_that_name",
            "module theirs does not import: ModuleNotFoundError: No module named 'nothing_",
        ),
        ("def make(:", "module theirs does not import: SyntaxError: "),
        ("raise SystemExit(3)", "module theirs does not import: SystemExit: 3"),
        ("def made(): ...", "in module theirs: unknown function 'make'; did you mean 'made'?"),
        ("make = 3", "in module theirs: unknown function 'make'"),
        ("def make(): raise ValueError('\\x1b[1ma\\nb\\x1b[0m')", r"make\(\) failed: ValueError: a b$"),
        ("def make(x): ...", r"make\(\) failed: TypeError: .*missing 1 required positional argument"),
    ],
)
def test_their_code_is_blamed_in_one_line(module, text, message):
    with pytest.raises(RecipeError, match=message) as caught:
        make_model(module(text))
    assert "\n" not in str(caught.value)


def test_their_optimizer_is_optional(module):
    target = module("make_optimizer = lambda model: model + 1\ndef make(): return 1")
    assert find_optimizer(target)(make_model(target)) == 2
    assert find_optimizer("json:loads") is None


@pytest.mark.parametrize(
    ("end", "error", "message"),
    [
        ("exit 3", RecipeError, "--torch a:f: its process ended with exit code 3, the last words: bye"),
        ("kill -KILL $$", RecipeError, "its process was killed, as happens where memory runs out; try a smaller"),
        ("kill -SEGV $$", RecipeError, "its process was ended by SIGSEGV, the last words: bye"),
        (f"exit {BUG}", RuntimeError, "the torch process failed: bye"),
    ],
)
def test_a_process_that_ends_is_a_mistake_of_the_users_but_for_a_bug(monkeypatch, tmp_path, end, error, message):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho bye >&2; {end}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    side = ModelProcess("torch", "a:f", ASSIGNMENT, tmp_path)
    side.process.wait()
    side.send({"do": "describe"})
    with pytest.raises(error, match=message):
        side.receive()
    side.end()


def test_a_file_that_takes_no_numbers_is_refused():
    assert numbers("uint8", "x") == np.uint8
    with pytest.raises(RecipeError, match=r"it takes words as tensor\(string\); expected an input of numbers"):
        numbers("tensor(string)", "words")


def test_what_the_users_code_reads_is_no_request(tmp_path):
    """Nor is what it prints an answer; a memory that is exhausted is one."""
    code = """
import sys
from ft.parity.foreign import host
class Model:
    def read(self, request): print("hello"); return {"read": sys.stdin.readline()}
    def grow(self, request): raise MemoryError
host.make_host = lambda *arguments: Model()
host.serve()
"""
    first = {"side": "onnx", "target": "", "folder": "", "assignment": asdict(ASSIGNMENT)}
    lines = "".join(json.dumps(line) + "\n" for line in (first, {"do": "read"}, {"do": "read"}, {"do": "grow"}))
    done = subprocess.run(
        [sys.executable, "-c", code], input=lines, capture_output=True, text=True, check=True, env=apart.environment()
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers == [{"read": ""}, {"read": ""}, {"error": "out of memory; try a smaller --input or --batch-size"}]
    assert done.stderr == "hello\nhello\n"


def test_a_process_talks_in_lines_and_logs_the_rest(monkeypatch, tmp_path):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nread first; read second; echo "$*" >&2; echo \'{"error": "no"}\'\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    side = ModelProcess("tf", "a:f", ASSIGNMENT, tmp_path)
    side.send({"do": "describe"})
    with pytest.raises(RecipeError, match="--tf a:f: no"):
        side.receive()
    side.end()
    assert (tmp_path / "tf.log").read_text() == "-P -m ft.parity.foreign.host\n"


def test_the_current_folder_comes_last(monkeypatch, tmp_path):
    for name in ("numpy", "json", "ft", "yaml"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")  # as `python -m ft` has it
    side = ModelProcess("neither", "theirs:make", ASSIGNMENT, tmp_path)
    with pytest.raises(RecipeError, match=r"its process ended with exit code 1, .*unknown backend 'neither'"):
        side.receive()
    side.end()
    assert not (tmp_path / "ran").exists()
    assert apart.path_with_current_folder_last().endswith(f"{os.pathsep}{tmp_path}")


def test_one_more_parameter_of_one_side_is_another_difference():
    biases = [Parameter(f"fc{i}.bias", f"fc{i}", "bias", "linear", (5,), True) for i in range(3)]
    pairings = [Pairing(([], []), neutral=([], biases[:count])) for count in (1, 2, 3)]
    names = [next(lone_parameters(pairing)).name for pairing in pairings]
    assert names == ["fc0.bias", "fc0.bias and 1 more", "fc0.bias and 2 more"]


def test_a_layer_of_another_shape_is_no_place_where_two_models_part():
    shape = Row.unmeasured(None, "inference", "places", "shape (1, 8) against (2, 8)")
    later = Row(None, "inference", "act", 0.5, 0.5, 1, 1, 1e-13)
    result = Row(None, "inference", "logits", 0.5, 0.5, 1, 1, 1e-13)
    assert without_mispairings([shape, later, result], ["logits"]) == [later, result]
    assert without_mispairings([shape], ["places"]) == [shape]
