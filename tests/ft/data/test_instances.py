"""Masks of objects: they move exactly with the pixels, from polygons and run lengths; what is refused in one line."""

import json

import numpy as np
import pytest
from PIL import Image

from ft.data import Augmentation, Boxes, Policy, Preprocess, Reading, Sample, Sampling, open_boxes
from ft.data.batches.instances import InstanceBatches
from ft.data.check.check import check_data
from ft.data.images.preprocess import RESAMPLING
from ft.data.sources.boxes.outlines import masks_of
from ft.data.sources.masks.scenes import make_scenes
from ft.errors import DataError
from ft.metrics.run_lengths import Runs, runs_of
from ft.tasks.box_task import truths_in
from ft.tasks.instances import INSTANCES

PREPROCESS = Preprocess(90, 90, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
HEIGHT, WIDTH = 40, 56
RING = [[4, 5, 30, 5, 30, 33, 4, 33], [40, 10, 50, 10, 50, 20, 40, 20]]  # in two parts


def pictures(count=6):
    """Return pictures whose channels are the masks of their objects, and these."""
    for i in range(count):
        rng = np.random.default_rng(i)
        height, width = rng.integers(60, 140, 2).tolist()
        pixels, boxes = np.zeros((height, width, 3), np.uint8), []
        for k in range(int(rng.integers(0, 4))):
            x, y = int(rng.integers(0, width - 24)), int(rng.integers(0, height - 24))
            w, h = int(rng.integers(12, width - x)), int(rng.integers(12, height - y))
            pixels[y : y + h, x : x + w, k] = 255 * (rng.random((h, w)) < 0.7)
            boxes.append((x, y, x + w, y + h))
        shapes = [runs_of(pixels[..., k] > 0).as_coco for k in range(len(boxes))]
        label = Boxes.of(height, width, np.array(boxes), np.arange(len(boxes)), shapes=shapes)
        yield Sample(f"{i}.png", label, pixels)


@pytest.mark.parametrize("augment", ["none", "flip", "crop-flip"])
def test_masks_move_exactly_with_the_pixels(augment, monkeypatch):
    """A picture that is resized by its nearest pixels is its own masks."""
    monkeypatch.setitem(RESAMPLING, "bilinear", Image.Resampling.NEAREST)
    teach = INSTANCES.teach(classes=3, dtype="float64")
    batches = InstanceBatches(
        list(pictures()), PREPROCESS, Sampling(3, 5, shuffle=True), Augmentation(augment=augment), Reading("float64"),
        teach=teach,
    )  # fmt: skip
    met = 0
    for batch in (batch for epoch in range(3) for batch in batches.epoch(epoch)):
        masks = np.unpackbits(batch.targets["masks"], axis=-1, count=90).astype(bool)
        for picture, own, labels in zip(np.asarray(batch.inputs), masks, batch.targets["box_labels"], strict=True):
            for mask, k in zip(own, labels.tolist(), strict=True):
                met += k >= 0
                np.testing.assert_array_equal(mask, (picture[..., k] > 0) & (k >= 0))
        assert ("own_masks" in batch.targets) == (augment == "none")
    assert met > 15


def test_what_is_judged_has_its_masks_in_its_own_pixels():
    samples = list(pictures())
    teach = INSTANCES.teach(classes=3, dtype="float32")
    batches = InstanceBatches(samples, PREPROCESS, Sampling(4), teach=teach)
    truths = [truth for batch in batches.epoch(0) for truth in truths_in(batch.targets)]
    for truth, sample in zip(truths, samples, strict=True):
        assert truth.masks == tuple(
            Runs(sample.label.height, sample.label.width, s["counts"]) for s in sample.label.shapes
        )
    (unknown,) = InstanceBatches([Sample("a", 0, samples[0].source)], PREPROCESS, Sampling(4), teach=teach).epoch(0)
    assert unknown.targets["masks"].shape == (1, 8, 90, 12)


def test_the_masks_of_scenes_are_what_is_drawn():
    data = open_boxes("scenes", marks="masks")
    for sample, scene in zip(data.train, make_scenes(), strict=False):
        masks = list(masks_of(sample.label))
        np.testing.assert_array_equal(np.any(masks, 0) if masks else 0 * scene.mask, scene.mask > 0)
        for mask, (x1, y1, x2, y2) in zip(masks, scene.boxes.tolist(), strict=True):
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            assert (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) == (x1, y1, x2, y2)
    assert open_boxes("scenes").train[0].label.shapes is None


def write(root, *segmentations, **more):
    """Write COCO's JSON of two pictures, whose first has an object for each segmentation."""
    images = [{"id": i, "file_name": f"{i}.png", "height": HEIGHT, "width": WIDTH} for i in range(2)]
    for row in images:
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(root / row["file_name"])
    rows = [(0, s) for s in segmentations] + [(1, RING)]
    annotations = [
        {"image_id": i, "category_id": 1, "bbox": [4, 5, 46, 28], "segmentation": s, **more} for i, s in rows
    ]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "ring"}]}
    (root / "a.json").write_text(json.dumps(content))
    return str(root / "a.json")


def test_polygons_and_run_lengths_of_either_form_are_the_same_mask(tmp_path):
    whole = np.zeros((HEIGHT, WIDTH), bool)
    whole[5:33, 4:30] = True
    whole[10:20, 40:50] = True
    packed = runs_of(whole)
    flat = whole.T.ravel()
    counts = np.diff(np.flatnonzero(np.diff(flat.astype(int), prepend=0, append=2)), prepend=0).tolist()
    spec = write(tmp_path, RING, packed.as_coco, {"size": [HEIGHT, WIDTH], "counts": counts})
    data = open_boxes(spec, marks="masks")
    (sample,) = (s for s in data.train + data.val if s.name == "0.png")
    first, *others = masks_of(sample.label)
    assert len(others) == 2
    for other in others:
        np.testing.assert_array_equal(first, other)
    assert open_boxes(spec).train[0].label.shapes is None


