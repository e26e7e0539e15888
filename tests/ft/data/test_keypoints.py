"""Keypoints of objects: they move exactly with the pixels, left becomes right in a mirror; what is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from ft.data import Augmentation, Boxes, Preprocess, Reading, Sample, Sampling, open_boxes
from ft.data.batches.points import PointBatches
from ft.data.images.view import View
from ft.data.sources.box import Pointed
from ft.data.sources.boxes.points import mirrored
from ft.errors import DataError
from ft.tasks.box_task import truths_in
from ft.tasks.keypoints import KEYPOINTS

PREPROCESS = Preprocess(96, 96, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
HEIGHT, WIDTH = 40, 56
NAMES = ("nose", "left_eye", "right_eye", "Tail left", "tail right")


def pictures(count=8):
    """Return pictures of one object each with two dots, green on its left and red on its right, and these as points."""
    for i in range(count):
        rng = np.random.default_rng(i)
        height, width = rng.integers(70, 140, 2).tolist()
        pixels, marked = np.zeros((height, width, 3), np.uint8), []
        for channel in (0, 1):
            x, y = rng.integers(9, 60, 2).tolist()
            pixels[y - 4 : y + 4, x - 4 : x + 4, channel] = 255
            marked.append((x, y, 2))
        points = np.array([marked], float)
        first, last = points[0, :, :2].min(0) - 8, points[0, :, :2].max(0) + 8
        box = np.clip(np.concatenate([first, last]), 0, [width, height] * 2)
        pointed = Pointed(points, np.array([9.0]), (1, 0))
        yield Sample(f"{i}.png", Boxes.of(height, width, box, np.array([0]), pointed=pointed), pixels)


@pytest.mark.parametrize("augment", ["none", "flip", "crop-flip"])
def test_keypoints_move_with_the_pixels(augment):
    """A mirrored picture has its left dot on the other side, and the network is told that it is a right one."""
    teach = KEYPOINTS.teach(classes=1, dtype="float64")
    batches = PointBatches(
        list(pictures()), PREPROCESS, Sampling(4, 5, shuffle=True), Augmentation(augment=augment), Reading("float64"),
        teach=teach,
    )  # fmt: skip
    met, mirrors = 0, 0
    for epoch in range(4):
        for batch in batches.epoch(epoch):
            rows = zip(np.asarray(batch.inputs), batch.targets["points"], batch.indices, strict=True)
            for picture, points, index in rows:
                label = batches.samples[index].label
                flip = batches.view(epoch, index, label.height, label.width).flip
                mirrors += flip
                for k, (x, y, seen) in enumerate(points[0].tolist()):
                    rows_of, columns = np.nonzero(picture[..., k ^ flip] > 0.5)
                    if not seen or not 6 < x < 90 or not 6 < y < 90 or len(columns) < 20:
                        continue
                    met += 1
                    assert abs(columns.mean() + 0.5 - x) < 0.8
                    assert abs(rows_of.mean() + 0.5 - y) < 0.8
    assert met > 20
    assert (mirrors > 5) == (augment != "none")


def test_one_that_does_not_show_is_not_marked():
    view = View(96, 200, 100, top=-50, left=-10)
    points = np.array([[[50, 50, 2], [2, 50, 1], [50, 10, 2], [60, 60, 0.0]]])
    moved = view.points(points, 100, 100, (0, 1, 2, 3))
    np.testing.assert_array_equal(moved[0], [[40, 50, 2], [0, 0, 0], [0, 0, 0], [0, 0, 0]])


def test_which_is_which_in_a_mirror():
    assert mirrored(NAMES) == (0, 2, 1, 4, 3)
    assert mirrored(("left", "tip")) == (0, 1)


def write(root, keypoints, *, names=NAMES, **more):
    """Write COCO's JSON of two pictures with an object each."""
    images = [{"id": i, "file_name": f"{i}.png", "height": HEIGHT, "width": WIDTH} for i in range(2)]
    for row in images:
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(root / row["file_name"])
    whole = [n for k in range(5) for n in (5 + k, 6, 2)]
    annotations = [
        {"image_id": i, "category_id": 1, "bbox": [4, 5, 46, 28], "keypoints": own, **more}
        for i, own in enumerate((keypoints, whole))
    ]
    categories = [{"id": 1, "name": "cat", "keypoints": list(names)}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "a.json").write_text(json.dumps(content))
    return str(root / "a.json")


