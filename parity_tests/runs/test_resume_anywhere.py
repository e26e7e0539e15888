"""Stopped at any step, by any recipe: the same wing goes on to the same bits, the other one to rounding in float64."""

import os
import signal

import pytest

import ft
from ft.noise import generator
from ft.parity.arrays import ZERO, require_equal
from ft.runs import checkpoint
from ft.runs.folder import read_log
from ft.system.files import remove_folder
from ft.system.signals import Interrupted
from ft.training import loop as train
from parity_tests.support.pairs import TRAJECTORY, digits_folder
from tests.ft.resume_variants import WING_VARIANTS

EPOCHS, STEPS = 2, 3
RECIPE = {"model": "resnet18", "weights": "none", "image_size": 64, "precision": "float64", "batch_size": 8}
RECIPE |= {"epochs": EPOCHS, "seed": 5, "lr": 0.001, "quiet": True}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of digits, the last batch of an epoch being short, and the last run that was never stopped.

    All of them would take 30 GB.
    """
    root = tmp_path_factory.mktemp("resume")
    digits_folder(root / "data", train=22, val=8)
    return root, {}


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("second", ["torch", "tf"])
@pytest.mark.parametrize("variant", WING_VARIANTS)
@pytest.mark.parametrize("first", ["torch", "tf"])
def test_a_run_stopped_anywhere_ends_alike(first, variant, second, place):
    root, wholes = place
    rng = generator(0, f"{first} {variant} {second}")
    stop, evaluating, workers = int(rng.integers(1, EPOCHS * STEPS)), rng.random() < 0.5, rng.integers(0, 4, 2).tolist()
    fields = {**RECIPE, **WING_VARIANTS[variant], "data": str(root / "data")}
    if (first, variant) not in wholes:
        for folder in wholes.values():
            remove_folder(folder)
        wholes.clear()
        wholes[first, variant] = ft.finetune(**fields, backend=first, out=root / f"{first} {variant}").folder
    whole, out = wholes[first, variant], root / str(len(os.listdir(root)))
    with pytest.MonkeyPatch.context() as patch:
        strike(stop, evaluating and stop <= STEPS, patch)
        with pytest.raises(Interrupted):
            ft.finetune(**fields, backend=first, out=out, workers=workers[0])
    run = ft.finetune(resume=out, backend=second, workers=workers[1], quiet=True)

    bar = 0 if first == second else TRAJECTORY
    a, b = (checkpoint.load(checkpoint.pointed(folder, "last")) for folder in (whole, run.folder))
    apart = require_equal(a.model, b.model, bar=bar, what="weights and statistics")
    require_equal(a.optimizer, b.optimizer, bar=bar, zero=ZERO, what="slots")
    print(f"{variant}: {first} to step {stop}, then {second}: {apart.largest:.1e}")
    assert [row["step"] for row in read_log(whole)] == [row["step"] for row in read_log(run.folder)]
    remove_folder(run.folder)


def strike(stop, evaluating, patch):
    """Send a SIGINT when so many steps are done, or in the evaluation after the first epoch."""
    run_step, evaluate = train.Training.run_step, train.evaluate

    def struck_step(self, batch):
        run_step(self, batch)
        if self.position.step == stop and not evaluating:
            signal.raise_signal(signal.SIGINT)

    def struck_evaluation(*arguments):
        if evaluating:
            signal.raise_signal(signal.SIGINT)
        return evaluate(*arguments)

    patch.setattr(train.Training, "run_step", struck_step)
    patch.setattr(train, "evaluate", struck_evaluation)
