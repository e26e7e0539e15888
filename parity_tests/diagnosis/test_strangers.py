"""Models of the user's own: paired, given the same weights and traced; what is theirs is found, never aligned."""

import inspect
import shutil
import sys
from pathlib import Path

import pytest

import ft_tf
import ft_torch
from ft.backend import contract as backend
from ft.differences import Evidence, diagnose
from ft.errors import RecipeError, WeightsError
from ft.parity.foreign.compare import compare_models
from parity_tests.support.foreign_pairs import in_process

MODULES = ("their_torch", "their_keras")
SGD = {
    "their_torch": "torch.optim.SGD(model.parameters(), lr=2**-7, momentum=0.5)",
    "their_keras": "keras.optimizers.SGD(2**-7, momentum=0.5)",
}
ADAM = {
    "their_torch": "torch.optim.Adam(model.parameters(), lr=2**-7)",
    "their_keras": "keras.optimizers.Adam(2**-7)",
}


WHILE_TRACED = ("Noisy", "Longer", "RandomInTraining", "NotANumber", "Overwriting")  # what shows only then


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with the user's modules in it."""
    for name in MODULES:
        shutil.copy(Path(__file__).with_name(f"{name}.py"), tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def here(folder, monkeypatch):
    """Run both models in this process, and leave the imported modules as they were."""
    monkeypatch.syspath_prepend(folder)
    with in_process():
        yield folder
    for name in MODULES:
        sys.modules.pop(name, None)


def run(torch, tf, **options):
    """Return the result, its verdict, and what the catalogue finds, in order."""
    settings = {"shape": (3, 16, 20), "classes": 5, "folder": Path("out"), **options}
    result = compare_models(torch=f"their_torch:{torch}", tf=f"their_keras:{tf}", **settings)
    verdict = result.verdict()
    return result, verdict, [finding.entry for finding in diagnose(Evidence(result.torch, result.tf, verdict))]


def differing(verdict):
    """Return phases and leaves of what differs."""
    return {f"{row.phase} {row.name.rpartition('.')[2]}" for row in verdict.rows if row.differs}


def pairs(result):
    return {pair.torch: pair.keras for pair in result.pairing}


def test_stock_defaults_are_findings(folder):
    """The whole way, each side in a process of its own: a plain Sequential in each framework."""
    result, verdict, causes = run("cnn", "cnn", steps=1)
    assert verdict.first.place == "before the first step, inference, 1"
    assert causes[:2] == ["batchnorm-eps", "flatten-order"]
    assert {"batchnorm-momentum", "batchnorm-variance"} <= set(causes)
    assert pairs(result)["5.running_var"] == "batch_normalization_1/moving_variance"
    assert "torch: dropout and other noise set to 0: 11 (p 0.5)" in result.notes
    assert "tf: dropout and other noise set to 0: dropout (rate 0.5)" in result.notes
    assert any(note.startswith("optimizer: SGD") for note in result.notes)
    assert sorted(path.name for path in Path("out").iterdir()) == ["tf", "tf.log", "torch", "torch.log"]


@pytest.mark.parametrize("tf", ["pooled", "augmented"])
def test_with_batchnorm_alike_only_the_variance_differs(here, tf):
    result, verdict, causes = run("pooled", tf)
    for words in ("random_flip (augmentation)", "left as they are: normalization/mean, normalization/variance"):
        assert any(words in note for note in result.notes) == (tf == "augmented")
    assert differing(verdict) == {"statistics running_var"}
    assert causes == ["batchnorm-variance"]
    names = {row.name for row in verdict.rows if row.phase == "forward"}
    # 8 flattens what has one pixel; 11 is a dropout that was set to 0, no node in either
    assert names == {*map(str, (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 12)), "logits"}


@pytest.mark.parametrize("direction", ["torch-to-tf", "tf-to-torch"])
def test_subclassed_models_with_other_names(here, direction):
    result, verdict, causes = run("Net", "Net", direction=direction)
    assert differing(verdict) == {"statistics running_var", "settings dropout"}
    assert verdict.rows[-1].fault == "torch 0.4, tf 0.3; differs, not exercised"
    assert causes == ["batchnorm-variance"]
    assert pairs(result)["fc2.weight"] == "head/kernel"
    assert pairs(result)["conv2.weight"] == "conv2d/kernel"
    assert "torch: dropout and other noise set to 0: F.dropout (p 0.4)" in result.notes
    assert "torch: constants without a partner, left as they are: mean" in result.notes
    assert "tf: dropout and other noise set to 0: gaussian_noise (stddev 0.3)" in result.notes
    assert f"weights: copied {direction.replace('-', ' ')}" in result.notes


def test_equal_results_of_dead_units_prove_little(here):
    result, verdict, _ = run("Dead", "Dead")
    assert differing(verdict) == {"coverage operations", "coverage parameters"}
    assert verdict.first.fault == "1 of 6 operations of torch were compared by their values"
    assert "operations compared by their values: torch 1 of 6, tf 2 of 8" in result.notes
    assert "parameters compared by their values: torch 2 of 4, tf 2 of 4" in result.notes


def test_a_limit_that_only_larger_inputs_reach(here):
    _, verdict, _ = run("capped", "capped")
    assert {row.phase for row in verdict.rows if row.differs} == {"settings"}
    assert "it shows only with larger inputs" in verdict.first.fault


def test_a_stride_that_has_moved_is_two_convolutions(here):
    result, _, _ = run("Strided", "strided")
    assert [(finding.entry, finding.name) for finding in result.findings] == [
        ("convolution", "one"),
        ("convolution", "three"),
    ]
    assert (
        "torch: padded by 0 on each side, stride 1; tf: padded by 0 on each side, stride 2" in result.findings[0].detail
    )
    assert (
        "torch: padded by 1 on each side, stride 2; tf: padded by 1 on each side, stride 1" in result.findings[1].detail
    )


def test_a_weight_that_is_the_first_factor_is_compared(here):
    result, verdict, _ = run("Strided", "alike")
    assert verdict.first is None
    assert "parameters compared by their values: torch 5 of 5, tf 5 of 5" in result.notes


@pytest.mark.parametrize("model", ["kernels", "channels_first"])
def test_every_kind_of_kernel(here, model):
    result, verdict, _ = run("kernels", model, steps=2)
    assert verdict.first is None
    assert len(result.pairing) == 7
    assert verdict.largest("slots") < 1e-12


def test_a_map_says_what_only_the_user_knows(here):
    wrong, verdict, _ = run("Twins", "twins")
    assert pairs(wrong)["left.weight"] == "b/kernel"
    assert verdict.first is None  # a product does not tell its factors apart, but the names are the user's to give
    Path("map.yaml").write_text("left.weight: a/kernel\nleft.bias: a/bias\n")
    right, verdict, _ = run("Twins", "twins", map_file=Path("map.yaml"))
    assert [(pair.torch, pair.keras, pair.rule) for pair in right.pairing if pair.torch.endswith("weight")] == [
        ("left.weight", "a/kernel", "map"),
        ("right.weight", "b/kernel", "order"),
    ]
    assert verdict.first is None


@pytest.mark.parametrize(("torch", "tf"), [("Float32", "Net"), ("Net", "float32")])
def test_a_model_that_stays_float32(here, torch, tf):
    result, verdict, _ = run(torch, tf)
    assert result.torch.dtype == result.tf.dtype == "float32"
    assert result.notes[0] == "a model stays float32 where float64 was asked for: both were compared in float32"
    assert all(array.dtype == "float32" for array in result.tf.arrays(None, "weights").values())
    # the gradient of the bias in front of a BatchNorm is nothing but float32's rounding
    assert differing(verdict) <= {"statistics running_var", "gradients bias", "settings dropout"}


def give_optimizer(name, text):
    """Put `make_optimizer` into a module of the user's."""
    with open(f"{name}.py", "a") as file:
        file.write(f"\n\ndef make_optimizer(model):\n    return {text}\n")


def test_optimizers_of_the_user(here):
    for name, text in SGD.items():
        give_optimizer(name, text)
    result, verdict, _ = run("pooled", "pooled", steps=2)
    assert "optimizers: your own, torch SGD, tf SGD" in result.notes
    assert result.torch.facts["lr"] == result.tf.facts["lr"] == [2**-7] * 2
    assert verdict.largest("updates") < 1e-9
    slots = result.torch.arrays(1, "slots"), result.tf.arrays(1, "slots")
    assert set(slots[0]) == set(slots[1]) != set()
    # Keras keeps the rate in its buffer, and the sign of the change
    assert slots[1]["0.weight.momentum_buffer"] == pytest.approx(slots[0]["0.weight.momentum_buffer"] * -(2**-7))


def test_slots_of_adam_bear_the_same_names(here):
    for name, text in ADAM.items():
        give_optimizer(name, text)
    result, _, _ = run("pooled", "pooled", steps=1)
    slots = result.torch.arrays(0, "slots"), result.tf.arrays(0, "slots")
    assert set(slots[0]) == set(slots[1])
    assert {name.rpartition(".")[2] for name in slots[0]} == {"exp_avg", "exp_avg_sq"}
    assert slots[1]["0.weight.exp_avg"] == pytest.approx(slots[0]["0.weight.exp_avg"])


def test_an_optimizer_on_one_side_only(here):
    give_optimizer("their_torch", SGD["their_torch"])
    with pytest.raises(RecipeError, match="only the module of --torch has make_optimizer"):
        run("pooled", "pooled", steps=1)


@pytest.mark.parametrize("text", ["3", "model.nothing"])
@pytest.mark.parametrize("name", MODULES)
def test_an_optimizer_that_is_none(here, name, text):
    for module, own in SGD.items():
        give_optimizer(module, text if module == name else own)
    with pytest.raises(
        RecipeError, match=r"make_optimizer returns a int; expected|make_optimizer\(model\) failed: Attr"
    ):
        run("pooled", "pooled", steps=1)


@pytest.mark.parametrize(
    ("torch", "tf", "options", "message"),
    [
        ("nothing", "Net", {}, "--torch their_torch:nothing: in module their_torch: unknown function 'nothing'; known"),
        ("pooled2", "Net", {}, "did you mean 'pooled'"),
        ("number", "Net", {}, "it returns a int; expected a torch.nn.Module"),
        ("Net", "ALIKE", {}, "unknown function 'ALIKE'"),
        ("Net", "L.Dense", {}, "unknown function 'L.Dense'"),
        ("broken", "Net", {}, r"broken\(\) failed: ValueError: first line second line"),
        ("Two", "Net", {}, "the model gives 2 outputs; --classes is for one"),
        ("Noisy", "Net", {}, "the model gives another output each time, first in rand_like; make it repeat"),
        ("Longer", "Net", {}, "the model gives another output each time, first in add; make it repeat"),
        ("RandomInTraining", "Net", {}, "gives another output each time in training, first in noise; make it repeat"),
        ("NotANumber", "Net", {}, "--torch .* the model gives nothing but NaN as logits"),
        ("Overwriting", "Net", {}, "--torch .*: the model has no gradients: RuntimeError: one of the variables needed"),
        ("Net", "Net", {"classes": 7}, r"gives outputs of shape \(8, 5\); expected \(N, 7\), see --classes"),
        ("cnn", "cnn", {"shape": (3, 16, 24)}, r"fails on images of shape \(8, 3, 16, 24\), see --input: RuntimeError"),
        ("Net", "ambiguous", {}, "two layers side by side, or two weights of one, bear one name"),
        ("Net", "channels_first", {"shape": (3, 9, 9)}, "--tf .* fails on images .* see --input"),
    ],
)
def test_mistakes_are_one_line(here, torch, tf, options, message):
    with pytest.raises(RecipeError, match=message) as caught:
        run(torch, tf, **options)
    assert "\n" not in str(caught.value)
    assert torch in WHILE_TRACED or not Path("out/torch").exists()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "make_inputs = lambda rng: {'x': rng.normal(size=(2, 3, 16, 20)) * float('nan')}",
            "returns NaN in x; expected numbers",
        ),
        ("make_loss = lambda model: lambda y, inputs: y", "make_loss returns a Tensor; expected one number"),
    ],
)
def test_functions_of_theirs_that_give_no_numbers(here, lines, message):
    for name in MODULES:
        with open(f"{name}.py", "a") as file:
            file.write(f"\n\n{lines}\n")
    with pytest.raises(RecipeError, match=message):
        run("Net", "Net")


def test_models_that_cannot_be_paired(here):
    message = r"left over fc1.weight \(8, 7\), .* in torch and depthwise_conv2d/kernel \(6, 1, 3, 3\), .* in tf .*--map"
    with pytest.raises(WeightsError, match=message):
        run("Net", "kernels")


def test_a_module_that_does_not_import(here):
    Path("their_torch.py").write_text("import torch\nimport nothing_of_that_name\n")
    with pytest.raises(RecipeError, match="module their_torch does not import: ModuleNotFoundError: No module named"):
        run("Net", "Net")


def test_the_strangers_are_twins():
    protocol = [name for name, value in vars(backend.Stranger).items() if inspect.isfunction(value) and name[0] != "_"]
    learner = ["outputs", "gradients", "update", "get_slots", "recording", "parameters"]
    for name in ["__init__", *protocol, *learner]:
        torch, tf = (inspect.signature(getattr(wing.Stranger, name)).parameters for wing in (ft_torch, ft_tf))
        assert [(p.name, p.kind, p.default) for p in torch.values()] == [
            (p.name, p.kind, p.default) for p in tf.values()
        ], name
