"""COCO's JSON drawn into masks: against rectangles, run lengths packed here, and panoptic numbers."""

import json

import numpy as np
import pytest
from PIL import Image

from ft.data import holds_masks, open_mask_images, open_masks
from ft.data.sources.masks.polygons import covered
from ft.errors import DataError
from ft.metrics.run_lengths import unpack

HEIGHT, WIDTH = 12, 17
CATEGORIES = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]


def box(left, top, right, below):
    return [left, top, right, top, right, below, left, below]


def content(*annotations, images=(0,), **given):
    rows = [{"id": i, "file_name": f"{i}.png", "height": HEIGHT, "width": WIDTH} for i in images]
    return {"images": rows, "annotations": list(annotations), "categories": CATEGORIES} | given


def inside(row):
    return not row.get("file_name", "..").startswith("..")


@pytest.fixture
def write(tmp_path):
    """Write images and one JSON file below tmp_path."""

    def write(name, data, folder="images"):
        for row in data["images"] if all(map(inside, data["images"])) else ():
            path = tmp_path / folder / row["file_name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.full((HEIGHT, WIDTH, 3), row["id"], np.uint8)
            Image.fromarray(pixels).save(path)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data))
        return str(path)

    return write


def pack(counts):
    """Return COCO's text of run lengths: 5 bits a character, the sign in the last one's bit 4, bit 5 for more."""
    text = ""
    for i, count in enumerate(counts):
        rest = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            bits, rest = rest & 31, rest >> 5
            more = rest != (-1 if bits & 16 else 0)
            text += chr(48 + (bits | 32 * more))
    return text


def test_a_polygon_covers_the_pixels_whose_centres_it_holds():
    inside = covered([box(2, 3, 5, 7)], HEIGHT, WIDTH)
    assert (inside[3:7, 2:5].all(), inside.sum()) == (True, 12)
    assert np.array_equal(covered([box(2.4, 3, 5.4, 7)], HEIGHT, WIDTH), inside)  # the centre of column 2 is at 2.5
    assert covered([box(-9, -9, 99, 99)], HEIGHT, WIDTH).all()
    bow = covered([[0, 0, 8, 8, 8, 0, 0, 8]], HEIGHT, WIDTH)  # crosses itself
    y, x = np.mgrid[:8, :8] + 0.5
    sure = abs(y - 4) != abs(x - 4)  # centres on an edge are of one side, whichever
    assert np.array_equal(bow[:8, :8][sure], (abs(y - 4) < abs(x - 4))[sure])


def test_run_lengths_go_down_the_columns_as_a_list_or_as_text():
    inside = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.1
    flat = inside.T.reshape(-1)
    ends = np.flatnonzero(np.diff(flat.astype(int), prepend=0, append=2))
    counts = np.diff(ends, prepend=0).tolist()
    assert np.array_equal(covered({"size": [HEIGHT, WIDTH], "counts": counts}, HEIGHT, WIDTH), inside)
    assert unpack(pack([3, 40, 7, 500, 1, 49])) == [3, 40, 7, 500, 1, 49]
    assert np.array_equal(covered({"size": [HEIGHT, WIDTH], "counts": pack(counts)}, HEIGHT, WIDTH), inside)


def test_later_shapes_lie_over_earlier_ones_and_a_crowd_is_ignored(write):
    shapes = [
        {"image_id": 0, "category_id": 7, "segmentation": [box(0, 0, 4, 4)]},
        {"image_id": 0, "category_id": 3, "segmentation": [box(2, 0, 6, 4), box(8, 8, 9, 9)]},
        {"image_id": 0, "category_id": 3, "iscrowd": 1, "segmentation": {"size": [12, 17], "counts": [192, 12]}},
    ]
    for split, images in (("train", (0, 1)), ("val", (2, 3))):
        write(f"annotations/instances_{split}2017.json", content(*shapes, images=images), f"{split}2017")
        write(f"annotations/captions_{split}2017.json", content(images=images, annotations=0), f"{split}2017")
    root = write("note.json", content(images=())).rpartition("/")[0]
    data = open_masks(root)
    assert (holds_masks(root), data.classes) == (True, ("background", "cat", "dog"))
    assert [s.name for s in data.train + data.val] == [
        f"{s}2017/{i}.png" for i, s in enumerate(["train"] * 2 + ["val"] * 2)
    ]
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[:4, :4], expected[:4, 2:6], expected[8, 8], expected[:, 16] = 2, 1, 1, 255
    assert np.array_equal(data.train[0].label.read(), expected)
    assert not data.val[0].label.read().any()


def test_panoptic_numbers_are_categories_and_0_is_ignored(write, tmp_path):
    numbers = np.random.default_rng(0).choice([0, 5, 300, 70000, 70001], (HEIGHT, WIDTH))
    segments = [{"id": n, "category_id": c} for n, c in ((5, 3), (300, 7), (70000, 3))]
    segments.append({"id": 70001, "category_id": 7, "iscrowd": 1})
    path = write("pan.json", content({"image_id": 0, "file_name": "0.png", "segments_info": segments}))
    (tmp_path / "pan").mkdir()
    rgb = np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], -1).astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / "pan/0.png")
    data = open_mask_images(path)
    assert data.classes == ("cat", "dog")
    expected = {0: 255, 5: 0, 300: 1, 70000: 0, 70001: 255}
    assert np.array_equal(data.val[0].label.read(), np.vectorize(expected.get)(numbers))
    Image.fromarray(rgb + np.uint8(1)).save(tmp_path / "pan/0.png")
    with pytest.raises(DataError, match=r"pan/0.png: value \d+ in \d+ pixels"):
        data.val[0].label.read()


def test_what_is_no_coco_is_one_line(write):
    shape = {"image_id": 0, "category_id": 7, "segmentation": [box(0, 0, 4, 4)]}
    for data, words in (
        (content(shape | {"category_id": 8}), r"image 0: category 8 is not among the categories"),
        (content(shape, categories=None), "no list of categories; expected COCO's JSON"),
        (content(shape, images=()) | {"images": [{"id": 1}]}, r"images\[0\] has no file_name"),
        (content(shape) | {"categories": [{"id": i, "name": str(i)} for i in range(255)]}, "256 classes; at most 255"),
    ):
        with pytest.raises(DataError, match=words):
            open_mask_images(write("a.json", data))
    for segmentation, words in (
        ([[1, 2, 3]], "a polygon of 3 numbers"),
        ([["a"] * 6], "could not convert"),
        ({"size": [12, 17], "counts": [5]}, "run lengths that sum to 5; expected 204"),
        ({"size": [17, 12], "counts": [204]}, r"run lengths of \[17, 12\]"),
        (7, "not iterable"),
    ):
        path = write("a.json", content(shape | {"segmentation": segmentation}))
        mask = open_mask_images(path).val[0].label
        for look in (mask.read, lambda path=path: open_masks(path)):  # the second before training
            with pytest.raises(DataError, match=f"a.json, image 0: a segmentation that cannot be drawn .*{words}"):
                look()
    outside = content(shape)
    outside["images"][0]["file_name"] = "../x.png"
    with pytest.raises(DataError, match="leaves the data"):
        open_mask_images(write("a.json", outside))
