"""`ft data check` of boxes: what training would stop at, and what it would suffer from in silence."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ft.cli.data import data
from ft.data import Policy
from ft.data.check.check import check_data
from ft.report.data import render_html, render_text
from tests.ft.data.test_boxes import coco, table, yolo


def kinds(check):
    return {finding.kind: finding for finding in check.findings}


def test_clean_boxes_are_counted(tmp_path):
    check = check_data(yolo(tmp_path), policy=Policy(), val_fraction=0.4)
    assert check.status != "errors"
    assert [(c.label, c.images, round(c.boxes, 3)) for c in check.classes] == [("cat", 3, 0.429), ("dog", 3, 0.571)]
    assert dict(check.facts)["boxes"].startswith("7, 1.40 an image; 86% small, 14% medium, 0% large")
    assert len(kinds(check)["no box"]) == 1
    assert "42.86%" in render_text(check)
    assert "42.86 %" in render_html(check, max_pixels=10**6)


def test_bad_twin_and_tiny_boxes_are_named(tmp_path):
    spec = table(tmp_path)
    with Path(spec).open("a") as file:
        file.write("2.png,5,5,70,20,cat\n3.png,1,1,20,1.5,dog\n4.png,1,1,9,9,dog\n")
    check = check_data(spec, policy=Policy(), image_size=64)
    found = kinds(check)
    ((name, detail),) = found["box"].items
    assert (name, check.status) == ("2.png", "errors")
    assert "x1 5, y1 5, x2 70, y2 20 reach out of its picture of 64x48 pixels" in detail
    assert [line.partition(": ")[2] for _, line in found["duplicates"].items] == ["dog as cat, too", "dog as cat, too"]
    assert found["tiny boxes"].items[0][0] == "3.png"
    assert "2.6 pixels and 1 more" in found["tiny boxes"].items[0][1]


def test_a_box_is_tiny_as_the_network_sees_it(tmp_path, capsys):
    """Fitted into a square a long picture is small; it keeps its shape with --max-size."""
    Image.fromarray(np.zeros((40, 400, 3), np.uint8)).save(tmp_path / "long.png")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("image,x1,y1,x2,y2,label\nlong.png,5,5,17,17,cat\n")
    for flags, told in (
        ([], "boxes with a side under 4 pixels once the image is fitted into 100x100"),
        (["--max-size", "1000"], None),
        (["--max-size", "120"], "once the image has a short side of 100, or a long one of 120"),
    ):
        data(["check", str(boxes), "--quiet", "--json", "--image-size", "100", *flags])
        findings = json.loads(capsys.readouterr().out)["findings"]
        titles = [finding["title"] for finding in findings if finding["kind"] == "tiny boxes"]
        assert (told in titles[0]) if told else not titles


def test_another_form_is_recognised(tmp_path):
    """Sides under the names of corners, and y before x."""
    draw = np.zeros((60, 200, 3), np.uint8)
    rows = ["image,x1,y1,x2,y2,label"]
    for i in range(6):
        Image.fromarray(draw).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{100 + i},20,{60 + i},30,cat")
    (tmp_path / "a.csv").write_text("\n".join(rows))
    title = kinds(check_data(str(tmp_path / "a.csv"), policy=Policy()))["form"].title
    assert title == "100% of the boxes are none as x1, y1, x2, y2; as x, y, width, height all are boxes"
    rows = [rows[0], *(f"{i}.png,5,{100 + i},30,{150 + i},cat" for i in range(6))]
    (tmp_path / "b.csv").write_text("\n".join(rows))
    assert (
        "as x1, y1, x2, y2, x and y exchanged all"
        in kinds(check_data(str(tmp_path / "b.csv"), policy=Policy()))["form"].title
    )


@pytest.mark.parametrize("drawn", [False, True])
def test_coco_is_looked_at_as_what_it_holds(drawn, tmp_path):
    spec = coco(tmp_path)
    content = json.loads(Path(spec).read_text())
    for annotation in content["annotations"]:
        x, y, w, h = annotation["bbox"]
        annotation["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]] if drawn else []
    Path(spec).write_text(json.dumps(content))
    check = check_data(spec, policy=Policy())
    assert [c.label for c in check.classes] == [*["background"] * drawn, "cat", "dog"]
    assert [c.label for c in check_data(spec, policy=Policy(), boxes=True).classes] == ["cat", "dog"]


def test_the_command(tmp_path, capsys):
    spec = table(tmp_path)
    assert data(["check", spec, "--quiet", "--val-fraction", "0.4"]) == 0
    assert "7, 1.40 an image" in capsys.readouterr().out
    with Path(spec).open("a") as file:
        file.write("0.png,1,1,99,9,cat\n")
    assert data(["check", spec, "--quiet", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["classes"][0]["boxes"] > 0


def test_masks_that_teach_nonsense_are_named(tmp_path):
    """Each is a warning: boxes can be learnt all the same."""
    spec = coco(tmp_path)
    content = json.loads(Path(spec).read_text())
    _, second, *others = content["annotations"]
    for annotation in others:
        x, y, w, h = annotation["bbox"]
        annotation["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    others[0]["segmentation"], others[1]["segmentation"] = [[0.6, 0.6, 0.9, 0.6, 0.9, 0.9]], [[1, 2, 3]]
    x, y, w, h = others[2]["bbox"]
    others[2]["segmentation"] = [[x, y - 9, x + w, y - 9, x + w, y + h, x, y + h]]
    second["iscrowd"] = 1
    Path(spec).write_text(json.dumps(content))
    check = check_data(spec, policy=Policy(), boxes=True, val_fraction=0.4)
    found = kinds(check)
    assert [detail for _, detail in found["no mask"].items] == [f"{spec} annotations[0]"]
    assert [detail for _, detail in found["empty mask"].items] == [f"{spec} annotations[2]"]
    ((name, detail),) = found["mask"].items
    assert (name, detail.partition(" (a polygon")[0]) == (
        "images/3.png", f"{spec} annotations[3]: its segmentation cannot be drawn",
    )  # fmt: skip
    ((_, detail),) = found["mask outside"].items
    assert detail.endswith("annotations[4]: by 9 pixels")
    assert all(found[kind].level == "warning" for kind in ("no mask", "empty mask", "mask", "mask outside"))
    assert "mask" not in kinds(check_data(coco(tmp_path / "plain"), policy=Policy(), val_fraction=0.4))


def test_keypoints_that_teach_nonsense_are_named(tmp_path):
    """Each is a warning: boxes can be learnt all the same."""
    spec = coco(tmp_path)
    content = json.loads(Path(spec).read_text())
    third, second, first, *others = content["annotations"]
    for annotation in (first, second, third, *others):
        x, y, _, _ = annotation["bbox"]
        annotation["keypoints"] = [x, y, 2, x, y, 1, 0, 0, 0]
    for category in content["categories"]:
        category.update(keypoints=["tip", "left ear", "tail"], skeleton=[[1, 2], [2, 4]])
    first["keypoints"][:3], second["keypoints"] = [-9, 3, 2], [1, 2]
    third["keypoints"][:3] = [third["bbox"][0] + 1, third["bbox"][1] + third["bbox"][3] + 2.5, 3]
    others[0]["keypoints"] = [0] * 9
    Path(spec).write_text(json.dumps(content))
    check = check_data(spec, policy=Policy(), boxes=True, val_fraction=0.4)
    found = {kind: [detail for _, detail in finding.items] for kind, finding in kinds(check).items()}
    assert found["keypoint outside"] == [f"{spec} annotations[2]: tip at -9, 3"]
    told = "keypoints: 2 values; expected 9 numbers, x, y and visibility of 3"
    assert found["keypoints"] == [f"{spec} annotations[1]: {told}"]
    assert found["keypoint beside"] == [f"{spec} annotations[0]: tip by 2.5 pixels"]
    assert found["visibility"] == [f"{spec} annotations[0]: tip 3"]
    assert found["no keypoint"] == [f"{spec} annotations[3]"]
    assert kinds(check)["unmarked"].title == "keypoints that are marked nowhere in train: tail"
    assert kinds(check)["mirror"].title == "keypoints of a side that lack the other one: left ear"
    assert kinds(check)["skeleton"].title == "the skeleton joins (2, 4); keypoints are 1 to 3"
    assert dict(check.facts)["keypoints"].startswith("3: tip, left ear, tail; marked of an object: ")
    for category in content["categories"]:
        del category["skeleton"]
    content["annotations"] = [{**row, "keypoints": [0] * 9} for row in content["annotations"]]
    Path(spec).write_text(json.dumps(content))
    found = kinds(check_data(spec, policy=Policy(), boxes=True, val_fraction=0.4))
    assert found["unmarked"].title == "no object of train has a marked keypoint"
    assert found["skeleton"].title.startswith("no skeleton")
    content["categories"][0]["keypoints"] = ["other"]
    Path(spec).write_text(json.dumps(content))
    found = kinds(check_data(spec, policy=Policy(), boxes=True, val_fraction=0.4))
    assert found["keypoints"].title == "dog, cat have other keypoints each; train on one of them at a time"
