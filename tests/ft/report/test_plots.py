"""The picture of the curves: always there, right in what it shows, whatever the numbers are."""

import warnings

import numpy as np
import pytest
from PIL import Image

from ft.report import plots
from ft.report.plots import plot_curves
from ft.tasks.classification import SINGLE


def run(epochs, steps, bad=None):
    log, ends = [], []
    for step in range(1, epochs * steps + 1):
        log.append({"step": step, "epoch": (step - 1) // steps + 1, "loss": bad if bad != 0 else 1 / step})
        if step % steps == 0:
            value = bad if bad != 0 else 1 / step
            ends.append(
                {
                    "epoch_end": True,
                    "epoch": step // steps,
                    "step": step,
                    "loss": value,
                    "val_loss": value,
                    "top1": value,
                }
            )
            log.append(ends[-1])
    return log, ends


@pytest.mark.parametrize(
    ("log", "ends"),
    [
        run(1, 45, 0),
        run(20, 5, 0),
        run(1, 1, 0),
        run(3, 4, None),
        run(2, 4, float("nan")),
        run(2, 4, float("inf")),
        ([], []),
        (run(1, 5, 0)[0][:3], []),
        ([], run(2, 3, 0)[1]),
    ],
    ids=["one", "twenty", "single", "null", "nan", "inf", "empty", "begun", "no steps"],
)
def test_any_run_gives_a_picture(tmp_path, log, ends):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_curves(log, ends, tmp_path / "curves.png", task=SINGLE, title=r"a $\x$ run")
    with Image.open(tmp_path / "curves.png") as image:
        image.load()
        assert image.format == "PNG"
        assert image.width > 2 * image.height


def test_the_same_run_gives_the_same_bytes(tmp_path):
    for name in "ab":
        plot_curves(*run(2, 5, 0), tmp_path / name, task=SINGLE)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def panels(log, ends):
    from matplotlib.figure import Figure

    loss, accuracy = Figure().subplots(1, 2)
    plots.draw_loss(loss, log, ends, SINGLE)
    plots.draw_score(accuracy, ends, SINGLE.score)
    return [{line.get_label(): line.get_xydata() for line in axes.lines} for axes in (loss, accuracy)]


def test_the_lines_show_the_numbers():
    ends = [
        {"epoch": 1, "step": 2, "loss": 1.5, "val_loss": 3.0, "top1": 0.25, "train_top1": 0.125},
        {"epoch": 2, "step": 4, "loss": 0.5, "val_loss": None, "top1": 0.75, "train_top1": 0.5},
    ]
    log = [{"step": s, "loss": 4.0 - s} for s in (1, 2, 3, 4)] + [{"epoch_end": True, **ends[0]}]
    loss, accuracy = panels([row for row in log if "epoch_end" not in row], ends)
    np.testing.assert_array_equal(loss["train, each step"], [[0.5, 3], [1, 2], [1.5, 1], [2, 0]])
    np.testing.assert_array_equal(loss["train, epoch mean"], [[1, 1.5], [2, 0.5]])
    np.testing.assert_array_equal(loss["validation"], [[1, 3], [2, np.nan]])
    np.testing.assert_array_equal(accuracy["validation"], [[1, 25], [2, 75]])
    np.testing.assert_array_equal(accuracy["train, in its steps"], [[1, 12.5], [2, 50]])


def test_what_is_not_known_has_no_line():
    loss, accuracy = panels([], [{"epoch": 1, "step": 2, "loss": 1.5}])
    assert set(loss) == {"train, each step", "train, epoch mean"}
    assert not accuracy
