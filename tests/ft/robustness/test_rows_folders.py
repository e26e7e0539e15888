"""Rows 20 to 35: folders, manifests, classes and splits."""

import json
import locale
import os
import signal
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ft.cli.train import train_command
from ft.data import Policy, Preprocess, Sample, decode, open_dataset, open_images
from ft.data.check.check import check_data
from ft.errors import DataError
from ft.recipe import Recipe
from ft.report.data import render_html, render_text, to_dict
from ft.runs.folder import read_log
from tests.ft.data.made import made
from tests.ft.robustness.conftest import encode, make_pixels


def refuse(spec, *words, **options):
    """Assert that no training set can be opened, with one line that holds all the words."""
    with pytest.raises(DataError) as caught:
        open_dataset(str(spec), **options)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def train_names(data):
    return [sample.name for sample in data.train]


@pytest.fixture
def impatient():
    """Fail after five minutes: whoever opens a pipe waits for ever."""

    def hang(*_):
        pytest.fail("it hangs")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(300)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


# ---- files and names


def test_row_20_what_is_no_file_of_the_data_is_never_opened(folder, checked, tmp_path, impatient):
    (tmp_path / "outside.jpg").write_bytes(encode(make_pixels(70)))
    (folder / "cat/self.jpg").symlink_to("self.jpg")
    (folder / "cat/outside.jpg").symlink_to(tmp_path / "outside.jpg")
    (folder / "cat/null.jpg").symlink_to("/dev/null")
    (folder / "cat/loop").symlink_to("..")
    (folder / "cat/folder.jpg").mkdir()
    os.mkfifo(folder / "cat/pipe.jpg")  # whoever opened it would wait for ever
    names = ["folder.jpg", "loop", "null.jpg", "outside.jpg", "pipe.jpg", "self.jpg"]
    assert [name for name, _ in checked()["not a file"].items] == [f"cat/{name}" for name in names]
    data = open_dataset(str(folder))
    assert len(data.train + data.val) == 12
    assert data.notes[0].startswith("not opened: ")
    with pytest.raises(DataError, match=r"pipe\.jpg: cannot be read \(a pipe, socket or device, which is never opened"):
        decode(folder / "cat/pipe.jpg")
    followed = open_dataset(str(folder), policy=Policy(allow_outside_root=True))
    assert {s.name for s in followed.train + followed.val} - {s.name for s in data.train + data.val} == {
        "cat/outside.jpg"
    }


def test_row_21_what_may_not_be_read(folder, reported_and_skipped, monkeypatch):
    real, scan = Path.open, os.scandir

    def closed(path, *arguments, **options):  # tests may run as root, whom no permission stops
        if path.name == "bad.jpg" and "b" in str(arguments):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", closed)
    reported_and_skipped(encode(make_pixels(71)), kind="unreadable", words="cannot be read (Permission denied)")

    def scandir(path):
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    refuse(folder, "photos/dog: cannot be read (Permission denied)")


STRANGE = [
    "new\nline.png",
    "caf\udce9.png",
    "🐈 <b>cat.png",
    "a" * 251 + ".png",
    " x .png",
    "<script>.png",
    "\x1b[31m.png",
]


class Tags(HTMLParser):
    """The tags and the attributes that a page has."""

    def __init__(self, page):
        super().__init__()
        self.seen, self.attributes = set(), set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_row_22_names_of_any_kind(folder):
    for i, name in enumerate(STRANGE):
        (folder / "cat" / name).write_bytes(encode(make_pixels(80 + i)) if i else b"<html>")
        (folder / "dog" / name).write_bytes(encode(make_pixels(80 + i)))
    (folder / "<img src=x onerror=1>").mkdir()
    check = check_data(str(folder), policy=Policy())
    page, text = render_html(check, max_pixels=10_000), render_text(check)
    tags = Tags(page)
    assert "script" not in tags.seen
    assert page.count("<b>") == 1  # the verdict's own
    assert "onerror" not in tags.attributes
    assert "\x1b" not in page + text
    assert r"new\nline.png" in page
    assert r"new\nline.png" in text
    page.encode()
    assert {"cat/" + name for name in STRANGE} <= {look.name for look in check.looks}
    assert json.loads(json.dumps(to_dict(check)))["findings"][0]["items"][0]["name"] == "cat/new\nline.png"
    assert len(open_dataset(str(folder)).train) + len(open_dataset(str(folder)).val) == 12 + 2 * len(STRANGE)


