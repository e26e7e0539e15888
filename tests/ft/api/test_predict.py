"""What may be asked of a run: a path, a list, an image, an array, a folder; each in its own form of answer."""

import io
import re
import warnings

import numpy as np
import pytest
from PIL import Image

import ft
from ft.errors import DataError, RecipeError

NET = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "epochs": 4, "lr": 0.5, "quiet": True}


@pytest.fixture(params=[0, 2], ids=["no threads", "threads"])
def run(fake_wing, write_images, tmp_path, request):
    """A run on cats, which are blue, and dogs, which are red."""
    return ft.finetune(data=str(write_images()), out=tmp_path / "run", workers=request.param, **NET)


@pytest.fixture
def mixed(tmp_path, write_images):
    """Pictures at two depths whose byte order is not their order in a locale, and what is no picture."""
    root, pets = tmp_path / "mixed", tmp_path / "pets"
    (root / "a").mkdir(parents=True)
    for name, source in {"b.png": "cat/0", "B.png": "dog/0", "a/z.PNG": "dog/1", "é.png": "cat/1"}.items():
        (root / name).write_bytes((pets / f"{source}.png").read_bytes())
    (root / "readme.txt").write_text("no image")
    (root / ".hidden.png").write_text("no image")
    return root


ORDER = {"B.png": "dog", "a/z.PNG": "dog", "b.png": "cat", "é.png": "cat"}


def test_every_form_of_one_image_says_the_same(run, tmp_path):
    path = tmp_path / "pets/dog/3.png"
    opened, pixels = Image.open(path), np.asarray(Image.open(path))
    best = run.predict(path)
    assert (best[0].label, len(best)) == ("dog", 2)
    assert [p.probability for p in best] == sorted((p.probability for p in best), reverse=True)
    assert best == run.predict(str(path)) == run.predict(opened) == run.predict(pixels)
    several = run.predict([path, str(path), opened, pixels, opened])
    assert [[g.label for g in guesses] for guesses in several] == [["dog", "cat"]] * 5
    assert [g[0].probability for g in several] == pytest.approx([best[0].probability] * 5)
    assert run.predict(pixels[None]) == run.predict(iter([pixels])) == [best]
    assert run.predict(opened.convert("RGBA")) == best
    assert run.predict([]) == []


def test_a_folder_a_pattern_and_a_csv_are_answered_by_name(run, mixed, monkeypatch):
    answers = run.predict(mixed, top=1)
    assert list(answers) == list(ORDER)
    assert list(answers.values()) == run.predict([mixed / name for name in ORDER], top=1)
    assert {name: best.label for name, [best] in answers.items()} == ORDER
    (mixed / "list.csv").write_text(f"split,file\ntest,é.png\n,{mixed}/B.png\n")
    assert list(run.predict(mixed / "list.csv")) == ["é.png", f"{mixed}/B.png"]
    monkeypatch.chdir(mixed)
    assert list(run.predict("**/*.[pP]*")) == list(ORDER)
    (mixed / "c[1].png").write_bytes((mixed / "b.png").read_bytes())
    assert run.predict("c[1].png") == run.predict("b.png"), "a file before a pattern"


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ("gone.png", "gone.png: does not exist; correct the path"),
        (["gone.png"], "gone.png: does not exist; correct the path"),
        ("empty", "empty: no images at any depth (ignored, no image by its extension: 1 (x.txt)); expected files such"),
        (["empty"], "empty: a folder; expected the file of an image"),
        ("https://a.org/x.png", "'https://a.org/x.png' is a URL; download it and pass the file"),
        (["https://a.org/x.png"], "'https://a.org/x.png' is a URL; download it and pass the file"),
        ("*.tif", "'*.tif': no image's path matches; correct the pattern"),
        ("odd.csv", "odd.csv line 1: the header is 'name'; expected a column path"),
        ("lost.csv", "lost.csv line 2: 'gone.png' does not exist; correct the path or remove the row"),
        ("page.png", "page.png: not an image (starts with <html); download it again, or leave it out with"),
        (7, "images: got int; expected a path, an image that Pillow opened, a uint8 array, or a list of these"),
        ([None], "images[0]: got NoneType; expected a path"),
        (np.zeros((3, 3)), "image in memory: got float64 (3, 3); expected uint8 (H, W)"),
    ],
)
def test_what_cannot_be_asked_has_a_sentence_each(fake_wing, write_images, tmp_path, monkeypatch, images, words):
    run = ft.finetune(data=str(write_images()), out=tmp_path / "run", workers=0, **{**NET, "epochs": 1})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/x.txt").write_text("")
    (tmp_path / "odd.csv").write_text("name\nx.png\n")
    (tmp_path / "lost.csv").write_text("path\ngone.png\n")
    (tmp_path / "page.png").write_text("<html>")
    with pytest.raises((DataError, RecipeError), match=re.escape(words)):
        run.predict(images)


