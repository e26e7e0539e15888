"""What the report says of overfitting: each rule in a case that calls for it, and silence where chance explains all."""

import numpy as np
import pytest

from ft import recipe as recipes
from ft.recipe import Recipe
from ft.report.training.advice import advise
from ft.tasks.sections import Answers

FALLING = [1.0, 0.8, 0.7, 0.65, 0.63]
FLAT = [0.7, 0.65, 0.65, 0.65, 0.65]
RISING = [0.9, 0.5, 0.55, 0.7, 0.8]
RIGHT = Answers(180, 180, 60)


def said(train=0.92, val=0.9, losses=FLAT, answers=RIGHT, images=1000, **fields):
    """Return kinds, findings and suggestions for a run with these figures."""
    result = {
        "recipe": recipes.to_dict(Recipe(**fields)),
        "data": {"train": 4 * images, "val": images},
        "metrics": {"top1": val, "loss": 0.3},
        "train_metrics": {"top1": train, "loss": 0.2, "images": images},
    }
    epochs = [{"epoch": i, "val_loss": loss} for i, loss in enumerate(losses, start=1)]
    found = advise(result, epochs, answers)
    return [each.kind for each in found], " ".join(e.found for e in found), " ".join(e.try_this for e in found)


def test_all_is_well():
    kinds, found, tries = said()
    assert (kinds, tries) == (["good"], "")
    assert "no gap beyond the 2.6 points that chance explains" in found


@pytest.mark.parametrize(("images", "kind"), [(1000, "warn"), (50, "good")])
def test_a_gap_counts_only_beyond_chance(images, kind):
    kinds, found, _ = said(train=0.98, val=0.92, images=images)
    assert kinds == [kind]
    assert ("a gap of 6.0 points, where chance explains about 1.9" in found) == (kind == "warn")


def test_the_standard_error_is_that_of_a_difference_of_shares():
    rng = np.random.default_rng(0)
    differences = rng.binomial(1000, 0.92, 20000) / 1000 - rng.binomial(1000, 0.9, 20000) / 1000
    assert 200 * differences.std() == pytest.approx(2.555, abs=0.05)


@pytest.mark.parametrize(
    ("fields", "there", "missing"),
    [
        ({}, ["--augment crop-flip", "--mixup", "--l2 0.001", "--label-smoothing"], ["--randaugment", "--l2sp"]),
        ({"freeze": "none"}, ["--l2sp", "freezing the first stages"], ["--l2 0.001"]),
        ({"freeze": "none", "weights": "none"}, ["--l2 0.001"], ["--l2sp"]),
        ({"augment": "crop-flip"}, ["--randaugment"], ["--augment"]),
        ({"mixup": 0.2, "weight_decay": 1e-4, "label_smoothing": 0.1}, [], ["--mixup", "--l2", "--label-smoothing"]),
    ],
)
def test_nothing_is_suggested_that_is_in_use(fields, there, missing):
    kinds, _, tries = said(train=1.0, val=0.8, **fields)
    assert kinds == ["bad"]
    assert tries.endswith("more training images")
    assert all(word in tries for word in there)
    assert not any(word in tries for word in missing)


def test_a_validation_loss_that_turned():
    kinds, found, tries = said(losses=RISING)
    assert kinds == ["bad", "good"]
    assert "lowest after epoch 2 (0.5000) and has risen to 0.8000" in found
    assert tries.strip() == "--epochs 2 or --patience 3 or --result best"
    assert "--result" not in said(losses=RISING, result="best")[2]


def test_a_training_that_ended_too_early():
    kinds, found, tries = said(losses=FALLING, epochs=5)
    assert kinds == ["warn", "good"]
    assert "still fell by 3.1 % in the last epoch" in found
    assert "--epochs 10" in tries


def test_too_little_room():
    assert "--freeze none" in said(train=0.7, val=0.7)[2]
    assert "--freeze" not in said(train=0.7, val=0.7, freeze="none")[2]
    assert "less augmentation" not in said(train=0.7, val=0.7)[2]
    assert "less augmentation" in said(train=0.7, val=0.7, mixup=0.2)[2]


def test_no_better_than_guessing():
    kinds, found, _ = said(answers=Answers(100, 50, 50))
    assert kinds[0] == "bad"
    assert "50.0 % of the images, no better than always saying the most frequent class (50.0 %)" in found


@pytest.mark.parametrize("losses", [[], [1.0, None], [1.0, float("nan")]])
def test_losses_that_are_no_numbers(losses):
    assert said(losses=losses)[1] == "The losses are not all finite numbers."


def test_a_run_of_an_older_version():
    result = {
        "recipe": recipes.to_dict(Recipe()),
        "data": {"train": 9, "val": 9},
        "metrics": {"top1": 0.5, "loss": 1.0},
    }
    found = advise(result, [{"epoch": 1, "val_loss": 1.0}], RIGHT)
    assert [each.kind for each in found] == ["warn"]
