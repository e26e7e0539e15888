"""The recipe works for every network: weights from a file, a new head for the data's classes, one step, in both wings.

`make test` takes the smallest network of a few families, `make nightly` all.
"""

import numpy as np
import pytest
from PIL import Image

import ft
from ft.noise import generator
from ft.parity.arrays import gap
from ft.weights import cast, initial_weights, read_weights, write_safetensors
from ft.zoo import cards
from ft.zoo.card import under
from parity_tests.support.networks import case_of, image_size, marks_of, shapes_of, smallest_of_each_family
from parity_tests.support.pairs import starting_tensors

QUICK = {card.name for card in smallest_of_each_family() if card.family in ("squeezenet", "shufflenetv2")}
CASES = [pytest.param(card, id=card.name, marks=[] if card.name in QUICK else marks_of(card)) for card in cards()]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of two classes: one batch of noise to train on, two images to validate on."""
    root, rng = tmp_path_factory.mktemp("noise"), generator(0, "noise")
    for split, count in (("train", 4), ("val", 1)):
        for label in ("a", "b"):
            (root / split / label).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / label / f"{i}.png")
    return str(root)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("card", CASES)
def test_one_step(card, data, tmp_path):
    weights, case = tmp_path / "weights.safetensors", case_of(card)
    write_safetensors(weights, cast(starting_tensors(case, shapes_of(case), seed=0), "float32"), {})
    fields = {"model": card.name, "weights": str(weights), "data": data, "image_size": image_size(card), "epochs": 1}
    runs = {
        backend: ft.finetune(**fields, backend=backend, out=tmp_path / backend, quiet=True)
        for backend in ("torch", "tf")
    }
    before = read_weights(weights)
    after = {backend: read_weights(run.folder / "model.safetensors") for backend, run in runs.items()}
    for name, tensor in before.items():
        if under(name, card.outputs):
            assert (tensor.shape[0], after["torch"][name].shape[0]) == (10, 2)
        if under(name, card.outputs) or card.stage_of(name) == "head":  # a head of several layers trains as a whole
            assert gap(after["torch"][name], after["tf"][name]).relative <= 1e-4
        else:
            assert all(np.array_equal(tensor, tensors[name]) for tensors in after.values()), f"{name} was frozen"
    last = f"{card.last}.weight"  # MaxViT's has no bias
    fresh = initial_weights({last: after["torch"][last].shape}, seed=0)[last]
    assert gap(after["torch"][last], fresh).relative > 1e-5, "nothing was trained"
    assert runs["torch"].metrics["loss"] == pytest.approx(runs["tf"].metrics["loss"], rel=1e-3)
