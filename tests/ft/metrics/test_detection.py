"""COCO's figures against pycocotools, with ties, crowds and empty pictures; which detection is which box."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ft.errors import RecipeError
from ft.metrics.boxes import iou
from ft.metrics.detection import Found, Truth, as_coco, as_results, coco_scores, sigmas_of, sizes_of
from ft.metrics.matches import Outcome, confusion, false_by_size, match, missed_by_size
from ft.metrics.run_lengths import runs_of

FIGURES = ["AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR1", "AR10", "AR100"]
FIGURES += ["AR_small", "AR_medium", "AR_large"]


def made(seed, pictures=24, classes=4):
    """Return truths and detections: shifted boxes, wrong ones, scores of few values so that many are equal."""
    rng = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(pictures):
        count = int(rng.integers(0, 7))
        first = rng.uniform(0, 300, (count, 2))
        corners = np.concatenate([first, first + rng.uniform(4, 160, (count, 2))], axis=1)
        labels = rng.integers(0, classes, count)
        truths.append(Truth(corners, labels, rng.random(count) < 0.15))
        again = np.repeat(np.arange(count), 3)
        said = corners[again] + rng.normal(0, 5, (len(again), 4))
        said[:, 2:] = np.maximum(said[:, 2:], said[:, :2] + 1)
        names = np.where(rng.random(len(again)) < 0.8, labels[again], rng.integers(0, classes, len(again)))
        found.append(Found(said, np.round(rng.random(len(again)), 1), names))
    return truths, found


def with_masks(truths, found):
    """Return the same, each box with an ellipse in it, those that are found eaten at."""
    rng = np.random.default_rng(9)

    def drawn(corners, share):
        y, x = np.mgrid[:470, :470] + 0.5
        inside = [
            ((2 * x - a - c) / (c - a)) ** 2 + ((2 * y - b - d) / (d - b)) ** 2 < 1 for a, b, c, d in corners.tolist()
        ]
        return tuple(runs_of(mask & (rng.random(mask.shape) < share)) for mask in inside)

    return (
        [t._replace(masks=drawn(t.corners, 1.0)) for t in truths],
        [f._replace(masks=drawn(f.corners, 0.95)) for f in found],
    )


def reference(truths, found, classes, kind="bbox"):
    """Return pycocotools' figures and its array of precisions."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = as_coco(truths, [str(k) for k in range(classes)], **sizes_of(truths)) | {"info": {}}
        truth.createIndex()
        result = COCOeval(truth, truth.loadRes(as_results(found)), kind)
        if kind == "keypoints":
            result.params.kpt_oks_sigmas = sigmas_of(truths[0].points.shape[1])
        result.evaluate()
        result.accumulate()
        result.summarize()
    return result.stats, result.eval


@pytest.mark.parametrize("seed", range(5))
def test_the_figures_are_those_of_pycocotools(seed):
    truths, found = made(seed)
    scores = coco_scores(truths, found, 5)  # of the last class there is no box
    stats, arrays = reference(truths, found, 5)
    assert list(scores.figures) == FIGURES
    for name in ("precision", "recall"):  # pycocotools adds 2e-16 to what it divides by
        np.testing.assert_allclose(np.nan_to_num(getattr(scores, name), nan=-1), arrays[name], rtol=3e-16)
    np.testing.assert_allclose(np.nan_to_num([*scores.figures.values()], nan=-1), stats, rtol=1e-14)
    assert np.isnan(scores.by_class["AP"][4])
    assert np.nanmean(scores.by_class["AP"]) == pytest.approx(scores.figures["AP"], rel=1e-14)
    assert scores.curves.shape == (5, 101)


def with_points(truths, found, count):
    """Return the same, each box with keypoints; some of the truth are not marked, and of some objects none is."""
    rng = np.random.default_rng(4)

    def drawn(corners, noise):
        middle, sides = corners[:, None, :2], (corners[:, 2:] - corners[:, :2])[:, None]
        shares = np.linspace(0.2, 0.8, count)[None, :, None]
        return middle + sides * (shares + rng.normal(0, noise, (len(corners), count, 2)))

    truths = [
        t._replace(
            points=np.concatenate([p := drawn(t.corners, 0.0), np.full((*p.shape[:2], 1), 2.0)], -1)
            * ((rng.random((*p.shape[:2], 1)) < 0.7) & (rng.random((len(p), 1, 1)) < 0.9)),
            sizes=t.areas * 0.6,
        )
        for t in truths
    ]
    found = [f._replace(points=np.concatenate([p := drawn(f.corners, 0.02), p[..., :1]], -1)) for f in found]
    return truths, found


