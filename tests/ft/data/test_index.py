"""Folders and manifests as users have them: what counts, in which order, with which label, and what the notes say."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from ft.data import Policy, open_dataset, open_images
from ft.data.sources.dataset import data_facts
from ft.errors import DataError
from ft.noise import generator

TWO_SPLITS = (
    "train/cat/1.jpg",
    "train/cat/2.jpg",
    "train/dog/1.jpg",
    "train/dog/2.jpg",
    "val/cat/3.jpg",
    "val/dog/3.jpg",
)
CAT_AND_DOG = ("cat/1.jpg", "cat/2.jpg", "cat/3.jpg", "dog/1.jpg", "dog/2.jpg", "dog/3.jpg")


def names(samples):
    return [s.name for s in samples]


def refuse(spec, *words, **options):
    """Assert that no training set can be opened, with one line that holds all the words."""
    with pytest.raises(DataError) as caught:
        open_dataset(str(spec), **options)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- folders


def test_given_splits(write_tree):
    root = write_tree(*TWO_SPLITS)
    data = open_dataset(str(root))
    assert (data.name, data.classes, data.image_size, data.notes) == ("data", ("cat", "dog"), None, ())
    assert names(data.train) == ["train/cat/1.jpg", "train/cat/2.jpg", "train/dog/1.jpg", "train/dog/2.jpg"]
    assert [(s.name, s.label, s.source) for s in data.val] == [
        ("val/cat/3.jpg", 0, root / "val/cat/3.jpg"),
        ("val/dog/3.jpg", 1, root / "val/dog/3.jpg"),
    ]


def test_splits_in_any_case_and_as_others_name_them(write_tree):
    images = ["Training/cat/1.jpg", "Training/dog/2.jpg", "Valid/cat/3.jpg", "Valid/dog/4.jpg", "Testing/dog/5.jpg"]
    data = open_dataset(str(write_tree(*images)))
    assert (data.classes, names(data.train), names(data.val)) == (("cat", "dog"), images[:2], images[2:4])
    assert names(data.test) == images[4:]
    assert data.notes == ("Training/ serves as train", "Valid/ serves as val", "Testing/ serves as test")


@pytest.mark.parametrize("other", ["test", "Testing"])
def test_a_test_split_neither_trains_nor_validates(other, write_tree):
    train = [f"train/{label}/{i}.jpg" for label in ("cat", "dog") for i in range(5)]
    alone = open_dataset(str(write_tree(*train)))
    data = open_dataset(str(write_tree(f"{other}/cat/8.jpg", f"{other}/dog/9.jpg")))
    assert (data.train, data.val) == (alone.train, alone.val)
    assert names(data.test) == [f"{other}/cat/8.jpg", f"{other}/dog/9.jpg"]
    assert data_facts(data) == {**data_facts(alone), "test": 2}
    assert names(open_images(str(write_tree())).val) == names(data.test)
    write_tree("val/cat/7.jpg")
    assert names(open_images(str(write_tree())).val) == ["val/cat/7.jpg"]
    write_tree(f"{other}/emu/9.jpg")
    refuse(write_tree(), "test has classes that train lacks: emu", "keep them out of test")


@pytest.mark.parametrize("inside", ["", "unknown/"])
def test_a_test_folder_without_labels_is_for_prediction(inside, write_tree):
    data = open_dataset(str(write_tree(*TWO_SPLITS, f"test/{inside}1.jpg", f"test/{inside}2.jpg")))
    assert (data.classes, data.test) == (("cat", "dog"), ())
    assert data.notes == (
        f"test images without labels, left for ft predict: 2 (test/{inside}1.jpg, test/{inside}2.jpg)",
    )


def test_leaks_into_test_are_told(write_tree):
    root = write_tree(*TWO_SPLITS, "test/cat/9.jpg")
    write_tree("val/cat/3.jpg", "test/cat/8.jpg", content=b"twice")
    assert open_dataset(str(root)).notes == (
        "test images with the bytes of a train or val image, so test accuracy flatters: 1 (test/cat/8.jpg)",
    )
    refuse(root, "test images with the bytes", "--no-fail-on-leak", policy=Policy(fail_on_leak=True))


def test_a_class_that_is_called_train(write_tree):
    refuse(write_tree("bus/1.jpg", "train/2.jpg"), "1 images but no class folders", "name says train; a class needs")


@pytest.mark.parametrize("other", ["valid", "validation"])
def test_other_names_for_val(other, write_tree):
    root = write_tree(*(name.replace("val/", f"{other}/") for name in TWO_SPLITS))
    data = open_dataset(str(root))
    assert names(data.val) == [f"{other}/cat/3.jpg", f"{other}/dog/3.jpg"]
    assert data.notes == (f"{other}/ serves as val",)
    data = open_dataset(str(write_tree("val/cat/4.jpg", "labels/x.txt")))
    assert names(data.val) == ["val/cat/4.jpg"]
    assert data.notes == (
        f"ignored, folders beside the splits in use: 2 (labels, {other})",
        "classes without val images: 1 (dog)",
    )


def test_train_alone_is_split(write_tree):
    data = open_dataset(str(write_tree(*(f"train/{c}/{i}.jpg" for c in "ab" for i in range(10)))), val_fraction=0.3)
    assert (len(data.train), len(data.val)) == (14, 6)
    assert data.notes == ("no val images: 30% of each class of train held out",)


def test_extensions_in_any_case(write_tree):
    kinds = ["jpg", "jpeg", "jfif", "png", "bmp", "gif", "webp", "tif", "tiff", "ppm", "pgm", "JPG", "Jpeg", "PNG"]
    root = write_tree(*(f"a/{i}.{kind}" for i, kind in enumerate(kinds)), *CAT_AND_DOG, "a/x", "a/x.txt", "a/y.heic")
    data = open_dataset(str(root))
    assert sum(s.name.startswith("a/") for s in data.train + data.val) == len(kinds)
    assert data.notes == ("ignored, no image by its extension: 3 (a/x, a/x.txt, a/y.heic)",)


def test_junk_is_silent(write_tree):
    junk = (
        ".DS_Store",
        "cat/.DS_Store",
        "cat/._1.jpg",
        "cat/Thumbs.db",
        "cat/@eaDir/1.jpg",
        ".git/1.jpg",
        "cat/.ipynb_checkpoints/1.jpg",
        "__MACOSX/cat/1.jpg",
    )
    data = open_dataset(str(write_tree(*CAT_AND_DOG, *junk)))
    assert sorted(names(data.train + data.val)) == sorted(CAT_AND_DOG)
    assert data.classes == ("cat", "dog")
    assert data.notes == ()


def test_deeper_images_count_and_those_beside_do_not(write_tree):
    data = open_dataset(str(write_tree(*TWO_SPLITS, "train/cat/a/b/c/9.jpg", "train/8.jpg", "7.jpg")))
    assert "train/cat/a/b/c/9.jpg" in names(data.train)
    assert len(data.train) == 5
    assert data.notes == ("ignored, images beside the class folders: 2 (7.jpg, train/8.jpg)",)


def test_what_is_no_file_of_this_folder_is_not_opened(write_tree, tmp_path):
    root = write_tree(*CAT_AND_DOG)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (root / "cat/out.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "cat/self.jpg").symlink_to("self.jpg")
    (root / "cat/gone.jpg").symlink_to("nowhere.jpg")
    (root / "cat/up").symlink_to("..")
    (root / "bird").symlink_to(tmp_path)
    (root / "cat/null.jpg").symlink_to("/dev/null")
    (root / "dog/folder.jpg").mkdir()
    os.mkfifo(root / "dog/pipe.jpg")
    (root / "dog/same.jpg").symlink_to("../cat/1.jpg")
    data = open_dataset(str(root))
    assert sorted(names(data.train + data.val)) == sorted([*CAT_AND_DOG, "dog/same.jpg"])
    assert data.notes[0].endswith("named like images: 8 (bird, cat/gone.jpg, cat/null.jpg and 5 more)")


def test_a_link_to_the_data_itself_is_fine(write_tree, tmp_path):
    write_tree(*TWO_SPLITS)
    (tmp_path / "alias").symlink_to("data")
    assert len(open_dataset(str(tmp_path / "alias")).train) == 4


def test_order_is_that_of_bytes(write_tree):
    classes = ["10", "9", "Zebra", "apple", "cat", "cat ", " dog", "Cat", "é", "null", "1e3"]
    data = open_dataset(str(write_tree(*(f"{c}/{i}.jpg" for c in classes for i in (2, 10, 1)))))
    assert data.classes == (" dog", "10", "1e3", "9", "Cat", "Zebra", "apple", "cat", "cat ", "null", "é")
    assert names(data.train) == sorted(names(data.train), key=str.encode)


def test_strange_names(write_tree):
    strange = ["caf\udce9.jpg", "new\nline.jpg", "🐈 cat.jpg", "a" * 251 + ".jpg"]
    data = open_dataset(str(write_tree(*CAT_AND_DOG, *(f"cat/{name}" for name in strange), "cat/x\n\udce9.txt")))
    assert {f"cat/{name}" for name in strange} < set(names(data.train + data.val))
    assert all(s.source.read_bytes() for s in data.train)
    assert data.notes == ("ignored, no image by its extension: 1 (cat/x\\n\\udce9.txt)",)


def test_depth_is_no_limit(write_tree, monkeypatch):
    root = write_tree(*CAT_AND_DOG)
    monkeypatch.chdir(root / "cat")
    for _ in range(1100):  # deeper than Python recurses, in creating and removing as well
        os.mkdir("d")
        os.chdir("d")
    Path("1.jpg").touch()
    os.chdir(root)
    try:
        assert "cat/" + "d/" * 1100 + "1.jpg" in names(open_images(str(root)).val)
    finally:
        subprocess.run(["rm", "-rf", root / "cat/d"], check=True)


# ---- the held-out share


def test_the_rule_of_the_split(write_tree):
    counts = {"a": 2, "b": 10, "c": 33}
    every = [f"{c}/{i:02}.jpg" for c, n in counts.items() for i in range(n)]
    root, val = write_tree(*every), []
    for index, (c, n) in enumerate(counts.items()):
        order = generator(5, "split", index).permutation(n)
        val += sorted(f"{c}/{i:02}.jpg" for i in order[: {2: 1, 10: 2, 33: 7}[n]])
    data = open_dataset(str(root), seed=5)
    assert names(data.val) == val
    assert sorted(names(data.train + data.val)) == every
    assert names(open_dataset(str(root), seed=6).val) != val


@pytest.mark.parametrize(("fraction", "held"), [(0.001, 1), (0.5, 5), (0.999, 9)])
def test_no_class_is_left_without_train_or_val(fraction, held, write_tree):
    data = open_dataset(str(write_tree(*(f"{c}/{i}.jpg" for c in "ab" for i in range(10)))), val_fraction=fraction)
    assert [sum(s.label == k for s in data.val) for k in (0, 1)] == [held, held]


def test_a_single_image_trains(write_tree):
    data = open_dataset(str(write_tree(*CAT_AND_DOG, "ant/1.jpg")))
    assert "ant/1.jpg" in names(data.train)
    assert data.notes == ("classes with a single image, which trains: 1 (ant)",)


# ---- classes


def test_empty_class_is_kept_and_told(write_tree):
    root = write_tree(*CAT_AND_DOG)
    (root / "bird").mkdir()
    data = open_dataset(str(root))
    assert data.classes == ("bird", "cat", "dog")
    assert {s.label for s in data.train} == {1, 2}
    assert data.notes == ("class folders without images: 1 (bird)",)


def test_given_classes_decide(write_tree):
    root = write_tree(*CAT_AND_DOG)
    data = open_dataset(str(root), classes=("dog", "bird", "cat"))
    assert data.classes == ("dog", "bird", "cat")
    assert {(s.name[:3], s.label) for s in data.train + data.val} == {("cat", 2), ("dog", 0)}
    refuse(root, "unknown class 'cat'; did you mean 'cats'?", classes=("cats", "dog"))


def test_val_cannot_have_a_class_of_its_own(write_tree):
    refuse(write_tree(*TWO_SPLITS, "val/emu/1.jpg"), "val has classes that train lacks: emu", "add train images")


def test_leaks_are_counted(write_tree):
    root = write_tree("train/a/1.jpg", "train/a/2.jpg", "train/b/1.jpg", "val/a/8.jpg", "val/b/9.jpg")
    for name in ("train/b/x.jpg", "val/b/copy.jpg"):
        (root / name).write_bytes(b"the same bytes")
    (root / "val/b/other.jpg").write_bytes(b"not same bytes")
    assert open_dataset(str(root)).notes == (
        "val images with the bytes of a train image, so val accuracy flatters: 1 (val/b/copy.jpg)",
    )


def test_only_files_of_equal_size_are_hashed(write_tree, monkeypatch):
    root, hashed = write_tree(*TWO_SPLITS), []
    (root / "val/cat/3.jpg").write_bytes(b"a size of its own")
    (root / "val/dog/3.jpg").write_bytes(bytes((root / "train/cat/1.jpg").stat().st_size))
    real = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: hashed.append(file.name) or real(file, kind))
    open_dataset(str(root))
    assert sorted(hashed) == [str(root / name) for name in (*TWO_SPLITS[:4], "val/dog/3.jpg")]


# ---- what cannot be a data set


def test_places_that_hold_no_data(write_tree, tmp_path):
    for nowhere in (tmp_path / "nowhere", "a" * 300, "~nobody-here/x", "nul\0"):
        refuse(nowhere, "does not exist", "pass digits, a folder")
    root = write_tree("notes.txt")
    refuse(root / "notes.txt", "is not a folder or a .csv file")
    refuse(root, "empty, or no class folders", "one folder of images for each class")
    write_tree("1.jpg", "2.jpg")
    refuse(root, "2 images but no class folders")
    (root / "cat").symlink_to(tmp_path)
    refuse(root, "links out of the data or to folders", "1 (cat)")
    (root / "dog").mkdir()
    refuse(root, "no images (", "class folders without images: 1 (dog)")


def test_one_class_cannot_be_learned(write_tree):
    root = write_tree("cat/1.jpg", "cat/2.jpg")
    refuse(root, "all train images are of one class, 'cat'", "at least two classes")
    (root / "dog").mkdir()
    refuse(root, "one class, 'cat'")
    assert len(open_dataset(str(root), classes=("cat", "dog")).train) == 1
    assert open_images(str(root)).classes == ("cat", "dog")


def test_splits_that_cannot_train(write_tree):
    root = write_tree("val/cat/1.jpg", "val/dog/1.jpg")
    refuse(root, "val images but no train images")
    write_tree("train/1.jpg")
    refuse(root, "train: 1 images but no class folders")


def test_single_images_leave_nothing_for_val(write_tree):
    refuse(write_tree("cat/1.jpg", "dog/1.jpg"), "no class has two images", "add images")


def test_an_unreadable_folder_is_named(write_tree, monkeypatch):
    root, real = write_tree(*CAT_AND_DOG), os.scandir

    def scandir(path):  # tests may run as root, whom no permission stops
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    refuse(root, "data/dog: cannot be read (Permission denied)")


# ---- CSV manifests


def test_linked_folders_are_followed_where_that_is_allowed(write_tree, tmp_path):
    root = write_tree("train/cat/1.jpg", "train/dog/2.jpg", "val/dog/3.jpg")
    (tmp_path / "pool/deep").mkdir(parents=True)
    (tmp_path / "pool/4.jpg").touch()
    (tmp_path / "pool/deep/5.jpg").touch()
    (tmp_path / "pool/deep/round").symlink_to(tmp_path / "pool")
    (root / "val/cat").symlink_to(tmp_path / "pool")
    (root / "train/cat/up").symlink_to(root)
    data = open_dataset(str(root), policy=Policy(allow_outside_root=True))
    assert names(data.val) == ["val/cat/4.jpg", "val/cat/deep/5.jpg", "val/dog/3.jpg"]
    assert len(data.train) == 2
    assert "2 (train/cat/up, val/cat/deep/round)" in data.notes[0]
    assert names(open_dataset(str(root)).val) == ["val/dog/3.jpg"]


def test_what_a_training_left_is_no_class(write_tree):
    alone = open_dataset(str(write_tree(*CAT_AND_DOG, "jumps/1.jpg", "jumps/runs/2.jpg")))
    run = [f"runs/pets-torch-001/{name}" for name in ("recipe.yaml", "log.jsonl", "curves.png")]
    root = write_tree(
        *run, "runs/pets-torch-002/.ft.lock", "cat/run/checkpoints/a", "cat/run/recipe.yaml", "cat/run/c.png"
    )
    write_tree("lr-find/lr-find.json", "lr-find/lr-find.png")
    data = open_dataset(str(root))
    assert (data.classes, data.train, data.val) == (("cat", "dog", "jumps"), alone.train, alone.val)
    assert data.notes == ("passed over, folders that a training left: 3 (cat/run, lr-find, runs)",)
    write_tree("runs/3.jpg", "runs/4.jpg")
    assert open_dataset(str(root)).classes == ("cat", "dog", "jumps", "runs"), "a class that holds a run"


# ---- images to evaluate


def test_evaluation_takes_val_else_everything(write_tree):
    assert names(open_images(str(write_tree(*TWO_SPLITS))).val) == ["val/cat/3.jpg", "val/dog/3.jpg"]
    assert open_images(str(write_tree(*TWO_SPLITS))).train == ()


def test_evaluation_of_val_alone_and_of_one_class(write_tree):
    root = write_tree("val/cat/1.jpg")
    assert [(s.name, s.label) for s in open_images(str(root)).val] == [("val/cat/1.jpg", 0)]
    assert open_images(str(root), ("bird", "cat")).val[0].label == 1
    with pytest.raises(DataError, match="unknown class 'cat'"):
        open_images(str(root), ("bird", "dog"))


def test_evaluation_of_train_alone(write_tree):
    assert len(open_images(str(write_tree("train/cat/1.jpg", "train/dog/1.jpg"))).val) == 2
