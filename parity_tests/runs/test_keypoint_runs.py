"""Runs on objects with keypoints: both wings learn and find the same, either opens the other's run; refused data."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

import ft
from ft.api.export import FORMATS
from ft.api.side_by_side import compare_runs
from ft.cli.predict import predict
from ft.noise import generator
from ft.tasks.box_rows import read_boxes
from parity_tests.runs.test_box_runs import NEAR_TIES, exported, known
from parity_tests.support.pairs import TRAJECTORY

RECIPE = {
    "model": "keypointrcnn_mobilenet_v2_fpn", "weights": "none", "precision": "float64", "image_size": 64,
    "batch_size": 4, "lr": 1e-3, "epochs": 1, "workers": 0, "quiet": True, "schedule": "constant", "warmup_epochs": 0,
}  # fmt: skip
NAMES = ["middle", "left end", "right end"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """12 noisy images with a bright box each, of which three places are marked; a quarter of them validate."""
    root, rng = tmp_path_factory.mktemp("marked"), generator(0, "marked")
    files = {split: {"images": [], "annotations": []} for split in ("train", "val")}
    for i in range(12):
        pixels, file = rng.integers(60, 120, (56, 64, 3)).astype(np.uint8), files["train" if i % 4 else "val"]
        file["images"].append({"id": i, "file_name": f"{i:03}.png", "height": 56, "width": 64})
        top, left = rng.integers(0, 32, 2).tolist()
        pixels[top : top + 20, left : left + 24] = 250
        points = [left + 12, top + 10, 2, left + 2, top + 10, 2 * (i % 3 > 0), left + 22, top + 10, 1]
        file["annotations"].append(
            {"image_id": i, "category_id": 1, "bbox": [left, top, 24, 20], "area": 480, "keypoints": points}
        )
        Image.fromarray(pixels).save(root / f"{i:03}.png")
    (root / "annotations").mkdir()
    for split, file in files.items():
        file["categories"] = [{"id": 1, "name": "bar", "keypoints": NAMES}]
        (root / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(file))
    return str(root)


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """The head trained on kept features in each wing."""
    root = tmp_path_factory.mktemp("runs")
    return {wing: ft.finetune(**RECIPE, data=data, backend=wing, out=root / wing) for wing in ("torch", "tf")}


def test_both_wings_learn_and_find_the_same(runs, say):
    torch, tf = runs.values()
    assert known(torch.metrics) == pytest.approx(known(tf.metrics), rel=1e-10)
    assert {"AP", "keypoint_AP", "keypoint_AR_medium"} <= torch.metrics.keys()
    found = compare_runs(torch.folder, tf.folder)
    assert found.equal_predictions == 1
    assert max(found.largest_loss_difference, found.largest_head_difference) <= TRAJECTORY
    for ours, theirs in zip(*(read_boxes(run.folder) for run in runs.values()), strict=True):
        np.testing.assert_allclose(ours.found.corners, theirs.found.corners, atol=1e-8)
        np.testing.assert_allclose(ours.found.points, theirs.found.points, atol=1e-8)
        np.testing.assert_array_equal(ours.truth.points, theirs.truth.points)
    bias = load_file(torch.folder / "model.safetensors")["roi_heads.keypoint_predictor.kps_score_lowres.bias"]
    assert bias.shape == (len(NAMES),)
    assert "keypoint AP" in (torch.folder / "report.html").read_text()
    say(f"runs of keypoints: loss {found.largest_loss_difference:.1e}, head {found.largest_head_difference:.1e}")


def test_the_other_wing_finds_the_same_and_the_command_draws(runs, data, tmp_path, capsys):
    opened = ft.Run(runs["torch"].folder, backend="tf")
    image = f"{data}/004.png"
    ours, theirs = (run.boxes(image, score=0.0) for run in (runs["torch"], opened))
    assert len(ours) > 3
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.keypoints, b.keypoints, atol=1e-8)
        assert len(a.keypoints) == len(NAMES)
    words = [str(runs["torch"].folder), image, "--overlays", str(tmp_path / "drawn"), "--json", "--score", "0"]
    assert predict([*words, "--boxes", str(tmp_path / "found.json")]) == 0
    (row,), written = json.loads(capsys.readouterr().out), json.loads((tmp_path / "found.json").read_text())
    assert row["boxes"][0]["keypoints"] == [list(point) for point in ours[0].keypoints]
    assert written[0]["keypoints"] == [value for x, y, _ in ours[0].keypoints for value in (x, y, 1)]
    with Image.open(tmp_path / "drawn" / "004.jpg") as picture:
        assert picture.size == (64, 56)


@pytest.mark.parametrize(
    "format", [pytest.param(f, marks=[] if f == "savedmodel" else pytest.mark.slow) for f in FORMATS]
)
def test_in_an_exported_file_s_heatmaps_stand_the_other_wing_s_keypoints(format, runs, tmp_path, say):
    found = exported(runs["torch"], format, tmp_path, say, NEAR_TIES)
    assert found["heatmaps"].shape[2:] == (len(NAMES), 56, 56)


def test_data_with_another_number_of_keypoints_is_refused(runs, data, tmp_path):
    content = json.loads(Path(data, "annotations/person_keypoints_val.json").read_text())
    content["categories"][0]["keypoints"] = NAMES[:2]
    for annotation in content["annotations"]:
        del annotation["keypoints"][6:]
    (tmp_path / "val.json").write_text(json.dumps(content))
    for image in content["images"]:
        (tmp_path / image["file_name"]).write_bytes(Path(data, image["file_name"]).read_bytes())
    with pytest.raises(ft.DataError, match="2 keypoints, the network says 3"):
        runs["torch"].evaluate(str(tmp_path / "val.json"))
