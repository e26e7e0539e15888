"""The tests of what is decided about boxes, with a fault planted: each must fail."""

import numpy as np
import pytest

from ft.data.images.view import View
from ft.network.boxes import anchors, coding, defaults, matching, onestage, roi, sampling, ssd, suppression, training
from tests.ft.data import test_box_view as view_tests
from tests.ft.network import test_boxes as tests
from tests.ft.network import test_ssd as ssd_tests
from tests.oracle import needs_torch

pytestmark = needs_torch
ROI_WEIGHTS = tests.RESNET.roi_weights
move, middles, points, covers, picture_key, cell_anchors = (
    View.boxes,
    coding.middles,
    roi.points,
    suppression.covers,
    training.picture_key,
    anchors.cell_anchors,
)


def off_by_one(boxes):
    middle, sides = middles(boxes)
    return middle + 0.5, sides + 1


def unrounded(sizes, ratios):
    heights = np.sqrt(np.asarray(ratios))
    w, h = ((side[:, None] * np.asarray(sizes)).ravel() for side in (1 / heights, heights))
    return np.stack([-w, -h, w, h], axis=1) / 2


def by_float32_ratios(view, corners, height, width):
    """Return the boxes of a view, whose ratios are rounded as torchvision's resize_boxes has them."""
    rounding = [float(np.float32(ratio)) / ratio for ratio in (view.width / width, view.height / height)]
    return move(view, corners * np.tile(rounding, 2), height, width)


def at_least(a, b, threshold):
    return covers(a, b, np.nextafter(threshold, 0))


def first_wins(overlaps, low):
    matches, best = matching.match(overlaps, low=low, high=low), overlaps.argmax(1)
    matches[best[::-1]] = np.arange(len(overlaps))[::-1]
    return matches


def exact_sides(scale, following, ratios):
    """Return the sides of default boxes in float64, of which the clip is lost, too."""
    lying = [(scale * ratio**0.5, scale / ratio**0.5) for ratio in ratios]
    return np.array([(scale,) * 2, ((scale * following) ** 0.5,) * 2, *(s for own in lying for s in (own, own[::-1]))])


FAULTS = {
    "boxes are off by one": (coding, "middles", off_by_one, lambda: tests.test_coding(ROI_WEIGHTS)),
    "the clamp is lost": (coding, "LARGEST", np.inf, lambda: tests.test_coding(ROI_WEIGHTS)),
    "anchors are not rounded": (anchors, "cell_anchors", unrounded, lambda: tests.test_anchors(tests.RESNET)),
    "rows and columns are swapped": (
        anchors,
        "cell_anchors",
        lambda *given: cell_anchors(*given)[:, [1, 0, 3, 2]],
        lambda: tests.test_anchors(tests.RESNET),
    ),
    "boxes are aligned": (
        tests,
        "points",
        lambda starts, ends, scale, *rest, **more: points(
            starts - 0.5 / scale, ends - 0.5 / scale, scale, *rest, **more
        ),
        lambda: tests.test_roi_align(7, 2),
    ),
    "an overlap of the threshold is too much": (
        suppression,
        "covers",
        at_least,
        tests.test_suppression_among_equals,
    ),
    "the last of equals is the best": (
        tests,
        "best_first",
        lambda scores, count=None: (len(scores) - 1 - np.argsort(-scores[::-1], kind="stable"))[:count],
        tests.test_best_first_has_a_total_order,
    ),
    "no object is rescued": (
        tests,
        "match",
        lambda *given, **options: matching.match(*given, **{**options, "rescue": False}),
        lambda: tests.test_matching(0.3, 0.7, True),
    ),
    "the draw forgets the position": (
        tests,
        "picture_key",
        lambda *parts: picture_key(*parts[:3], 0),
        tests.test_samples_follow_step_purpose_position_and_no_other_box,
    ),
    "another sampler, by a generator of its own": (
        sampling,
        "keys_of",
        lambda numbers, key, rng=np.random.default_rng(0): rng.permutation(len(numbers)),  # noqa: B008
        tests.test_samples,
    ),
    "ratios of a picture are float32": (
        View,
        "boxes",
        by_float32_ratios,
        view_tests.test_what_is_evaluated_says_how_its_own_pixels_are_found,
    ),
    "default boxes are float64": (
        defaults,
        "cell_sides",
        exact_sides,
        lambda: ssd_tests.test_default_boxes(ssd_tests.LITE, ssd_tests.IMAGE),
    ),
    "the first of several objects wins": (
        ssd_tests,
        "match_each",
        first_wins,
        ssd_tests.test_every_object_has_its_best_box_and_the_last_of_several_wins,
    ),
    "no object has its best box": (
        onestage,
        "match_each",
        lambda overlaps, low: matching.match(overlaps, low=low, high=low),
        lambda: ssd_tests.test_loss(ssd_tests.LITE),
    ),
    "two negatives an object": (
        ssd_tests,
        "shares",
        lambda losses, classes, ratio: ssd.shares(losses, classes, ratio - 1),
        lambda: ssd_tests.test_loss(ssd_tests.LITE),
    ),
    "the easiest negatives": (
        ssd_tests,
        "shares",
        lambda losses, classes, ratio: ssd.shares(-losses, classes, ratio),
        lambda: ssd_tests.test_loss(ssd_tests.LITE),
    ),
    "the best scores of all classes together": (
        ssd,
        "best_of_classes",
        lambda scores, least, count: np.unravel_index(suppression.best_first(scores.ravel(), count), scores.shape),
        lambda: ssd_tests.test_detections(ssd_tests.LITE),
    ),
    "background is a class of the user's": (
        tests,
        "lesson",
        lambda scores, said, boxes, labels, **more: training.lesson(scores, said, boxes, labels - 1, **more),
        tests.test_lesson_of_a_picture_without_boxes,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(monkeypatch, fault):
    module, name, faulty, check = FAULTS[fault]
    forget()
    check()
    forget()
    monkeypatch.setattr(module, name, faulty)
    with pytest.raises(AssertionError):
        check()
    forget()


def forget():
    for kept in (anchors.grid_anchors, defaults.default_boxes):
        kept.cache_clear()
