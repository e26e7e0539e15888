"""Boxes from every layout: the same corners from each, what is refused in one line, what is set aside."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ft.data import Boxes, Policy, holds_boxes, open_box_images, open_boxes
from ft.data.sources.box import MOST
from ft.data.sources.masks.scenes import make_scenes
from ft.errors import DataError

SIZES = [(40, 30), (33, 50), (64, 48), (25, 25), (30, 60)]  # width and height
BOXES = [  # of each image: x1 y1 x2 y2 and the class; one image has none
    [(3, 4, 20, 22, "cat"), (10, 1, 39, 30, "dog")],
    [(1, 2, 33, 50, "dog")],
    [],
    [(5, 5, 6, 25, "cat")],
    [(2, 30, 28, 59, "dog"), (1, 1, 9, 9, "cat"), (1, 1, 9, 9, "dog")],
]


def draw(root: Path, folder="") -> list[str]:
    """Write the images and return their names."""
    names = []
    for i, size in enumerate(SIZES):
        (root / folder).mkdir(parents=True, exist_ok=True)
        name = f"{folder}/{i}.png".lstrip("/")
        Image.fromarray(np.full((size[1], size[0], 3), 40 * i, np.uint8)).save(root / name)
        names.append(name)
    return names


def coco(root: Path) -> str:
    names = draw(root, "images")
    images = [
        {"id": i + 5, "file_name": f"{i}.png", "width": w, "height": h} for i, (w, h) in enumerate(SIZES) if names
    ]
    annotations = [
        {"id": 1, "image_id": i + 5, "bbox": [a, b, c - a, d - b], "category_id": {"cat": 3, "dog": 9}[k], "iscrowd": 0}
        for i, own in enumerate(BOXES)
        for a, b, c, d, k in own
    ]
    categories = [{"id": 9, "name": "dog"}, {"id": 3, "name": "cat"}]
    text = json.dumps({"images": images, "annotations": annotations, "categories": categories})
    (root / "boxes.json").write_text(text)
    return str(root / "boxes.json")


def voc(root: Path, *, one=1) -> str:
    draw(root, "JPEGImages")
    (root / "Annotations").mkdir()
    for i, (own, (w, h)) in enumerate(zip(BOXES, SIZES, strict=True)):
        things = "".join(
            f"<object><name>{k}</name><bndbox><xmin>{a + one}</xmin><ymin>{b + one}</ymin><xmax>{c}</xmax>"
            f"<ymax>{d}</ymax></bndbox></object>"
            for a, b, c, d, k in own
        )
        size = f"<size><width>{w}</width><height>{h}</height></size>"
        (root / "Annotations" / f"{i}.xml").write_text(f"<annotation>{size}{things}</annotation>")
    return str(root)


def labelimg(root: Path) -> str:
    voc(root)
    for folder in ("JPEGImages", "Annotations"):
        for path in (root / folder).iterdir():
            path.rename(root / path.name)
        (root / folder).rmdir()
    return str(root)


def yolo(root: Path, *, named=True) -> str:
    names = draw(root, "images")
    (root / "labels").mkdir()
    for name, own, (w, h) in zip(names, BOXES, SIZES, strict=True):
        lines = [
            f"{('cat', 'dog').index(k)} {(a + c) / 2 / w!r} {(b + d) / 2 / h!r} {(c - a) / w!r} {(d - b) / h!r}"
            for a, b, c, d, k in own
        ]
        if lines:
            (root / "labels" / f"{Path(name).stem}.txt").write_text("\n".join(lines))
    (root / "classes.txt").write_text("cat\ndog\n")
    return str(root)


def yolo_with_yaml(root: Path) -> str:
    """Its paths are those of another folder, as Roboflow writes them."""
    yolo(root / "train")
    (root / "train" / "classes.txt").unlink()
    (root / "data.yaml").write_text("train: ../train/images\nnames: {0: cat, 1: dog}\nnc: 2\n")
    return str(root)


def table(root: Path, header="image,x1,y1,x2,y2,label", turn=lambda a, b, c, d: (a, b, c, d)) -> str:
    names = draw(root)
    lines = [header]
    for name, own in zip(names, BOXES, strict=True):
        lines += [",".join(map(str, (name, *turn(*box[:4]), box[4]))) for box in own] or [f"{name},,,,,"]
    (root / "boxes.csv").write_text("\n".join(lines) + "\n")
    return str(root / "boxes.csv")


def sides(root: Path) -> str:
    return table(root, "File,X,Y,Width,Height,Class", lambda a, b, c, d: (a, b, c - a, d - b))


def test_categories_keep_cocos_own_numbers(tmp_path):
    spec = coco(tmp_path)
    assert open_boxes(spec, val_fraction=0.4).numbers == (3, 9)
    assert open_boxes(spec, val_fraction=0.4, classes=("dog", "cat")).numbers == ()


LAYOUTS = [coco, voc, labelimg, yolo, yolo_with_yaml, table, sides]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda f: f.__name__)
def test_every_layout_gives_the_same_boxes(layout, tmp_path):
    spec = layout(tmp_path)
    data = open_boxes(spec, val_fraction=0.4)
    assert (holds_boxes(spec), data.classes, data.labels) == (True, ("cat", "dog"), "boxes")
    assert (len(data.train), len(data.val)) == (3, 2)
    for sample in open_box_images(spec).val:
        own = BOXES[int(Path(sample.name).stem)]
        width, height = SIZES[int(Path(sample.name).stem)]
        assert (sample.label.height, sample.label.width, sample.labels) == (height, width, ())
        np.testing.assert_allclose(sample.label.corners, np.reshape([box[:4] for box in own], (-1, 4)), atol=1e-12)
        assert sample.label.classes.tolist() == [("cat", "dog").index(box[4]) for box in own]
        assert str(sample.label) != str(Boxes.of(height, width, np.ones((1, 4)), np.zeros(1)))


def test_the_built_in_scenes_have_boxes():
    data, scenes = open_boxes("scenes"), make_scenes()
    assert (data.classes, len(data.train), len(data.val)) == (("zero", "one", "four"), 160, 40)
    for sample, scene in zip(data.train + data.val, scenes, strict=True):
        assert np.array_equal(sample.label.corners, scene.boxes)
        assert np.array_equal(sample.label.classes, scene.labels - 1)


def test_pixels_count_from_0_where_one_says_so(tmp_path):
    spec = voc(tmp_path, one=0)
    (tmp_path / "Annotations" / "0.xml").write_text(
        (tmp_path / "Annotations" / "0.xml").read_text().replace("<xmin>3<", "<xmin>0<")
    )
    data = open_box_images(spec)
    assert any("count from 0" in line for line in data.notes)
    assert data.val[0].label.corners[0].tolist() == [0, 4, 20, 22]


def test_crowds_and_difficult_ones_are_set_aside(tmp_path):
    spec = coco(tmp_path / "coco")
    content = json.loads(Path(spec).read_text())
    content["annotations"][0]["iscrowd"] = 1
    Path(spec).write_text(json.dumps(content))
    folder = voc(tmp_path / "voc")
    file = tmp_path / "voc" / "Annotations" / "0.xml"
    file.write_text(file.read_text().replace("<name>cat</name>", "<name>cat</name><difficult>1</difficult>"))
    for place in (spec, folder):
        label = open_box_images(place).val[0].label
        assert label.aside.tolist() == [True, False]
        assert label.taught[0].tolist() == [[10, 1, 39, 30]]


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((20, 4, 3, 22), "x1 20, y1 4, x2 3, y2 22: its second corner lies before its first; swap them"),
        ((3, 4, 3, 22), "it is empty"),
        ((3, 4, 60, 22), "reach out of its picture of 40x30 pixels; correct it; if these are x, y, width and height"),
        ((-9, 4, 20, 22), "reach out of its picture"),
        ((3, "nan", 20, 22), "are not finite"),
        ((3, 4, 20, 1e400), "are not finite"),
    ],
)
def test_a_bad_box_is_named_by_file_and_line(box, words, tmp_path):
    spec = table(tmp_path)
    lines = Path(spec).read_text().splitlines()
    Path(spec).write_text("\n".join([*lines[:2], ",".join(map(str, ("0.png", *box, "cat"))), *lines[2:]]))
    with pytest.raises(DataError) as told:
        open_boxes(spec)
    assert str(told.value).startswith(f"{spec} line 3 of 0.png: ")
    assert words in str(told.value)
    assert "\n" not in str(told.value)
    data = open_boxes(spec, policy=Policy(on_bad_image="skip", max_bad_fraction=0.5))
    assert data.skipped == ("0.png",)


def test_rounding_may_reach_out_by_a_pixel_and_is_cut_off(tmp_path):
    spec = table(tmp_path)
    Path(spec).write_text(Path(spec).read_text().replace("0.png,10,1,39,30", "0.png,-0.4,1,40.6,30.9"))
    assert open_box_images(spec).val[0].label.corners[1].tolist() == [0, 1, 40, 30]


def edited(layout, root, file, old, new):
    """Write a layout with one of its files changed."""
    spec = layout(root)
    path = root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return spec


@pytest.mark.parametrize(
    ("layout", "file", "old", "new", "words"),
    [
        (coco, "boxes.json", '"bbox": [3, 4, 17, 18]', '"bbox": [3, 4, 17]', r"annotations\[0\]: bbox \[3, 4, 17\]"),
        (coco, "boxes.json", '"bbox": [3, 4, 17, 18]', '"bbox": [3, 4, 17, 90]', r"annotations\[0\] of .*0.png: .*CO"),
        (coco, "boxes.json", '"bbox": [3, 4, 17, 18]', '"bbox": [3, 4, -1, 18]', "height is below 0; COCO writes x"),
        (coco, "boxes.json", '"image_id": 6', '"image_id": 77', r"annotations\[2\]: image 77 is not among the images"),
        (coco, "boxes.json", '"category_id": 3', '"category_id": 4', r"annotations\[0\]: category 4 is not among"),
        (coco, "boxes.json", '"width": 40, "height": 30', '"width": 30, "height": 40', "0.png: 40x30 pixels, its"),
        (coco, "boxes.json", '"0.png"', '"00.png"', "'00.png' is in none of"),
        (coco, "boxes.json", '"iscrowd": 0', '"iscrowd": "0"', r"annotations\[0\]: iscrowd 0; expected 0 or 1"),
        (coco, "boxes.json", '"id": 6, "file_name"', '"id": 5, "file_name"', r"images\[1\] has the id 5 of images"),
        (coco, "boxes.json", '"id": 3, "name"', '"id": 9, "name"', r"categories\[1\] has the id 9 of categories\[0\]"),
        (voc, "Annotations/1.xml", "<xmin>2<", "<xmin>two<", "1.xml object 1: xmin 'two'; expected a number"),
        (voc, "Annotations/1.xml", "<name>dog</name>", "", "1.xml object 1: no name"),
        (voc, "Annotations/1.xml", "<xmin>2<", "<xmin>50<", "object 1 of .*: .*swap them; Pascal VOC writes xmin"),
        (voc, "Annotations/1.xml", "</annotation>", "", "1.xml: not XML"),
        (voc, "Annotations/1.xml", "<annotation>", "<!DOCTYPE a [<!ENTITY b 'c'>]><annotation>", "declares a document"),
        (yolo, "labels/1.txt", "1 ", "2 ", r"1.txt line 1: class 2; expected 0 to 1 \(cat, dog\)"),
        (yolo, "labels/1.txt", "1 ", "one ", "1.txt line 1: .*expected class x y width height"),
        (yolo, "labels/1.txt", "1 0", "1 3", "1.txt line 1 of .*1.png: .*reach out of its picture"),
        (table, "boxes.csv", "0.png,3,4,20,22,cat", "0.png,3,4,20,,cat", "line 2: box 3,4,20,; expected four numbers"),
        (table, "boxes.csv", "0.png,3,4,20,22,cat", "0.png,3,4,20,22,", "line 2: blank label"),
        (table, "boxes.csv", "0.png,3,4,20,22,cat", "9.png,3,4,20,22,cat", "line 2: '9.png' does not exist"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(layout, file, old, new, words, tmp_path):
    with pytest.raises(DataError, match=words) as told:
        open_boxes(edited(layout, tmp_path, file, old, new))
    assert "\n" not in str(told.value)


def test_an_annotation_without_its_image_is_said(tmp_path):
    spec = voc(tmp_path)
    (tmp_path / "JPEGImages" / "1.png").unlink()
    with pytest.raises(DataError, match=r"1\.xml: no image 1\.\* in .*JPEGImages; put it there"):
        open_boxes(spec)


def test_splits_have_the_same_categories(tmp_path):
    spec = table(tmp_path, "image,x1,y1,x2,y2,label,split")
    lines = Path(spec).read_text().splitlines()
    rows = [lines[0], *(f"{line},{'val' if line.startswith('4') else 'train'}" for line in lines[1:])]
    Path(spec).write_text("\n".join(rows))
    assert len(open_boxes(spec).val) == 1
    Path(spec).write_text("\n".join(rows).replace("4.png,2,30,28,59,dog", "4.png,2,30,28,59,owl"))
    with pytest.raises(DataError, match="val has classes that train lacks: owl; add train images of them"):
        open_boxes(spec)
    coco(tmp_path / "a")
    for split, name in (("train", "cat"), ("val", "hen")):
        (tmp_path / "c" / "annotations").mkdir(parents=True, exist_ok=True)
        (tmp_path / "c" / split).mkdir()
        content = json.loads((tmp_path / "a" / "boxes.json").read_text().replace('"cat"', f'"{name}"'))
        draw(tmp_path / "c", split)
        (tmp_path / "c" / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"instances_val\.json: other categories than .*instances_train\.json"):
        open_boxes(str(tmp_path / "c"))


def test_a_picture_has_no_more_boxes_than_fit(tmp_path):
    spec = table(tmp_path)
    with Path(spec).open("a") as file:
        file.write("1.png,1,2,33,50,dog\n" * MOST)
    with pytest.raises(DataError, match=rf"1.png: {MOST + 1} boxes; at most {MOST} are learnt"):
        open_boxes(spec)


def test_numbers_up_to_1_are_shares(tmp_path):
    draw(tmp_path)
    (tmp_path / "a.csv").write_text("image,cx,cy,w,h,label\n0.png,0.5,0.5,0.5,1,cat\n1.png,0.25,0.5,0.5,0.5,cat\n")
    data = open_box_images(str(tmp_path / "a.csv"))
    assert any("shares of width and height" in line for line in data.notes)
    assert [s.label.corners.tolist() for s in data.val] == [[[10, 0, 30, 30]], [[0, 12.5, 16.5, 37.5]]]


def test_the_box_around_a_polygon_is_taken(tmp_path):
    spec = yolo(tmp_path)
    (tmp_path / "labels" / "0.txt").write_text("1 0.1 0.2 0.5 0.1 0.4 0.9")
    np.testing.assert_allclose(open_box_images(spec).val[0].label.corners, [[4, 3, 20, 27]], atol=1e-12)


def test_a_trained_models_classes_decide(tmp_path):
    spec = table(tmp_path)
    data = open_boxes(spec, classes=("dog", "hen", "cat"), val_fraction=0.4)
    first = next(s for s in data.train + data.val if s.name == "0.png")
    assert (data.classes, first.label.classes.tolist()) == (("dog", "hen", "cat"), [2, 0])
    with pytest.raises(DataError, match=r"unknown class 'cat'.*the model's classes decide"):
        open_boxes(spec, classes=("dog",))
