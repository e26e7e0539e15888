"""The parts of a batch: none is lost, none is too large, and their shares add up to one."""

import numpy as np
import pytest

from ft.data import Batch
from ft.recipe import Recipe
from ft.tasks.objective import objective_of
from ft.training.accumulation import Part, parts_of

PLAIN = objective_of(Recipe())


def batch_of(**targets):
    """Return a batch whose inputs nobody looks at."""
    return Batch.of(np.zeros(len(next(iter(targets.values())))), **targets)


def test_without_accumulation_there_is_one_part():
    assert parts_of(batch_of(labels=np.zeros(50, int)), Recipe(batch_size=8), PLAIN) == [Part(slice(0, 50), 1.0, 0)]


@pytest.mark.parametrize("count", range(1, 33))
def test_parts_are_nearly_even(count):
    parts = parts_of(batch_of(labels=np.zeros(count, int)), Recipe(batch_size=8, accumulate=4), PLAIN)
    sizes = [part.rows.stop - part.rows.start for part in parts]
    assert np.concatenate([np.arange(count)[part.rows] for part in parts]).tolist() == list(range(count))
    assert max(sizes) <= 8
    assert max(sizes) - min(sizes) <= 1
    assert [part.share for part in parts] == pytest.approx([size / count for size in sizes])


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (2, [2]), (3, [3]), (5, [2, 3]), (8, [2, 2, 2, 2])])
def test_no_sample_stands_alone(count, sizes):
    parts = parts_of(batch_of(labels=np.zeros(count, int)), Recipe(batch_size=2, accumulate=4), PLAIN)
    assert [part.rows.stop - part.rows.start for part in parts] == sizes


@pytest.mark.parametrize(
    ("fields", "targets", "share"),
    [
        ({}, {"labels": np.array([1, 0, 0, 0])}, 2 / 13),
        ({"loss": "focal"}, {"labels": np.array([1, 0, 0, 0])}, 2 / 13),
        ({"loss": "bce"}, {"labels": np.array([1, 0, 0, 0])}, 1 / 2),
        ({}, {"shares": np.eye(2)[[1, 0, 0, 0]]}, 1 / 2),
    ],
)
def test_a_share_is_that_of_what_the_mean_divides_by(fields, targets, share):
    """The last part of 4 samples in parts of 2 holds the two samples after the first two."""
    recipe = Recipe(batch_size=2, accumulate=2, **fields)
    parts = parts_of(batch_of(**targets), recipe, objective_of(recipe, (1.0, 10.0)))
    assert parts[1].share == pytest.approx(share)
    assert sum(part.share for part in parts) == pytest.approx(1)