def test_they_are_read_as_coco_writes_them(tmp_path):
    spec = write(tmp_path, [9, 9, 0, 10.5, 20, 1, 30, 33, 2, 0, 0, 0, 56, 40, 2], area=77.5)
    data = open_boxes(spec, marks="keypoints")
    assert (data.keypoints, data.labels) == (NAMES, "boxes")
    (label,) = (s.label for s in data.train + data.val if s.name == "0.png")
    assert label.points.tolist() == [[[0, 0, 0], [10.5, 20, 1], [30, 33, 2], [0, 0, 0], [56, 40, 2]]]
    assert (label.areas.tolist(), label.swaps) == ([77.5], (0, 2, 1, 4, 3))
    teach = KEYPOINTS.teach(classes=1, dtype="float32")
    (batch,) = PointBatches(data.train + data.val, PREPROCESS, Sampling(4), teach=teach).epoch(0)
    truths = truths_in(batch.targets)
    assert [truth.areas.tolist() for truth in truths] == [[77.5]] * 2
    assert {tuple(truth.points.shape) for truth in truths} == {(1, 5, 3)}
    (label,) = (s.label for s in open_boxes(spec).train)
    assert label.points is None


def test_an_object_may_have_none(tmp_path):
    data = open_boxes(write(tmp_path, None), marks="keypoints")
    (label,) = (s.label for s in data.train + data.val if s.name == "0.png")
    assert not label.points.any()
    assert label.areas.tolist() == [46 * 28]


@pytest.mark.parametrize(
    ("keypoints", "told"),
    [
        ([1, 2, 2], "keypoints: 3 values; expected 15 numbers, x, y and visibility of 5"),
        ("abc", "keypoints: str; expected 15 numbers"),
        ([0, 0, 0] * 4 + [57.5, 3, 2], "keypoint 5 at 57.5, 3 lies outside of its picture; correct it"),
        ({"area": "big"}, "area big; expected the pixels that the object covers"),
        ({"area": -1}, "area -1; expected"),
    ],
)
def test_what_is_none_is_refused_with_its_place(tmp_path, keypoints, told):
    spec = write(tmp_path, None, **keypoints) if isinstance(keypoints, dict) else write(tmp_path, keypoints)
    with pytest.raises(DataError, match=rf"annotations\[0\] of 0.png: {told}"):
        open_boxes(spec, marks="keypoints")
    open_boxes(spec)


def test_sources_without_keypoints_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"a.json: no category names keypoints; write them as COCO does"):
        open_boxes(write(tmp_path, None, names=()), marks="keypoints")
    with pytest.raises(DataError, match="scenes has no keypoints; pass COCO's JSON with some"):
        open_boxes("scenes", marks="keypoints")