def test_row_23_leftovers_are_passed_over_and_counted(folder, checked):
    leftovers = [".DS_Store", "cat/Thumbs.db", "cat/._00.png", "cat/@eaDir/00.png", "cat/.ipynb_checkpoints/00.png"]
    for name in leftovers:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(encode(make_pixels(1)))
    data = open_dataset(str(folder))
    assert (len(data.train + data.val), data.notes) == (12, ())
    assert (checked()["hidden"].level, checked()["hidden"].count) == ("note", len(leftovers))


# ---- classes and splits


@pytest.fixture
def splits(folder):
    """Return the folder with train/ and val/."""
    for label in ("cat", "dog"):
        for path in sorted((folder / label).iterdir()):
            split = "val" if path.name in ("05.png", "11.png") else "train"
            (folder / split / label).mkdir(parents=True, exist_ok=True)
            path.rename(folder / split / label / path.name)
        (folder / label).rmdir()
    return folder


def test_row_24_the_same_bytes_in_train_and_val(splits, checked):
    (splits / "val/dog/copy.png").write_bytes((splits / "train/dog/07.png").read_bytes())
    (note,) = open_dataset(str(splits)).notes
    assert note.startswith("val images with the bytes of a train image")
    assert note.endswith(": 1 (val/dog/copy.png)")
    refuse(splits, "bytes of a train image", "1 (val/dog/copy.png)", policy=Policy(fail_on_leak=True))
    leak = checked()["leak"]
    assert (leak.level, leak.items) == ("warning", (("val/dog/copy.png", "same bytes as train/dog/07.png"),))
    assert checked(fail_on_leak=True)["leak"].level == "error"


def test_row_25_empty_class(folder, checked):
    (folder / "emu").mkdir()
    data = open_dataset(str(folder))
    assert data.classes == ("cat", "dog", "emu")
    assert data.notes == ("class folders without images: 1 (emu)",)
    refuse(folder, "class folders without images: 1 (emu)", policy=Policy(fail_on_empty_class=True))
    assert checked()["empty class"].level == "warning"
    assert checked(fail_on_empty_class=True)["empty class"].level == "error"


def test_row_26_one_class_or_none(tmp_path, folder):
    refuse(tmp_path / "nowhere", "does not exist", "pass digits, a folder")
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", "empty, or no class folders", "one folder of images for each class")
    (tmp_path / "empty/cat").mkdir()
    refuse(tmp_path / "empty", "no images (class folders without images: 1 (cat))")
    for path in (folder / "dog").iterdir():
        path.unlink()
    (folder / "dog").rmdir()
    refuse(folder, "all train images are of one class, 'cat'", "at least two classes")
    structure = next(f for f in check_data(str(folder), policy=Policy()).findings if f.kind == "structure")
    assert (structure.level, "one class, 'cat'" in structure.title) == ("error", True)


def test_row_27_the_classes_are_those_of_train_or_of_the_checkpoint(splits):
    assert open_dataset(str(splits), classes=("emu", "dog", "cat")).classes == ("emu", "dog", "cat")
    assert {s.label for s in open_images(str(splits), ("emu", "dog", "cat")).val} == {1, 2}
    (splits / "val/emu").mkdir()
    (splits / "val/emu/1.png").write_bytes(encode(make_pixels(90)))
    refuse(splits, "val has classes that train lacks: emu", "add train images of them, or keep them out of val")
    structure = next(f for f in check_data(str(splits), policy=Policy()).findings if f.kind == "structure")
    assert "train lacks: emu" in structure.title
    refuse(splits, "unknown class 'emu'", classes=("cat", "dog"))


