"""What the report advises: runs that are staged to go wrong, each rule where it is called for, and not by chance."""

import re
import shutil

import numpy as np
import pytest

from ft import recipe as recipes
from ft.data import open_dataset
from ft.data.sources.dataset import data_facts
from ft.metrics.calibration import reliability_of
from ft.recipe import Recipe
from ft.report.training.advice import advise
from ft.report.training.page import calibration_words
from ft.tasks.sections import Answers, Page
from tests.ft.report.staged import Stage, staged

STAGED = {  # a run that goes wrong in a known way, and what the report says first
    "diverged": (Stage(lr=3000, hidden=0, spread=2), "The training diverged: the validation loss is "),
    "underfit": (Stage(rings=True, hidden=2, spread=0.1, epochs=30), "It has stopped improving at "),
    "overfit": (Stage(train=60, clutter=60, epochs=30), "The final network is right on 100.0 % of 60 training images "),
    "noisy labels": (Stage(noise=0.4, spread=0.3, train=3000, epochs=6, hidden=0), "It is as sure of its mistakes ("),
    "leak": (Stage(facts={"leaked": 7}), "7 of the 500 validation images are training images, too, "),
    "rate too high": (Stage(lr=10, spread=1.5, hidden=0, epochs=12), "The learning rate is too high: "),
    "rate too low": (Stage(lr=1e-4), "The learning rate is too low: over 10 epochs the training loss crept "),
    "tiny val": (Stage(val=12), "12 validation images are too few to tell: "),
    "imbalance": (
        Stage(classes=2, shares=(0.93, 0.07), spread=2.5),
        "9#.# % of the validation images are of one ",
    ),
    "wrong normalisation": (
        Stage(blind=0.15, hidden=0, recipe={"freeze": "base", "weights": "mine.pth"}),
        "With the frozen features of mine.pth it is right on ",
    ),
    "frozen random base": (
        Stage(recipe={"freeze": "base", "weights": "none"}),
        "The frozen part (base) started from random numbers and never trained",
    ),
    "plateau": (Stage(epochs=20, hidden=0, lr=1, spread=1), "Nothing has got better since epoch "),
    "good": (Stage(val=2000), "The final network is right on "),
}


@pytest.mark.parametrize("name", STAGED)
def test_what_is_said_first_of_a_run_that_went(name, tmp_path):
    stage, words = STAGED[name]
    advice = advise(*staged(stage, tmp_path))
    assert re.match(re.escape(words).replace(r"\#", r"\d"), advice[0].found), advice[0].found
    assert (advice[0].kind == "good") == (name == "good") == (not advice[0].try_this)


FALLING = [1.0, 0.8, 0.7, 0.65, 0.63]
FLAT = [0.7, 0.65, 0.65, 0.65, 0.65]
RISING = [0.9, 0.5, 0.55, 0.7, 0.8]
RIGHT = Answers(180, 180, 60)


def said(train=0.92, val=0.9, losses=FLAT, answers=RIGHT, images=1000, scores=(), more=None, **fields):
    """Return kinds, findings and suggestions for a run with these figures; more: of its model.json."""
    result = {
        "recipe": recipes.to_dict(Recipe(**fields)),
        "data": {"train": 4 * images, "val": images},
        "metrics": {"top1": val, "loss": 0.3},
        "train_metrics": {"top1": train, "loss": 0.2, "images": images},
        **(more or {}),
    }
    epochs = [{"epoch": i, "val_loss": loss} for i, loss in enumerate(losses, start=1)]
    for row, score in zip(epochs, scores, strict=False):
        row["top1"] = score
    advice = advise(result, epochs, Page((), answers))
    return [each.kind for each in advice], " ".join(e.found for e in advice), " ".join(e.try_this for e in advice)


def test_all_is_well():
    kinds, told, tries = said()
    assert (kinds, tries) == (["good"], "")
    assert "no gap beyond the 2.6 points that chance explains" in told


@pytest.mark.parametrize(("images", "kind"), [(1000, "warn"), (50, "good")])
def test_a_gap_counts_only_beyond_chance(images, kind):
    kinds, told, _ = said(train=0.98, val=0.92, images=images)
    assert kinds == [kind]
    assert ("a gap of 6.0 points, where chance explains about 1.9" in told) == (kind == "warn")


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
        ({"augment": "flip"}, ["--augment crop-flip"], ["--randaugment"]),
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
    kinds, told, tries = said(losses=RISING)
    assert kinds == ["bad", "good"]
    assert "lowest after epoch 2 (0.5000) and has risen to 0.8000" in told
    assert tries.strip() == "--epochs 2 or --patience 3 or --result best"
    assert "--result" not in said(losses=RISING, result="best")[2]


def test_a_training_that_ended_too_early():
    kinds, told, tries = said(losses=FALLING, epochs=5)
    assert kinds == ["warn", "good"]
    assert "still fell by 3.1 % in the last epoch" in told
    assert "--epochs 10" in tries


