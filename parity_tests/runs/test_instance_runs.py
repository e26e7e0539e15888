"""Runs on objects with masks: both wings learn and find the same, either opens the other's, the files are COCO's."""

import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import ft
from ft.api.export import FORMATS
from ft.api.side_by_side import compare_runs
from ft.cli.predict import predict
from ft.noise import generator
from ft.tasks.box_rows import read_boxes
from parity_tests.runs.test_box_runs import NEAR_TIES, exported, known
from parity_tests.support.pairs import TRAJECTORY

RECIPE = {
    "model": "maskrcnn_mobilenet_v2_fpn", "weights": "none", "precision": "float64", "image_size": 64,
    "batch_size": 4, "lr": 1e-3, "epochs": 2, "workers": 0, "quiet": True, "schedule": "constant", "warmup_epochs": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """12 noisy images with a red triangle and a green square as COCO's JSON; a quarter of them validate."""
    root, rng = tmp_path_factory.mktemp("shapes"), generator(0, "shapes")
    files = {split: {"images": [], "annotations": []} for split in ("train", "val")}
    for i in range(12):
        pixels, file = rng.integers(60, 120, (56, 64, 3)).astype(np.uint8), files["train" if i % 4 else "val"]
        file["images"].append({"id": i, "file_name": f"{i:03}.png", "height": 56, "width": 64})
        for k, corners in enumerate(([(0, 0), (24, 0), (0, 20)], [(0, 0), (24, 0), (24, 20), (0, 20)])):
            top, left = rng.integers(0, 32, 2).tolist()
            polygon = [n for x, y in corners for n in (x + left, y + top)]
            y, x = np.mgrid[:20, :24]
            inside = (x / 24 + y / 20 < 1) | (k == 1)
            pixels[top : top + 20, left : left + 24, k][inside] = 250
            file["annotations"].append(
                {"image_id": i, "category_id": 3 + 6 * k, "bbox": [left, top, 24, 20], "segmentation": [polygon]}
            )
        Image.fromarray(pixels).save(root / f"{i:03}.png")
    (root / "annotations").mkdir()
    for split, file in files.items():
        file["categories"] = [{"id": 3, "name": "red"}, {"id": 9, "name": "green"}]
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(file))
    return str(root)


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """The head trained on kept features in each wing."""
    root = tmp_path_factory.mktemp("runs")
    return {wing: ft.finetune(**RECIPE, data=data, backend=wing, out=root / wing) for wing in ("torch", "tf")}


def test_both_wings_learn_and_find_the_same(runs, say):
    torch, tf = runs.values()
    assert known(torch.metrics) == pytest.approx(known(tf.metrics), rel=1e-10)
    assert {"AP", "mask_AP", "mask_AR100"} <= torch.metrics.keys()
    found = compare_runs(torch.folder, tf.folder)
    assert found.equal_predictions == 1
    assert max(found.largest_loss_difference, found.largest_head_difference) <= TRAJECTORY
    for ours, theirs in zip(*(read_boxes(run.folder) for run in runs.values()), strict=True):
        np.testing.assert_allclose(ours.found.corners, theirs.found.corners, atol=1e-8)
        assert ours.truth.masks == theirs.truth.masks
        assert ours.found.masks == theirs.found.masks
    assert "mask AP" in (torch.folder / "report.html").read_text()
    say(f"runs of masks: loss {found.largest_loss_difference:.1e}, head {found.largest_head_difference:.1e}")


@pytest.mark.parametrize(("kind", "prefix"), [("bbox", ""), ("segm", "mask_")])
def test_the_files_of_a_run_are_cocos(runs, kind, prefix):
    folder = runs["torch"].folder
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "boxes.json"))
        result = COCOeval(truth, truth.loadRes(str(folder / "detections.json")), kind)
        result.evaluate()
        result.accumulate()
        result.summarize()
    ours = [runs["torch"].metrics[prefix + name] for name in ("AP", "AP50", "AP75", "AP_small")]
    np.testing.assert_allclose(np.nan_to_num(np.array(ours, float), nan=-1), result.stats[:4], rtol=1e-12)


def test_the_other_wing_finds_the_same_masks_and_the_command_draws_them(runs, data, tmp_path, capsys):
    opened = ft.Run(runs["torch"].folder, backend="tf")
    image = f"{data}/004.png"
    ours, theirs = (run.boxes(image, score=0.0) for run in (runs["torch"], opened))
    assert [box.label for box in ours] == [box.label for box in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a.mask.shape == (56, 64)
        np.testing.assert_array_equal(a.mask, b.mask)
    words = [str(runs["torch"].folder), image, "--overlays", str(tmp_path / "drawn"), "--json", "--score", "0"]
    assert predict([*words, "--boxes", str(tmp_path / "found.json")]) == 0
    (row,), written = json.loads(capsys.readouterr().out), json.loads((tmp_path / "found.json").read_text())
    assert [own["segmentation"] for own in row["boxes"]] == [box.runs.as_coco for box in ours]
    assert [own["segmentation"] for own in written] == [box.runs.as_coco for box in ours]
    assert {(own["category_id"], own["category"]) for own in written} == {(3, "red"), (9, "green")}
    with Image.open(tmp_path / "drawn" / "004.jpg") as picture:
        assert picture.size == (64, 56)
    with pytest.raises(ft.RecipeError, match=r"masks: .* is an instances run"):
        predict([str(runs["torch"].folder), data, "--masks", str(tmp_path)])


@pytest.mark.parametrize(
    "format", [pytest.param(f, marks=[] if f == "torch-export" else pytest.mark.slow) for f in FORMATS]
)
def test_an_exported_file_says_the_masks_that_the_other_wing_says(format, runs, tmp_path, say):
    found = exported(runs["torch"], format, tmp_path, say, NEAR_TIES)
    assert found["masks"].shape[2:] == (28, 28)
    assert found["masks"][found["classes"] < 0].max(initial=0) == 0 < found["masks"].max()


@pytest.mark.slow
def test_a_run_goes_on_in_the_other_wing(runs, data, tmp_path, say):
    half = ft.finetune(**{**RECIPE, "epochs": 1}, data=data, backend="torch", out=tmp_path / "parts")
    run = ft.finetune(resume=half.folder, epochs=2, backend="tf", quiet=True)
    found = compare_runs(runs["torch"].folder, run.folder)
    assert max(found.largest_loss_difference, found.largest_head_difference) <= TRAJECTORY
    say(f"masks, begun in torch, resumed in tf: head {found.largest_head_difference:.1e}")


def test_boxes_without_masks_are_refused(data, tmp_path):
    (tmp_path / "a.csv").write_text("image,x1,y1,x2,y2,label\n0.png,1,1,5,5,a\n")
    with pytest.raises(ft.DataError, match="holds boxes without masks"):
        ft.finetune(**RECIPE, data=str(tmp_path / "a.csv"), backend="torch", out=tmp_path / "run")