def test_row_28_deeper_images_and_those_beside(folder, checked):
    for i, name in enumerate(("beside.png", "cat/deep/deeper/x.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode(make_pixels(91 + i)))
    data = open_dataset(str(folder))
    assert [data.classes[s.label] for s in data.train + data.val if s.name == "cat/deep/deeper/x.png"] == ["cat"]
    assert data.notes == ("ignored, images beside the class folders: 1 (beside.png)",)
    by_kind = checked()
    assert (by_kind["deeper"].count, by_kind["beside"].items) == (1, (("beside.png", ""),))


def test_row_29_class_names_stay_apart_in_byte_order(tmp_path):
    names = [" dog", "10", "9", "Cat", "Zebra", "apple", "cat", "cat ", "é"]
    for i, name in enumerate(reversed(names)):
        for k in range(2):
            (tmp_path / "x" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "x" / name / f"{k}.png").write_bytes(encode(make_pixels(2 * i + k)))
    before = locale.setlocale(locale.LC_ALL)
    for language in ("C", "C.UTF-8", "en_US.UTF-8", "de_DE.UTF-8"):
        try:
            locale.setlocale(locale.LC_ALL, language)
        except locale.Error:  # not installed
            continue
        data = open_dataset(str(tmp_path / "x"))
        locale.setlocale(locale.LC_ALL, before)
        assert data.classes == tuple(names)
        assert train_names(data) == sorted(train_names(data), key=str.encode)


# ---- manifests


def write_csv(folder, text):
    (folder / "list.csv").write_text(text, encoding="utf-8", newline="")
    return folder / "list.csv"


ROWS = "cat/00.png,cat\ncat/01.png,cat\ndog/06.png,dog\ndog/07.png,dog\n"


@pytest.mark.parametrize("text", ["\ufeffpath,label\n" + ROWS, ("path,label\n" + ROWS).replace("\n", "\r\n")])
def test_row_30_bom_and_crlf(folder, text):
    data = open_dataset(str(write_csv(folder, text)))
    assert (data.classes, len(data.train + data.val), data.notes) == (("cat", "dog"), 4, ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path;label\ncat/00.png;cat\n", "line 1: the header is 'path;label'"),
        ("path\ncat/00.png\n", "line 1: the header is 'path'"),
        ("path,label\n" + ROWS + "cat/02.png, \n", "line 6: blank label"),
        ("path,label\n" + ROWS + "cat/01.png,cat\n", "line 6: 'cat/01.png' is in line 3 already"),
        ("path,label\n" + ROWS + "cat/02.png\n", "line 6: 1 columns, the header has 2"),
        ("path,label\n" + ROWS + '"cat/02.png,cat\n', "after line 5: not CSV in UTF-8"),
    ],
)
def test_row_30_irregular_rows(folder, text, words):
    refuse(write_csv(folder, text), "list.csv", words)


def test_row_31_paths_that_leave_the_folder(folder, tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far/a.png").write_bytes(encode(make_pixels(95)))
    (folder / "link").symlink_to(tmp_path / "far")
    for path in (str(tmp_path / "far/a.png"), "../far/a.png", "link/a.png"):
        listed = write_csv(folder, f"path,label\n{ROWS}{path},cat\n")
        refuse(listed, "line 6", path, "CSV's folder")
        data = open_dataset(str(listed), policy=Policy(allow_outside_root=True))
        assert path in {s.name for s in data.train + data.val}
    refuse(write_csv(folder, "path,label\nftp://x/a.png,cat\n"), "line 2", "is a URL; download it and list the file")


def test_row_31_missing_files(folder):
    listed = write_csv(folder, f"path,label\n{ROWS}cat/gone.png,cat\n")
    refuse(listed, "line 6: 'cat/gone.png' does not exist", "correct the path or remove the row")
    skip = Policy(on_bad_image="skip", max_bad_fraction=0.5)
    assert open_dataset(str(listed), policy=skip).skipped == ("cat/gone.png",)
    by_kind = {f.kind: f for f in check_data(str(listed), policy=Policy()).findings}
    assert by_kind["unreadable"].items == (("cat/gone.png", "cannot be read (no such file)"),)


def test_row_32_labels_stay_text(folder):
    labels = ["no", "null", "1e3", "-1", "NaN", "1.0", "1", "true"]
    rows = "".join(f"{'cat' if i < 6 else 'dog'}/{i:02}.png,{label}\n" for i, label in enumerate(labels))
    data = open_images(str(write_csv(folder, "path,label\n" + rows)))
    assert data.classes == tuple(sorted(labels))
    assert [data.classes[s.label] for s in data.val] == labels


# ---- batches


def test_row_33_a_last_batch_of_one_is_left_out_of_training():
    samples = [Sample(str(i), 0, np.zeros((8, 8, 3), np.uint8)) for i in range(9)]
    preprocess = Preprocess(8, 8, "bilinear", (0, 0, 0), (1, 1, 1))
    sizes = [len(b) for b in made(samples, preprocess, batch_size=4, shuffle=True).plan(0)]
    assert (sizes, [len(b) for b in made(samples, preprocess, batch_size=4).plan(0)]) == ([4, 4], [4, 4, 1])


def test_row_34_a_class_without_val_images(splits, checked):
    (splits / "val/dog/11.png").unlink()
    assert open_dataset(str(splits)).notes[-1] == "classes without val images: 1 (dog)"
    assert checked()["no val"].items == (("dog", "5 train images"),)
    (splits / "train").rename(splits.parent / "whole")
    data = open_dataset(str(splits.parent / "whole"))
    assert {s.label for s in data.val} == {0, 1}
    assert data.notes == ()


NET = ["--model", "resnet18", "--weights", "none", "--image-size", "16", "--batch-size", "4", "--workers", "0"]


def test_row_35_data_that_changed_since_the_checkpoint(folder, fake_wing, no_plots, tmp_path, capsys):
    def train(*arguments):
        code = train_command([*NET, "--data", str(folder), "--quiet", *arguments], backend="torch")
        return code, capsys.readouterr().err

    assert train("--out", str(tmp_path / "run"), "--epochs", "1")[0] == 0
    (folder / "cat/new.png").write_bytes(encode(make_pixels(97)))
    again = ["--resume", str(tmp_path / "run"), "--epochs", "2"]
    code, error = train(*again)
    assert (code, error.count("\n")) == (2, 1)
    assert "10 + 2 images then, 11 + 2 now; restore it, start a new run, or pass --allow-data-change" in error
    assert train(*again, "--allow-data-change") == (0, "")
    (folder / "cat/new.png").rename(folder / "cat/newer.png")
    assert "11 + 2 now, with other names or classes" in train(*again[:-1], "3")[1]
    for path in sorted((folder / "cat").iterdir())[:3]:
        path.unlink()
    more = ["--schedule", "linear", "--lr", "1", "--allow-data-change"]
    assert train(*again[:-1], "4", *more) == (0, "")
    rows = [row for row in read_log(tmp_path / "run") if "lr" in row]
    assert [row["lr"] for row in rows if row["epoch"] == 4] == [0.25, 0.125], "the rate follows the shorter epochs"


# ---- the policy


def test_skipping_has_a_limit(folder):
    (folder / "cat/bad.png").touch()
    refuse(
        folder,
        "1 of 13 images cannot be used (cat/bad.png: empty file), more than the 0.01 of max_bad_fraction",
        "ft data check",
        policy=Policy(on_bad_image="skip"),
    )


def test_a_class_whose_images_are_all_bad_stays_a_class(folder):
    (folder / "emu").mkdir()
    (folder / "emu/1.png").touch()
    data = open_dataset(str(folder), policy=Policy(on_bad_image="skip", max_bad_fraction=0.5))
    assert data.classes == ("cat", "dog", "emu")


def test_the_policy_of_a_recipe():
    recipe = Recipe(on_bad_image="skip", max_bad_fraction=0.2, max_pixels="1000", fail_on_leak=True, workers=3)
    policy = Policy.of(recipe, short_side=73)
    assert policy == Policy("skip", 0.2, 1000, fail_on_leak=True, workers=3, short_side=73)
    assert Policy.of(Recipe(), short_side=1) == Policy(short_side=1)  # the same defaults in both places


def test_what_was_skipped_stands_in_the_run(folder, fake_wing, no_plots, tmp_path, capsys):
    for name in ("bad.png", "worse.jpg"):
        (folder / "cat" / name).write_text("<html>")
    command = [*NET, "--data", str(folder), "--epochs", "1", "--out", str(tmp_path / "run")]
    code = train_command([*command, "--on-bad-image", "skip", "--max-bad-fraction", "0.2"], backend="torch")
    lines = capsys.readouterr().err.splitlines()
    assert code == 0
    assert "skipped, images that cannot be used: 2 of 14 (cat/bad.png: not an image (starts with <html), " in lines[4]
    assert "checking 14 images" in lines[0]
    data = json.loads((tmp_path / "run/model.json").read_text())["data"]
    assert (data["train"], data["val"], data["skipped"]) == (10, 2, ["cat/bad.png", "cat/worse.jpg"])
