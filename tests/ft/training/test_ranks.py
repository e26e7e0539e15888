"""Ranks agree, meet and end together, and evaluate a split once between them."""

from types import SimpleNamespace

import numpy as np
import pytest

from ft.data import Batch
from ft.errors import DataError, Elsewhere, RecipeError, RunError
from ft.recipe import Recipe
from ft.tasks import TASKS
from ft.tasks.objective import objective_of
from ft.training.evaluate import evaluate
from ft.training.ranks import agree_on, connect, gpu_of, meet, require_own_gpus, together
from ft.training.restart import restarted
from tests.ranks import on_ranks

CLASSES = tuple("abcdef")


def test_another_recipe_or_version_is_said_once():
    def work(ranks):
        agree_on(ranks, Recipe(lr=0.1 if ranks.rank == 1 else 0.2, workers=ranks.rank), backend="torch")

    first, *others = on_ranks(3, work)
    assert isinstance(first, RecipeError)
    assert "lr 0.1 on rank 1, 0.2 on rank 0" in str(first)
    assert [type(error) for error in others] == [Elsewhere, Elsewhere]


def test_machines_may_differ():
    def work(ranks):
        agree_on(ranks, Recipe(device=("cpu", "auto")[ranks.rank], workers=ranks.rank), backend="torch")

    assert on_ranks(2, work) == [None, None]


@pytest.mark.parametrize(
    ("locals_", "visible", "words"),
    [
        ((0, 1, 0), "", "ranks 0 and 2 take the same GPU (0 of "),
        ((0, 0, 1), "5,7", "ranks 0 and 1 take the same GPU (5 of "),
        ((0, 1, 2), "", None),
        ((None, None, None), "", None),
    ],
)
def test_a_gpu_is_one_ranks(monkeypatch, locals_, visible, words):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    def work(ranks):
        own = locals_[ranks.rank]
        require_own_gpus(ranks, None if own is None else gpu_of(own))

    first, *others = on_ranks(3, work)
    assert str(first).count("\n") == 0
    assert (words or "None") in str(first)
    assert [type(error) for error in others] == [Elsewhere if words else type(None)] * 2


@pytest.mark.parametrize(("other", "goes_on"), [(1, True), (0, False)])
def test_all_go_on_where_any_was_started_again(monkeypatch, tmp_path, other, goes_on):
    """torchrun counts the starts of each machine by itself."""
    monkeypatch.setattr("ft.training.restart.is_unfinished", lambda folder, recipe: True)
    said = {"gather_json": lambda count: [count, other], "gather": lambda path: [path, b""]}
    ranks = SimpleNamespace(size=2, writes=True, **said)
    assert restarted(ranks, Recipe(), tmp_path, backend="torch") == (tmp_path if goes_on else None)


def test_fewer_samples_than_ranks():
    first, second, _ = on_ranks(3, lambda ranks: agree_on(ranks, Recipe(batch_size=2), backend="tf"))
    assert "batch_size 2: fewer samples than the 3 ranks" in str(first)
    assert isinstance(second, Elsewhere)


def test_an_error_of_one_ends_all():
    def work(ranks):
        with together(ranks):
            if ranks.rank == 1:
                raise DataError("a.jpg: no image")

    first, second = on_ranks(2, work)
    assert (type(first), str(first)) == (RunError, "rank 1: a.jpg: no image")
    assert isinstance(second, Elsewhere)


def test_all_hear_of_a_signal_and_of_an_error_before_the_same_step():
    batch = Batch.of(np.zeros((2, 1)), labels=np.zeros(2, int))
    asked = {"objective": objective_of(Recipe()), "error": None}
    found = on_ranks(3, lambda ranks: meet(ranks, batch, stop=15 if ranks.rank == 2 else None, **asked)[1])
    assert found == [15, 15, 15]
    errors = {**asked, "stop": None}
    found = on_ranks(2, lambda r: meet(r, batch, **{**errors, "error": DataError("x") if r.rank == 0 else None}))
    assert [type(error) for error in found] == [DataError, Elsewhere]


class Logits:
    """A learner whose logits are its inputs."""

    def outputs(self, inputs):
        return {"logits": inputs}


class Split:
    """Batches of logits for samples with a class each."""

    def __init__(self, samples=23, size=4):
        rng = np.random.default_rng(0)
        logits, labels = rng.normal(size=(samples, 6)), rng.integers(0, 6, samples)
        self.batches = [
            Batch.of(logits[i : i + size], labels=labels[i : i + size], shares=np.eye(6)[labels[i : i + size]])
            for i in range(0, samples, size)
        ]

    def __len__(self):
        return len(self.batches)

    def epoch(self, epoch, start=0, stop=None):
        yield from self.batches[start:stop]


def measured(ranks, task):
    meter, table = task.meter(CLASSES), task.predictions()
    found = evaluate(Logits(), Split(), meter, table, ranks=ranks).result()
    return found, vars(table)


@pytest.mark.parametrize("name", ["single-label", "multi-label"])
@pytest.mark.parametrize("size", [2, 3, 9])
def test_a_split_is_evaluated_once(name, size):
    task = TASKS[name]
    ((whole, rows),) = on_ranks(1, lambda ranks: measured(ranks, task))
    found = on_ranks(size, lambda ranks: measured(ranks, task))
    assert all(result == found[0][0] for result, _ in found)  # the same bits, for the same decisions
    for key, value in whole.items():
        np.testing.assert_allclose(found[0][0][key], value, rtol=1e-13)
    assert found[0][1] == rows


def test_a_repeated_sample_is_seen(monkeypatch):
    monkeypatch.setattr(Split, "epoch", lambda self, epoch, start=0, stop=None: iter(self.batches[: stop or None]))
    task = TASKS["single-label"]
    found = on_ranks(2, lambda ranks: measured(ranks, task))[0]
    assert len(found[1]["labels"]) > 23


def test_evaluation_ends_together(monkeypatch):
    def outputs(self, inputs):
        raise DataError("b.jpg: no image")

    monkeypatch.setattr(Logits, "outputs", outputs)
    first, second = on_ranks(2, lambda ranks: measured(ranks, TASKS["single-label"]))
    assert str(first) == "b.jpg: no image"
    assert isinstance(second, Elsewhere)


def test_what_is_found_before_they_meet_is_said_by_one(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{")
    for first, kind in ((True, RecipeError), (False, Elsewhere)):
        monkeypatch.setattr("ft.training.ranks.first_to_say", lambda first=first: first)
        with pytest.raises(kind):
            connect("tf", {})
