"""Exact resume: wherever a run is stopped, the rest of its batches and its weights are those of the run that was not.

`VARIANTS` are the recipes that this is asked of, one line each: what a new option of the recipe adds to the state of a
run, it adds here. parity_tests/runs/test_resume_anywhere.py asks the same of both wings.
"""

import os
import signal
from dataclasses import asdict
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import ft
from ft.data import Preprocess, Sample
from ft.metrics.accuracy import Metrics
from ft.runs import checkpoint
from ft.runs.folder import read_log
from ft.system.signals import Interrupted
from tests.ft.data.made import made
from tests.ft.resume_variants import HUB_VARIANTS

PREPROCESS = Preprocess(18, 16, "bilinear", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 20, 24, 3), dtype=np.uint8)
SAMPLES = [Sample(f"{i}", i % 5, pixels) for i, pixels in enumerate(PIXELS)]


@settings(max_examples=60)
@given(
    count=st.integers(1, 40),
    size=st.integers(1, 9),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 50),
    share=st.floats(0, 1),
    workers=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    augment=st.sampled_from(["none", "crop-flip"]),
)
def test_the_rest_of_an_epoch_is_bit_equal_with_any_number_of_workers(
    count, size, seed, epoch, share, workers, augment
):
    first, second = (
        made(SAMPLES[:count], PREPROCESS, batch_size=size, seed=seed, shuffle=True, augment=augment, workers=n)
        for n in workers
    )
    start = round(share * len(first))
    whole, rest = list(first.epoch(epoch))[start:], list(second.epoch(epoch, start))
    assert len(whole) == len(rest) == len(first) - start
    for a, b in zip(whole, rest, strict=True):
        assert a.number == b.number
        ours, theirs = ({"images": x.inputs, "indices": x.indices, **x.targets} for x in (a, b))
        assert {name: x.tobytes() for name, x in ours.items()} == {name: x.tobytes() for name, x in theirs.items()}


EPOCHS, STEPS, EVALUATIONS = 3, 4, 2  # 16 training images in batches of 4, and 5 of val
HUB = {"model": "resnet18", "weights": "none", "image_size": 8, "batch_size": 4, "epochs": EPOCHS, "quiet": True}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Images, and the results of the runs that were never stopped, by recipe."""
    from PIL import Image

    root = tmp_path_factory.mktemp("resume")
    for i, pixels in enumerate(PIXELS[:21]):
        folder = root / "data" / ("train" if i < 16 else "val") / str(i % 3)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return root, {}


@pytest.mark.parametrize("variant", HUB_VARIANTS)
@settings(max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    stops=st.lists(st.integers(1, EPOCHS * (STEPS + EVALUATIONS) - 1), min_size=1, max_size=3, unique=True),
    workers=st.lists(st.integers(0, 3), min_size=4, max_size=4),
)
@example(stops=[13], workers=[0] * 4)  # with patience no step is left then, and only the result not yet written
def test_a_run_that_is_stopped_anywhere_comes_to_the_same_end(variant, stops, workers, place, fake_wing, monkeypatch):
    monkeypatch.setattr("ft.api.result.plot_curves", lambda *_, **__: None)
    root, wholes = place
    fields = {**HUB, **HUB_VARIANTS[variant], "data": str(root / "data")}
    if variant not in wholes:
        wholes[variant] = result(ft.finetune(**fields, out=root / variant))
    out = root / f"{len(os.listdir(root))}"
    with pytest.MonkeyPatch.context() as patch:
        struck = strike_at(stops, fake_wing, patch)
        for number in workers:
            struck.clear()
            go_on = {"resume": out, "quiet": True} if out.exists() else {**fields, "out": out}
            try:
                run = ft.finetune(**go_on, workers=number)
                break
            except (Interrupted, KeyboardInterrupt):  # the latter where only the result was left to write
                stopped = checkpoint.load(checkpoint.pointed(out, "last"))
                assert stopped.step == stopped.state["position"]["step"] == read_log(out)[-1]["step"]
    assert result(run) == wholes[variant]


def strike_at(stops, learner, patch):
    """Send a SIGINT ahead of these updates and batches of evaluations, counted together from 1.

    Return the list of signals sent: until it is cleared there is no second one, which would end the process.
    """
    left, count, step, evaluated = set(stops), iter(range(1, 1000)), learner.step, Metrics.update
    sent = []

    def strike():
        if next(count) in left and not sent:
            sent.append(signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    def struck_step(self, *arguments, **options):
        strike()
        return step(self, *arguments, **options)

    def struck_update(self, *arguments):
        strike()
        return evaluated(self, *arguments)

    patch.setattr(learner, "step", struck_step)
    patch.setattr(Metrics, "update", struck_update)
    return sent


def result(run):
    """Return all that must not depend on where a run was stopped."""
    names = ("model.safetensors", "predictions.csv")
    rows = [{k: v for k, v in row.items() if k != "images_per_second"} for row in read_log(run.folder)]
    last = checkpoint.load(checkpoint.pointed(run.folder, "last"))
    slots = {name: sha256(tensor.tobytes()).hexdigest() for name, tensor in last.optimizer.items()}
    position = {k: v for k, v in last.state["position"].items() if k != "seconds"}
    return [sha256((run.folder / name).read_bytes()).hexdigest() for name in names], rows, slots, position, run.metrics


def test_the_position_holds_all_that_the_loop_counts():
    from ft.training.position import Position

    assert {"step", "epoch", "batch", "loss_sum", "images", "best_score", "best_epoch"} <= asdict(Position()).keys()
