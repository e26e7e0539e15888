"""Data of a stranger who means harm, or whose tool was broken: one line, at once, and nothing outside is read."""

import json
import os
import time
from pathlib import Path

import pytest

from ft.data import open_boxes, open_dataset, open_masks
from ft.data.sources.boxes.outlines import masks_of
from ft.data.sources.texts import open_texts
from ft.errors import DataError
from tests.ft.data.test_boxes import coco, voc, yolo

BIG, HALF = 10**400, 2**62
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)


def refused(read, *words):
    """Require one line with these words, soon."""
    began = time.process_time()
    with pytest.raises(DataError) as caught:
        read()
    assert time.process_time() - began < 3
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 2500
    assert all(word in said for word in words), said


def read_all(spec, marks):
    """Read images with boxes, and draw the masks of objects."""
    for sample in open_boxes(str(spec), marks=marks).train:
        list(masks_of(sample.label))


@pytest.mark.parametrize(
    ("key", "value", "marks", "told"),
    [
        ("bbox", [BIG, 1, 2, 3], "", "expected four numbers"),
        ("keypoints", [BIG, 1, 2], "keypoints", "expected 3 numbers"),
        ("area", "x", "keypoints", "area x"),
        ("area", -1, "keypoints", "area -1"),
        ("segmentation", [[1e308, 0, -1e308, 5, 1e308, 10]], "masks", "leads out of every picture"),
        ("segmentation", {"size": [30, 40], "counts": [HALF] * 4 + [1200]}, "masks", "run lengths that sum to"),
        ("segmentation", {"size": [30, 40], "counts": [600.5, 599.5]}, "masks", "no list of whole numbers"),
        ("segmentation", {"size": [30, 40], "counts": "o" * 10**6}, "masks", "more than 60 bits"),
    ],
)
def test_annotations_that_no_tool_would_write(key, value, marks, told, tmp_path):
    path = Path(coco(tmp_path))
    content = json.loads(path.read_text())
    for category in content["categories"]:
        category["keypoints"] = ["nose"]
    for annotation in content["annotations"]:
        annotation |= {"segmentation": [[1, 1, 5, 1, 5, 5]], "keypoints": [], key: value}
    path.write_text(json.dumps(content))
    refused(lambda: read_all(path, marks), told)


@pytest.mark.parametrize(
    "name", ["", "a\0b", "x" * 5000, "\ud800"], ids=["empty", "with a zero byte", "long", "half of a character"]
)
def test_names_that_no_file_of_a_run_could_hold(name, tmp_path):
    path = Path(coco(tmp_path))
    content = json.loads(path.read_text())
    content["categories"][0]["name"] = name
    path.write_text(json.dumps(content))
    for read in (open_boxes, open_masks):
        refused(lambda read=read: read(str(path)), "a class or keypoint is called")
    lines = [json.dumps({"text": f"text {i}", "label": name if i % 2 else "other"}) for i in range(8)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    refused(lambda: open_texts(str(tmp_path / "a.jsonl")))


def test_keypoints_that_are_no_names(tmp_path):
    path = Path(coco(tmp_path))
    content = json.loads(path.read_text())
    content["categories"][0]["keypoints"] = 5
    path.write_text(json.dumps(content))
    refused(lambda: read_all(path, "keypoints"), "expected a list of their names")


@pytest.mark.parametrize(
    ("segments", "told"),
    [
        (None, "a colour can say"),
        (5, "a colour can say"),
        ([{"id": 2**63, "category_id": 3}], "a colour can say"),
        ([], "which is no class (none is told"),
    ],
)
def test_segments_that_are_none(segments, told, tmp_path):
    path = Path(coco(tmp_path))
    content = json.loads(path.read_text())
    content["annotations"] = [
        {"image_id": image["id"], "file_name": f"images/{image['file_name']}", "segments_info": segments}
        for image in content["images"]
    ]
    path.write_text(json.dumps(content))
    refused(lambda: [sample.label.read() for sample in open_masks(str(path)).train], told)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("<annotation>", "<?xml version='1.0' encoding='foo'?><annotation>", "not XML"),
        ("<annotation>", "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><annotation>", "document type"),
        ("<width>40", "<width>" + "4" * 5000, ""),
    ],
)
def test_xml_of_a_stranger(old, new, told, tmp_path):
    root = Path(voc(tmp_path))
    path = root / "Annotations/0.xml"
    path.write_text(path.read_text().replace(old, new))
    if told:
        refused(lambda: open_boxes(str(root)), told)
    else:
        open_boxes(str(root), val_fraction=0.4)  # a size that is none is none


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (BOMB + "train: images\nnames: *a8\n", "aliases are not allowed"),
        (BOMB + "train: *a8\nnames: [cat, dog]\n", "aliases are not allowed"),
        ("train: 2020-99-99\nnames: [cat, dog]\n", "cannot be read as YAML"),
        (f"train: {'x' * 5000}\nnames: [cat, dog]\n", "correct the path"),
        ("train: pipe\nval: images\nnames: [cat, dog]\n", "a pipe"),
        ("#" * (1 << 21), "expected at most"),
    ],
)
def test_yaml_of_a_stranger(content, told, tmp_path):
    root = Path(yolo(tmp_path))
    os.mkfifo(root / "pipe")
    (root / "data.yaml").write_text(content)
    refused(lambda: open_boxes(str(root)), told)


