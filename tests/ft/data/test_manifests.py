"""Manifests as users have them: columns, splits, labels, and mistakes by their line."""

import pytest

from ft.data import open_dataset, open_images
from ft.noise import generator
from tests.ft.data.test_index import CAT_AND_DOG, TWO_SPLITS, names, refuse

NFC, NFD = "caf\u00e9", "cafe\u0301"


def write_csv(root, text, name="list.csv"):
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return root / name


ROWS = "cat/1.jpg,cat\ncat/2.jpg,cat\ndog/1.jpg,dog\ndog/2.jpg,dog\n"


@pytest.mark.parametrize(
    "text",
    [
        "path,label\n" + ROWS,
        "\ufeffpath,label\r\n" + ROWS.replace("\n", "\r\n") + "\r\n",
        "Path, Label\n" + ROWS.replace(",", ", "),
        "\ufeffFileName,Category\n" + ROWS.replace("/", "\\"),
        "image,class\n" + ROWS,
        "path,dog,cat\n" + ROWS.replace(",cat", ",0,1").replace(",dog", ",1.0,0"),
        "id,label,path\n"
        + "".join(f"{i},{b},{a}\n" for i, (a, b) in enumerate(line.split(",") for line in ROWS.split())),
    ],
)
def test_manifest_without_split(text, write_tree):
    root = write_tree(*CAT_AND_DOG)
    data = open_dataset(str(write_csv(root, text)))
    said = ("columns of 0 and 1 are classes: dog, cat",) if "dog,cat" in text else ()
    assert (data.name, data.classes, data.notes) == ("list", ("cat", "dog"), said)
    held = [f"{c}/{1 + generator(0, 'split', i).permutation(2)[0]}.jpg" for i, c in enumerate(data.classes)]
    assert names(data.val) == held
    assert sorted(names(data.train + data.val)) == ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg"]
    assert all(data.classes[s.label] == s.name[:3] for s in data.train + data.val)
    assert data.train[0].source.read_bytes() == b"bytes of " + data.train[0].name.encode()


def test_manifest_with_split(write_tree):
    root = write_tree(*CAT_AND_DOG)
    splits = ["train", "val", "Validation", " TRAIN ", "valid", "VAL"]
    rows = "".join(f'./{name},"{name[:3]}",{split}\n' for name, split in zip(CAT_AND_DOG, splits, strict=True))
    data = open_dataset(str(write_csv(root, "path,label,Split\n" + rows, "LIST.CSV")))
    assert [(s.name, s.label) for s in data.train] == [("cat/1.jpg", 0), ("dog/1.jpg", 1)]
    assert names(data.val) == ["cat/2.jpg", "cat/3.jpg", "dog/2.jpg", "dog/3.jpg"]