@pytest.mark.parametrize(
    ("segmentation", "told"),
    [
        ([], "it has no mask; draw one, or train a network for boxes alone"),
        (None, "it has no mask"),
        ([[1, 2, 3, 4]], r"its segmentation cannot be drawn \(a polygon of 4 numbers; expected x, y of three"),
        ([["a", 2, 3, 4, 5, 6]], r"cannot be drawn \(could not convert string to float"),
        ({"size": [9, 9], "counts": [81]}, r"cannot be drawn \(run lengths of \[9, 9\], the image has \[40, 56\]"),
        ({"size": [HEIGHT, WIDTH], "counts": [3]}, r"cannot be drawn \(run lengths that sum to 3; expected 2240"),
        ({"counts": [3]}, r"cannot be drawn \('size'\)"),
        (7, "cannot be drawn"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_its_place(tmp_path, segmentation, told):
    spec = write(tmp_path, segmentation)
    with pytest.raises(DataError, match=rf"annotations\[0\] of 0.png: .*{told}") as error:
        open_boxes(spec, marks="masks")
    assert "\n" not in str(error.value)
    open_boxes(spec)


def test_a_crowd_without_a_mask_covers_its_box(tmp_path):
    spec = write(tmp_path, None, RING)
    content = json.loads((tmp_path / "a.json").read_text())
    content["annotations"][0]["iscrowd"] = 1
    (tmp_path / "a.json").write_text(json.dumps(content))
    data = open_boxes(spec, marks="masks")
    (sample,) = (s for s in data.train + data.val if s.name == "0.png")
    mask = next(masks_of(sample.label))
    assert (mask.sum(), mask[5:33, 4:50].all()) == (28 * 46, True)


def test_sources_without_masks_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("image,x1,y1,x2,y2,label\n0.png,1,1,5,5,a\n")
    with pytest.raises(DataError, match=r"a.csv holds boxes without masks; pass scenes, COCO's JSON with"):
        open_boxes(str(tmp_path / "a.csv"), marks="masks")


def test_polygons_of_yolo_are_masks(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for i in range(2):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / "images" / f"{i}.png")
        corners = [(4, 5), (30, 5), (30, 33), (4, 33)]
        line = " ".join(f"{x / WIDTH!r} {y / HEIGHT!r}" for x, y in corners)
        (tmp_path / "labels" / f"{i}.txt").write_text(f"0 {line}\n")
    (sample,) = open_boxes(str(tmp_path), marks="masks").train
    (mask,) = masks_of(sample.label)
    assert (mask[5:33, 4:30].all(), mask.sum()) == (True, 28 * 26)
    (tmp_path / "labels" / "1.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(DataError, match=r"1.txt line 1 of images/1.png: it has no mask"):
        open_boxes(str(tmp_path), marks="masks")


def voc(root, pixels, listed=True):
    """Write Pascal VOC's files of three pictures with two objects each; of the last, no pixels are numbered."""
    for folder in ("JPEGImages", "Annotations", "SegmentationObject", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    objects = "".join(
        f"<object><name>cat</name><bndbox><xmin>{x}</xmin><ymin>6</ymin><xmax>{x + 9}</xmax><ymax>20</ymax></bndbox>"
        "</object>"
        for x in (3, 31)
    )
    for i in range(3):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(root / "JPEGImages" / f"{i}.png")
        (root / "Annotations" / f"{i}.xml").write_text(f"<annotation>{objects}</annotation>")
        if i < 2:
            drawn = Image.fromarray(pixels if i == 0 else numbered())
            drawn.putpalette([*range(256)] * 3)
            drawn.save(root / "SegmentationObject" / f"{i}.png")
    if listed:
        (root / "ImageSets/Segmentation/train.txt").write_text("0\n")
        (root / "ImageSets/Segmentation/val.txt").write_text("1\n")
    return str(root)


def numbered():
    """Return the numbers of two objects with an edge between them and the rest."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[5:20, 2:12], pixels[5:20, 30:40] = 1, 2
    pixels[5, 2:12] = 255
    return pixels


@pytest.mark.parametrize("listed", [True, False])
def test_numbers_of_pascal_s_objects_are_masks(tmp_path, listed):
    spec = voc(tmp_path, numbered(), listed)
    data = open_boxes(spec, marks="masks")
    assert len(data.train + data.val) == 2
    assert any("images without a file in SegmentationObject: 1" in note for note in data.notes) == (not listed)
    (sample,) = (s for s in data.train + data.val if s.name == "JPEGImages/0.png")
    first, second = masks_of(sample.label)
    np.testing.assert_array_equal(first, numbered() == 1)
    np.testing.assert_array_equal(second, numbered() == 2)
    assert open_boxes(spec).train[0].label.shapes is None


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (numbered() * (numbered() != 2), "object 2 of JPEGImages/0.png: it has no mask"),
        (
            np.where(np.eye(HEIGHT, WIDTH) > 0, 7, numbered()).astype(np.uint8),
            "0.png: pixels of object 7, where 2 are listed",
        ),
        (numbered()[:-1], "0.png: 56x39 pixels, its image here has 56x40"),
    ],
)
def test_numbers_that_are_none_of_the_objects_are_refused(tmp_path, pixels, told):
    with pytest.raises(DataError, match=told):
        open_boxes(voc(tmp_path, pixels), marks="masks")
    found = {finding.kind for finding in check_data(str(tmp_path), policy=Policy(), boxes=True).findings}
    assert found & {"no mask", "mask"}