@pytest.mark.parametrize("path", ["classes.txt", "labels/0.txt"])
@pytest.mark.parametrize("kind", ["link", "pipe", "sparse"])
def test_files_that_are_none(path, kind, tmp_path):
    root = Path(yolo(tmp_path / "data"))
    (tmp_path / "secret").write_text("0 0.5 0.5 0.1 0.1\n")
    (root / path).unlink(missing_ok=True)
    if kind == "link":
        (root / path).symlink_to(tmp_path / "secret")
    elif kind == "pipe":
        os.mkfifo(root / path)
    else:
        (root / path).touch()
        os.truncate(root / path, 1 << 34)
        return refused(lambda: open_boxes(str(root)), "expected at most")
    data = open_boxes(str(root), val_fraction=0.4)
    assert data.classes == (("0", "1") if path == "classes.txt" else ("cat", "dog"))
    assert path == "classes.txt" or sum(len(sample.label) for sample in (*data.train, *data.val)) == 5


def test_a_pipe_among_annotations_is_left_out(tmp_path):
    root = Path(voc(tmp_path))
    (root / "Annotations/0.xml").unlink()
    os.mkfifo(root / "Annotations/0.xml")
    assert any("not opened" in note for note in open_boxes(str(root), val_fraction=0.4).notes)


def test_a_folder_that_leads_out_is_named(tmp_path):
    root = Path(yolo(tmp_path / "data"))
    (root / "images").rename(tmp_path / "images")
    (root / "images").symlink_to(tmp_path / "images")
    refused(lambda: open_boxes(str(root)), "a link that leads out of the data")


def test_what_would_take_an_hour_takes_a_moment(tmp_path):
    coco(tmp_path)
    many = "|".join(map(str, range(20_000)))
    rows = "".join(f"images/{i}.png,{many}\n" for i in range(5))
    (tmp_path / "m.csv").write_text("path,label\n" + rows)
    began = time.process_time()
    refused(lambda: open_dataset(str(tmp_path / "m.csv"), labels="sets"), "have the same labels")
    (tmp_path / "masks").mkdir()
    for i in range(5):
        (tmp_path / "masks" / f"{i}.png").write_bytes((tmp_path / "images" / f"{i}.png").read_bytes())
    (tmp_path / "boxes.json").unlink()
    (tmp_path / "classes.txt").write_text(" a" + " " * 30_000 + "x")
    refused(lambda: open_masks(str(tmp_path)), "line 1 has more than 300 characters")
    assert time.process_time() - began < 3


def test_lines_of_texts(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": ' + "[" * 500 + "]" * 500 + "}\n")
    refused(lambda: open_texts(str(path)), "nested too deeply")
    (tmp_path / "a.txt").write_text("y" * 10**7 + "\n" + "x" * 600)
    began = time.process_time()
    open_texts(str(tmp_path / "a.txt"), labels="none")
    assert time.process_time() - began < 3