def yolo(root, line, *, shape=(3, 3), **more):
    """Write YOLO's files of two pictures with an object each, the first by `line`."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(exist_ok=True)
    whole = "0 .5 .5 .5 .5" + (" .5 .5 2" if shape[1] == 3 else " .5 .5") * shape[0]
    for i, own in enumerate((line, whole)):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(root / "images" / f"{i}.png")
        (root / "labels" / f"{i}.txt").write_text(own + "\n")
    content = {"train": "images", "names": ["cat"], "kpt_shape": list(shape), **more}
    (root / "data.yaml").write_text(json.dumps(content))
    return str(root / "data.yaml")


@pytest.mark.parametrize(
    ("shape", "points"), [((3, 3), ".25 .5 2 0 0 0 1 .1 1"), ((3, 2), ".25 .5 0 0 1 .1")], ids=["visible", "places"]
)
def test_yolo_poses_are_keypoints_in_shares(tmp_path, shape, points):
    """Of two numbers a keypoint, one at 0, 0 is not marked; with an even count of them all a line is no polygon."""
    spec = yolo(tmp_path, f"0 .5 .5 .5 .5 {points}", shape=shape, flip_idx=[1, 0, 2])
    data = open_boxes(spec, marks="keypoints")
    assert data.keypoints == ("1", "2", "3")
    (label,) = (s.label for s in data.train + data.val if s.name == "images/0.png")
    seen = 1 if shape[1] == 3 else 2
    assert label.points[0].tolist() == [[14, 20, 2], [0, 0, 0], [56, pytest.approx(4), seen]]
    assert (label.swaps, label.corners.tolist()) == ((1, 0, 2), [[14, 10, 42, 30]])
    assert open_boxes(spec).train[0].label.points is None


def test_names_of_yolo_poses_say_what_is_which_in_a_mirror(tmp_path):
    names = {"kpt_names": {0: ["nose", "left eye", "right eye"]}}
    data = open_boxes(yolo(tmp_path, "0 .5 .5 .5 .5", **names), marks="keypoints")
    assert data.keypoints == ("nose", "left eye", "right eye")
    assert {s.label.swaps for s in data.train + data.val} == {(0, 2, 1)}


@pytest.mark.parametrize(
    ("line", "more", "told"),
    [
        ("0 .5 .5 .5 .5 .2 .2 2", {}, "0.txt line 1: .*; expected class x y width height and 3 keypoints of 3 numbers"),
        ("0 .5 .5 .5 .5" + " 1.2 .5 2" * 3, {}, "0.txt line 1 of images/0.png: keypoint 1 at 67.2, 20 lies outside"),
        ("", {"kpt_shape": [3]}, r"data.yaml: kpt_shape \[3\]; expected \[keypoints, 2 or 3\]"),
        ("", {"flip_idx": [0, 0, 1]}, r"data.yaml: flip_idx \[0, 0, 1\]; expected each of 0 to 2 once"),
        ("", {"kpt_names": ["a", "a", "b"]}, "data.yaml: kpt_names; expected 3 of them"),
    ],
)
def test_yolo_poses_that_are_none_are_refused(tmp_path, line, more, told):
    with pytest.raises(DataError, match=told):
        open_boxes(yolo(tmp_path, line, **more), marks="keypoints")


@pytest.mark.parametrize("by", ["file", "folder"])
def test_a_published_file_of_keypoints_by_its_path(tmp_path, by):
    """As COCO has it: annotations/ beside the folder of images, a crowd without a marked keypoint."""
    write(tmp_path, [0, 0, 0] * 5)
    content = json.loads((tmp_path / "a.json").read_text())
    crowd, other = content["annotations"]
    crowd["iscrowd"] = 1
    content["annotations"].append({**other, "image_id": 0})
    annotations, images = tmp_path / "annotations", tmp_path / "val2017"
    annotations.mkdir()
    images.mkdir()
    for i in range(2):
        (tmp_path / f"{i}.png").rename(images / f"{i}.png")
    file = annotations / ("person_keypoints_val2017.json" if by == "file" else "instances_default.json")
    file.write_text(json.dumps(content))
    if by == "folder":
        images.rename(tmp_path / "images")
    (tmp_path / "a.json").unlink()
    data = open_boxes(str(file if by == "file" else tmp_path), marks="keypoints")
    assert {s.name.split("/")[0] for s in data.train + data.val} == {"val2017" if by == "file" else "images"}
    assert sum(s.label.aside.sum() for s in data.train + data.val) == 1