def test_labels_stay_text(write_tree):
    root = write_tree(*(f"{i}.jpg" for i in range(8)))
    labels = ["no", "null", "1e3", "-1", "NaN", "1.0", "1", "01"]
    rows = "".join(f"{i}.jpg,{label}\n" for i, label in enumerate(labels))
    data = open_images(str(write_csv(root, "path,label\n" + rows)))
    assert data.classes == tuple(sorted(labels))
    assert [data.classes[s.label] for s in data.val] == labels


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["line 1: the header is ''", "expected path,label"]),
        ("path;label\ncat/1.jpg;cat\n", ["the header is 'path;label'", "commas"]),
        ("photo,label\ncat/1.jpg,cat\n", ["the header is 'photo,label'", "a column of 0 and 1 for each class"]),
        ("path,cat,dog\ncat/1.jpg,1,0\ndog/1.jpg,0,2\n", ["the header is 'path,cat,dog'"]),
        ("path,label,label\ncat/1.jpg,cat,dog\n", ["the header is"]),
        ("path,label\n", ["no images"]),
        ("path,label\n" + ROWS + "cat/3.jpg, \n", ["line 6: blank label", "cat/3.jpg"]),
        ("path,label\n" + ROWS + "\ncat/3.jpg\n", ["line 7: 1 columns, the header has 2"]),
        ("path,label\n" + ROWS + "cat/3.jpg,cat,val\n", ["line 6: 3 columns"]),
        ("path,label\n" + ROWS + "./cat//1.jpg,dog\n", ["line 6: 'cat/1.jpg' is in line 2 already"]),
        ("path,label\n/etc/passwd,cat\n", ["line 2: '/etc/passwd' leaves the CSV's folder", "without .."]),
        ("path,label\n../data/cat/1.jpg,cat\n", ["line 2:", "leaves the CSV's folder"]),
        ("path,label\nC:\\cat.jpg,cat\n", ["line 2:", "leaves the CSV's folder"]),
        ("path,label\nhttps://x.org/1.jpg,cat\n", ["line 2: 'https://x.org/1.jpg' is a URL", "download it"]),
        ("path,label\ncat/9.jpg,cat\n", ["line 2: 'cat/9.jpg' does not exist", "correct the path"]),
        ("path,label\ncat,cat\n", ["line 2: 'cat' is not a file inside"]),
        ("path,label\nlink.jpg,cat\n", ["line 2: 'link.jpg' is not a file inside"]),
        ("path,label\n,cat\n", ["line 2: '' is not a file inside"]),
        ("path,label\nx\0y.jpg,cat\n", ["line 2: 'x\\x00y.jpg' does not exist"]),
        ("path,label,split\ncat/1.jpg,cat,trian\n", ["line 2: split 'trian'", "expected train, val or test"]),
        ("path,label,split\ncat/1.jpg,cat,\n", ["line 2: split ''"]),
        ("path,label,split\ncat/1.jpg,cat,train\ndog/1.jpg,dog,val\n", ["val has classes that train lacks: dog"]),
        (b"path,label\ncat/1.jpg,caf\xe9\n", ["not CSV in UTF-8"]),
        ('path,label\n"cat/1.jpg,cat\n', ["not CSV in UTF-8"]),
    ],
)
def test_manifest_mistakes_are_told_with_their_line(text, words, write_tree, tmp_path):
    root = write_tree(*CAT_AND_DOG)
    (tmp_path / "secret.jpg").touch()
    (root / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    refuse(write_csv(root, text), "list.csv", *words)


def test_a_backslash_may_be_part_of_a_name(write_tree):
    root = write_tree("a\\1.jpg", "a/1.jpg")
    assert names(open_images(str(write_csv(root, "path,label\na\\1.jpg,cat\na/1.jpg,dog\n"))).val) == [
        "a/1.jpg",
        "a\\1.jpg",
    ]
    refuse(write_csv(root, "path,label\n..\\1.jpg,cat\n"), "leaves the CSV's folder")


def test_test_rows_of_a_manifest(write_tree):
    root = write_tree(*CAT_AND_DOG)
    splits = [*["train"] * 2, "test"] * 2

    def opened(label):
        rows = (f"{n},{label(n) if s == 'test' else n[:3]},{s}\n" for n, s in zip(CAT_AND_DOG, splits, strict=True))
        return open_dataset(str(write_csv(root, "path,label,split\n" + "".join(rows))), labels="either")

    data = opened(lambda name: name[:3])
    assert (names(data.test), len(data.train), len(data.val)) == (["cat/3.jpg", "dog/3.jpg"], 2, 2)
    blank = opened(lambda _: " ")
    assert (blank.train, blank.val, blank.test, blank.multilabel) == (data.train, data.val, (), False)
    assert "test images without labels, left for ft predict: 2 (cat/3.jpg, dog/3.jpg)" in blank.notes


def test_accents_in_both_forms_are_one_class(write_tree):
    root = write_tree(f"train/{NFC}/1.jpg", "train/tea/2.jpg", f"val/{NFD}/3.jpg", "val/tea/4.jpg")
    data = open_dataset(str(root))
    assert (data.classes, [s.label for s in data.val]) == ((NFC, "tea"), [0, 1])
    assert data.notes == (
        f"classes whose accents are written in two ways (NFC and NFD), taken for one each: 1 ({NFC})",
    )
    assert [s.label for s in open_images(str(root), ("tea", NFD)).val] == [1, 0], (
        "a model's classes keep their spelling"
    )
    alone = open_dataset(str(write_csv(root, f"path,label\ntrain/{NFC}/1.jpg,{NFD}\ntrain/tea/2.jpg,tea\n"
                                             f"val/{NFD}/3.jpg,{NFD}\nval/tea/4.jpg,tea\n")))  # fmt: skip
    assert (alone.classes, alone.notes) == ((NFD, "tea"), ()), "one spelling stays what it is"


def test_no_share_to_hold_out(write_tree):
    assert len(open_dataset(str(write_tree(*TWO_SPLITS)), val_fraction=0).train) == 4
    refuse(
        write_csv(write_tree(*CAT_AND_DOG), "path,label\n" + ROWS), "val_fraction 0 and no val images", val_fraction=0
    )


def test_evaluation_of_one_split(write_tree):
    root = write_tree(*CAT_AND_DOG)
    assert names(open_images(str(root)).val) == list(CAT_AND_DOG)
    assert len(open_images(str(write_csv(root, "path,label\n" + ROWS))).val) == 4
    split = "path,label,split\ncat/1.jpg,cat,train\ncat/2.jpg,cat,val\n"
    assert names(open_images(str(write_csv(root, split))).val) == ["cat/2.jpg"]