def test_too_little_room():
    assert "--freeze none" in said(train=0.7, val=0.7)[2]
    assert "--freeze" not in said(train=0.7, val=0.7, freeze="none")[2]
    assert "less augmentation" not in said(train=0.7, val=0.7)[2]
    assert "less augmentation" in said(train=0.7, val=0.7, mixup=0.2)[2]


def test_no_better_than_guessing():
    kinds, told, _ = said(answers=Answers(100, 50, 50))
    assert kinds[0] == "bad"
    assert "50.0 % of the images, no better than always saying the most frequent class (50.0 %)" in told


@pytest.mark.parametrize("losses", [[1.0, None], [1.0, float("nan")]])
def test_losses_that_are_no_numbers(losses):
    assert said(losses=losses)[1] == "The training diverged: its losses are not all finite numbers."
    assert said(losses=[])[1] == "No epoch was logged, so there is no curve to judge."


def test_a_run_of_an_older_version():
    result = {
        "recipe": recipes.to_dict(Recipe()),
        "data": {"train": 900, "val": 900},
        "metrics": {"top1": 0.5, "loss": 1.0},
    }
    advice = advise(result, [{"epoch": 1, "val_loss": 1.0}], Page((), RIGHT))
    assert [each.kind for each in advice] == ["warn"]


def test_the_best_epoch_is_named_where_another_one_was_kept():
    _, told, tries = said(val=0.7, train=0.7, scores=[0.6, 0.8, 0.78, 0.75, 0.7], freeze="none")
    assert "The best epoch was 2, accuracy 80.0 %; the run ends with the weights of epoch 5, 70.0 %." in told
    assert "--resume RUN --result best, which trains nothing" in tries
    lucky = said(scores=[0.9, 0.91, 0.9, 0.9, 0.9])
    assert (lucky[0], lucky[2].strip()) == (["good", "good"], "")
    assert "within the 4.3 points by which the best of so many is lucky" in lucky[1]
    kept = said(scores=[0.6, 0.9, 0.7, 0.7, 0.7], losses=RISING, result="best", more={"epoch": 2})
    assert kept[0] == ["good"] * 3
    assert "The run kept its best epoch, 2 of 5: accuracy 90.0 %." in kept[1]


def test_a_loss_that_turned_while_the_accuracy_held():
    kinds, told, tries = said(losses=RISING, scores=[0.7, 0.9, 0.9, 0.89, 0.9])
    assert kinds == ["warn", "good"]
    assert "while its accuracy held: it does not err more often, it is more sure of its mistakes" in told
    assert tries.startswith("--label-smoothing 0.1, --epochs 2 or")
    assert "smoothing" not in said(losses=RISING, scores=[0.9] * 5, label_smoothing=0.1)[2]
    assert said(losses=RISING, images=12)[0][0] == "warn"  # of so few images it is chance


def test_curves_before_a_change_of_the_loss_are_another_measure():
    losses = [{"epoch": i, "val_loss": 0.5, "loss": loss} for i, loss in enumerate((0.1, 0.1, 2.0, 1.9), start=1)]
    result = {"recipe": recipes.to_dict(Recipe(label_smoothing=0.5)), "data": {"train": 9, "val": 9}, "metrics": {}}
    history = [{"epoch": 0, "recipe": {}}, {"epoch": 2, "recipe": {"label_smoothing": 0.5}}]
    assert "diverged" in advise(result, losses, Page(()))[0].found
    assert "diverged" not in advise({**result, "history": history}, losses, Page(()))[0].found


def test_better_on_what_it_never_saw():
    kinds, told, tries = said(train=0.8, val=0.95)
    assert kinds[0] == "warn"
    assert "better by 15.0 points on what it never saw, where chance explains about 4.3" in told
    assert "ft data check digits" in tries


@pytest.mark.parametrize(
    ("right", "fields", "there", "missing"),
    [
        (0.5, {}, ["label smoothing, mixup, fewer"], ["less"]),
        (0.5, {"mixup": 0.2, "label_smoothing": 0.1}, ["overconfident: fewer epochs"], ["mixup", "smoothing"]),
        (1.0, {}, ["too modest: more epochs"], ["less", "mixup"]),
        (1.0, {"mixup": 0.2}, ["less mixup, more epochs"], ["label smoothing"]),
    ],
)
def test_calibration_knows_the_recipe(right, fields, there, missing):
    answers = np.arange(1000) < 1000 * right
    words = calibration_words(reliability_of(np.full(1000, 0.8), answers), recipes.to_dict(Recipe(**fields)))
    assert all(word in words for word in there)
    assert not any(word in words for word in missing)


def test_a_leak_is_written_down(write_images):
    data = write_images()
    assert "leaked" not in data_facts(open_dataset(str(data)))
    (data / "val/cat").mkdir(parents=True)
    (data / "train").mkdir()
    for label in ("cat", "dog"):
        (data / label).rename(data / "train" / label)
    shutil.copy(data / "train/cat/0.png", data / "val/cat/again.png")
    assert data_facts(open_dataset(str(data)))["leaked"] == 1