def test_bad_images_are_named_and_left_out(run, mixed):
    for name in ("A.png", "a/0.png", "c.png", "d.png", "e.png"):  # with four a batch: one batch of them alone
        (mixed / name).write_text("<html>")
    with pytest.warns(UserWarning, match="skipped: .*not an image") as told:
        left = run.predict(mixed, on_bad_image="skip", top=1)
    assert {name: best.label for name, [best] in left.items()} == ORDER
    assert [str(w.message).split(": ")[1].removeprefix(f"{mixed}/") for w in told] == [
        "A.png",
        "a/0.png",
        "c.png",
        "d.png",
        "e.png",
    ]
    cut = Image.open(io.BytesIO((mixed / "b.png").read_bytes()[:-200]))
    with pytest.warns(UserWarning, match="skipped: (image 1: image in memory: cannot be decoded|.*does not exist)"):
        answers = run.predict([mixed / "b.png", cut, "gone.png"], on_bad_image="skip")
    assert answers == [run.predict(mixed / "b.png"), [], []]
    with pytest.raises(DataError, match=r"A\.png: not an image"):
        run.predict(mixed)
    with pytest.raises(RecipeError, match="on_bad_image: got 'no'; expected error or skip"):
        run.predict(mixed, on_bad_image="no")


def test_no_silence(run, mixed, capsys):
    run.evaluate()
    run.predict([np.zeros((20, 20, 3), np.uint8)] * 5)
    assert capsys.readouterr().err == "evaluating 4 images\npredicting 5 images\n"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.evaluate(quiet=True)
        run.predict(mixed)  # one batch
        run.predict([np.zeros((20, 20, 3), np.uint8)] * 5, quiet=True)
    assert capsys.readouterr().err == ""


def test_images_that_are_tried_out_first_are_counted_too(fake_wing, write_images, tmp_path, capsys):
    fields = {**NET, "epochs": 1, "on_bad_image": "skip"}
    run = ft.finetune(data=str(write_images()), out=tmp_path / "run", **fields)
    run.evaluate()
    assert capsys.readouterr().err == "checking 16 images\nevaluating 4 images\n"
    run.evaluate(quiet=True)
    assert capsys.readouterr().err == ""


def test_what_is_evaluated_is_read_once(fake_wing, write_images, tmp_path, capsys):
    """The run's own data, which it knows again by its digest, and any other, whether the own one is there or not."""
    data, other = write_images(), write_images("other", count=3)
    run = ft.finetune(data=str(data), out=tmp_path / "run", **{**NET, "epochs": 1, "on_bad_image": "skip"})
    assert run.evaluate(str(data)) == run.metrics
    assert capsys.readouterr().err == "checking 16 images\nevaluating 4 images\n"
    data.rename(tmp_path / "gone")
    run.evaluate(str(other))
    assert capsys.readouterr().err == "checking 6 images\nevaluating 6 images\n"
