"""Bad input where a wing is involved: both refuse alike, both leave out the same images, either takes the other's run.

The rows are listed in tests/ft/robustness/rows.py; most are answered there, for most of what can be wrong is found
before a wing is loaded.
"""

import numpy as np
import pytest
from PIL import Image

import ft
from ft.errors import UserError
from ft.parity.arrays import require_equal
from ft.runs import checkpoint
from ft.weights import write_safetensors
from parity_tests.support.pairs import STEP

RECIPE = {
    "model": "resnet18",
    "weights": "none",
    "image_size": 32,
    "batch_size": 4,
    "epochs": 1,
    "precision": "float64",
    "workers": 2,
    "quiet": True,
}


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two classes, five images each."""
    rng = np.random.default_rng(0)
    for i in range(10):
        path = tmp_path / "photos" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(path)
    return tmp_path / "photos"


def refusals(tmp_path, **fields):
    """Return what each wing says to a recipe that it refuses; neither may leave a folder behind."""
    said = []
    for backend in ("torch", "tf"):
        with pytest.raises(UserError) as caught:
            ft.finetune(**{**RECIPE, **fields}, backend=backend, out=tmp_path / "out")
        assert not (tmp_path / "out").exists()
        said.append((type(caught.value), str(caught.value)))
    return said


def test_row_33_batches_of_one_with_batchnorm(folder, tmp_path):
    torch, tf = refusals(tmp_path, data=str(folder), freeze="none", batch_size=1)
    assert torch == tf
    assert torch[1].startswith("batch_size: batches of a single image, from which BatchNorm (bn1) cannot learn")


def test_row_38_weights_that_do_not_fit(folder, tmp_path):
    write_safetensors(tmp_path / "w.safetensors", {"conv1.weight": np.ones((7, 7, 3, 64)), "extra": np.ones(2)}, {})
    torch, tf = refusals(tmp_path, data=str(folder), weights=str(tmp_path / "w.safetensors"))
    assert torch == tf
    assert "looks like HWIO" in torch[1]


def test_rows_1_to_19_what_is_skipped_is_skipped_alike(folder, tmp_path, eager):
    """Row 43 as well: the run of one wing goes on in the other."""
    clean = ft.finetune(**RECIPE, data=str(folder), backend="torch", out=tmp_path / "clean")
    (folder / "a/3.jpg").write_text("<html>")
    skip = {"on_bad_image": "skip", "max_bad_fraction": 0.2, "data": str(folder)}
    runs = [ft.finetune(**RECIPE, **skip, backend=b, out=tmp_path / b) for b in ("torch", "tf")]
    assert [run.result["data"]["skipped"] for run in runs] == [["a/3.jpg"]] * 2
    states = [checkpoint.load(checkpoint.pointed(run.folder, "last")).model for run in (clean, *runs)]
    require_equal(states[0], states[1], bar=0, what="weights with and without the bad image")
    require_equal(states[1], states[2], bar=STEP, what="weights of both wings")


@pytest.mark.parametrize(("first", "second"), [("torch", "tf"), ("tf", "torch")])
def test_row_43_a_checkpoint_of_the_other_framework(first, second, folder, tmp_path, eager):
    ft.finetune(**RECIPE, data=str(folder), backend=first, out=tmp_path / "run")
    run = ft.finetune(resume=tmp_path / "run", epochs=2, backend=second, quiet=True)
    assert (run.result["backend"], run.result["epoch"]) == (second, 2)


@pytest.mark.parametrize("backend", ["torch", "tf"])
def test_row_46_data_of_other_classes(backend, folder, tmp_path, eager):
    run = ft.finetune(**RECIPE, data=str(folder), backend=backend, out=tmp_path / "run")
    (folder / "a").rename(folder / "c")
    with pytest.raises(UserError, match=r"unknown class 'c'.*the model's classes decide"):
        run.evaluate(str(folder))


@pytest.mark.parametrize("backend", ["torch", "tf"])
def test_row_47_an_output_folder_in_use(backend, folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("x")
    with pytest.raises(UserError, match=r"out is in use \(it holds thesis\.tex\)"):
        ft.finetune(**RECIPE, data=str(folder), backend=backend, out=tmp_path / "out")
