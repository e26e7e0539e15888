"""RandAugment, jitter and erasing: torchvision's pixels at the same strengths, and draws that are spread as its are."""

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from ft.data import Distortion, Preprocess, Sample
from ft.data.images.distort import AREA, NAMES, apply_operation, draw_erased, jittered, strength
from ft.noise import generator
from tests.ft.data.made import made
from tests.oracle import autoaugment, functional, needs_torch, torch, transforms

pytestmark = needs_torch
SPACE = autoaugment.RandAugment()._augmentation_space(31, (61, 83))
PREPROCESS = Preprocess(18, 16, "bilinear", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.fixture
def picture(pixels):
    return Image.fromarray(pixels(61, 83))


def test_the_operations_are_torchvisions():
    assert tuple(SPACE) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_pixels_and_strengths_are_torchvisions(name, picture):
    magnitudes, signed = SPACE[name]
    for magnitude in range(31):
        ours = strength(name, magnitude, picture.size)
        assert ours == pytest.approx(float(magnitudes[magnitude]) if magnitudes.ndim else 0.0, rel=1e-6, abs=1e-6)
        for sign in (1, -1):
            by = ours * sign if signed else ours
            expected = autoaugment._apply_op(picture, name, by, transforms.InterpolationMode.NEAREST, None)
            assert np.array_equal(apply_operation(picture, name, ours * sign), expected), (magnitude, sign)


def test_randaugment_draws_operations_and_signs_evenly(pixels):
    """A picture after one operation is one of torchvision's, each as often."""
    image, count = pixels(20, 24), 600
    picture = Image.fromarray(image)
    possible = {}
    for name in NAMES:
        for sign in (1, -1):
            key = np.asarray(apply_operation(picture, name, sign * strength(name, 20, picture.size))).tobytes()
            possible[key] = possible.get(key, 0) + 1
    seen = dict.fromkeys(possible, 0)
    for i in range(count):
        seen[Distortion(1, 20).pixels(image, generator(0, "distort", 0, i)).tobytes()] += 1
    expected = np.array(list(possible.values())) * count / (2 * len(NAMES))
    assert stats.chisquare(list(seen.values()), expected).pvalue > 1e-4


def test_jitter_is_torchvisions_adjustments(picture):
    adjust = functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation
    orders = set()
    for sample in range(8):
        ours = jittered(picture, 0.4, 0.0, generator(0, "distort", 0, sample))
        rng = generator(0, "distort", 0, sample)
        factors, order = rng.uniform(0.6, 1.4, 3), rng.permutation(3)
        expected = picture
        for i in order:
            expected = adjust[i](expected, float(factors[i]))
        assert np.array_equal(ours, expected)
        orders.add(tuple(order))
    assert len(orders) > 3


def test_hue_is_torchvisions_adjustment_and_takes_its_turn(picture):
    adjust = (
        functional.adjust_brightness,
        functional.adjust_contrast,
        functional.adjust_saturation,
        functional.adjust_hue,
    )
    places = set()
    for sample in range(12):
        ours = jittered(picture, 0.3, 0.5, generator(0, "distort", 0, sample))
        rng = generator(0, "distort", 0, sample)
        strengths, order = [*rng.uniform(0.7, 1.3, 3), rng.uniform(-0.5, 0.5)], rng.permutation(4)
        expected = picture
        for i in order:
            expected = adjust[i](expected, float(strengths[i]))
        assert np.array_equal(ours, expected)
        places.add(list(order).index(3))
    assert places == {0, 1, 2, 3}
    only = Distortion(hue=0.3).pixels(np.asarray(picture), generator(0, "distort", 0, 0))
    assert np.abs(only.astype(int).max(2) - np.asarray(picture).max(2)).max() <= 1  # value stays, colours do not
    assert (only != np.asarray(picture)).mean() > 0.5


def test_a_factor_is_never_negative(pixels):
    black = np.zeros((4, 4, 3), np.uint8)
    for i in range(20):
        assert not Distortion(jitter=3.0).pixels(black, generator(0, "distort", 0, i)).any()


def test_erased_boxes_are_spread_as_torchvisions():
    torch.manual_seed(0)
    blank = torch.empty(3, 30, 40)
    params = transforms.RandomErasing.get_params
    boxes = np.array([params(blank, list(AREA), [0.3, 3.3], [0.0])[:4] for _ in range(2000)])
    ours = np.array([draw_erased(30, 40, generator(0, "distort", 0, i)) for i in range(2000)])
    for a, b in zip(ours.T, boxes.T, strict=True):
        assert stats.ks_2samp(a, b).pvalue > 1e-4


def test_erasing_leaves_a_box_of_the_mean_colour():
    image, erased = np.ones((30, 40, 3)), 0
    for i in range(200):
        seen = Distortion(erase=0.25).normalised(image.copy(), generator(0, "distort", 0, i))
        gone = seen[..., 0] == 0
        if gone.any():
            erased += 1
            top, left = np.argwhere(gone).min(0)
            bottom, right = np.argwhere(gone).max(0) + 1
            theirs = functional.erase(torch.ones(3, 30, 40), top, left, bottom - top, right - left, torch.zeros(1))
            assert np.array_equal(seen, theirs.permute(1, 2, 0).numpy())
    assert 25 < erased < 75


def test_nothing_of_a_single_pixel_is_erased():
    for i in range(20):
        _, _, height, width = draw_erased(1, 1, generator(0, "distort", 0, i))
        assert height * width == 0


@pytest.mark.parametrize(
    "distortion", [Distortion(14, 20), Distortion(jitter=0.4, hue=0.2), Distortion(2, 9, 0.4, 0.2)]
)
def test_grey_and_alpha(distortion, pixels):
    """Grey is distorted as colours that are alike; alpha goes where the colours go, and keeps its values."""
    image, black = pixels(20, 24), np.zeros((20, 24, 1), np.uint8)

    def distorted(image, sample):
        return distortion.pixels(image, generator(0, "distort", 0, sample))

    for sample in range(20):
        grey = image[:, :, :1]
        np.testing.assert_array_equal(distorted(grey, sample), distorted(grey.repeat(3, 2), sample)[:, :, :1])
        colours, alpha = np.split(distorted(np.dstack([image, black + 200]), sample), [3], axis=2)
        np.testing.assert_array_equal(colours, distorted(image, sample))
        assert set(np.unique(alpha)) <= {0, 200}
        assert distortion.operations or (alpha == 200).all()


def test_what_a_sample_gets_depends_on_seed_epoch_and_sample_alone(pixels):
    twins = [Sample("a", 0, pixels(20, 24)), Sample("b", 0, pixels(20, 24))]

    def image(seed, epoch, index, **fields):
        distortion = Distortion(**{"operations": 2, "jitter": 0.4, "erase": 1.0, **fields})
        ours = made(twins, PREPROCESS, batch_size=2, seed=seed, distortion=distortion)
        return ours.read(epoch, index).tobytes()

    assert len({image(7, 0, 0), image(8, 0, 0), image(7, 1, 0), image(7, 0, 1)}) == 4
    assert image(7, 0, 0) == image(7, 0, 0)
    plain = made(twins, PREPROCESS, batch_size=2).read(0, 0).tobytes()
    assert image(7, 0, 0, operations=0, jitter=0.0, erase=0.0) == plain