@pytest.mark.parametrize("count", [17, 5])
def test_the_figures_of_keypoints_are_those_of_pycocotools(count):
    truths, found = with_points(*made(5, pictures=12), count)
    stats, arrays = reference(truths, found, 4, "keypoints")
    scores = coco_scores(truths, found, 4, "keypoints")
    for name in ("precision", "recall"):
        np.testing.assert_allclose(np.nan_to_num(getattr(scores, name), nan=-1), arrays[name], rtol=3e-16)
    np.testing.assert_allclose(np.nan_to_num([*scores.figures.values()], nan=-1), stats, rtol=1e-14)
    assert list(scores.figures)[:5] == ["AP", "AP50", "AP75", "AP_medium", "AP_large"]
    assert 0.05 < scores.figures["AP"] < 0.95
    assert np.nanmean(scores.by_class["AP"]) == pytest.approx(scores.figures["AP"], rel=1e-14)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_figures_of_masks_are_those_of_pycocotools(kind):
    truths, found = with_masks(*made(3, pictures=4))
    stats, arrays = reference(truths, found, 4, kind)
    scores = coco_scores(truths, found, 4, kind)
    for name in ("precision", "recall"):
        np.testing.assert_allclose(np.nan_to_num(getattr(scores, name), nan=-1), arrays[name], rtol=3e-16)
    np.testing.assert_allclose(np.nan_to_num([*scores.figures.values()], nan=-1), stats, rtol=1e-14)
    other = coco_scores(truths, found, 4, {"bbox": "segm", "segm": "bbox"}[kind])
    assert other.figures["AP"] != pytest.approx(scores.figures["AP"], abs=1e-3)


def test_nothing_found_and_nothing_there():
    truths, found = made(0)
    empty = [Found(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))] * len(found)
    assert coco_scores(truths, empty, 4).figures["AP"] == 0
    nothing = [Truth(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, np.bool_))] * len(found)
    assert np.isnan(coco_scores(nothing, found, 4).figures["AP"])
    perfect = [Found(t.corners, np.ones(len(t.classes)), t.classes) for t in truths]
    assert coco_scores(truths, perfect, 4).figures["AP"] == pytest.approx(1)


def test_without_the_extra_the_line_names_it(monkeypatch):
    monkeypatch.setattr("ft.system.extras.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r'faster_coco_eval not installed; pip install "ft-parity\[detection\]"'):
        coco_scores(*made(0), 4)


def test_each_detection_is_the_box_that_it_is_nearest_to():
    truth = Truth(
        np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 90, 10.0]]),
        np.array([0, 1, 0, 1]),
        np.array([False, False, False, True]),
    )
    found = Found(
        np.array(
            [[0, 0, 10, 9], [0, 0, 10, 10], [20, 0, 30, 10], [60, 0, 85, 10], [40, 40, 50, 50], [40, 0, 50, 10.0]]
        ),
        np.array([0.9, 0.8, 0.7, 0.9, 0.6, 0.4]),
        np.array([0, 0, 0, 1, 1, 0]),
    )
    matches = match(truth, found)
    assert matches.said.tolist() == [0, 1, 2, 4]  # that on the box set aside is left out, the last is not sure
    assert matches.of.tolist() == [0, -1, 1, -1]
    assert matches.missed.tolist() == [2]
    assert Outcome.of(truth, found, matches) == (3, 4, 1, 2, 3)
    assert confusion(truth, found, matches, 2).tolist() == [[1, 0, 1], [1, 0, 0], [1, 1, 0]]
    assert missed_by_size(truth, found, matches, 2).tolist() == [[[2, 0, 0], [1, 0, 0]], [[1, 0, 0], [1, 0, 0]]]
    larger = found._replace(corners=found.corners * np.array([[1], [1], [1], [1], [8], [1]]))
    assert false_by_size(truth, larger, matches, 2).tolist() == [[2, 0, 0], [0, 1, 0]]


def test_any_number_of_detections_on_what_is_set_aside_count_for_nothing():
    corners = np.array([[0, 0, 40, 40], [100, 100, 140, 140.0]])
    found = [Found(corners[[1, 1, 0]], np.array([0.9, 0.85, 0.8]), np.zeros(3, np.int64))]
    for aside, expected in ((True, 1.0), (False, 0.834)):
        truth = [Truth(corners, np.zeros(2, np.int64), np.array([False, aside]))]
        assert coco_scores(truth, found, 1).figures["AP"] == pytest.approx(expected, abs=2e-3)


def test_a_box_of_its_own_class_goes_first():
    truth = Truth(np.array([[0, 0, 10, 10], [0, 0, 10, 9.0]]), np.array([0, 1]), np.array([False, False]))
    found = Found(np.array([[0, 0, 10, 10.0]]), np.array([0.9]), np.array([1]))
    assert match(truth, found).of.tolist() == [1]


def test_a_picture_without_boxes_has_false_ones_only():
    nothing = Truth(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, np.bool_))
    found = Found(np.array([[0, 0, 5, 5.0]]), np.array([0.9]), np.array([1]))
    assert Outcome.of(nothing, found, match(nothing, found)) == (0, 1, 0, 0, 1)
    assert confusion(nothing, found, match(nothing, found), 2)[2].tolist() == [0, 1, 0]
    assert iou(found.corners, nothing.corners).shape == (1, 0)
