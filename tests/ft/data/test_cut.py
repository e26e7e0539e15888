"""A batch cut among ranks: nothing is lost or doubled, and what a rank reads is its part of what one process reads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft.data.cut import Cut


@settings(max_examples=200)
@given(st.integers(1, 70), st.integers(1, 9), st.none() | st.integers(1, 12))
def test_every_sample_has_one_rank(samples, ranks, most):
    cuts = [Cut(most, rank, ranks) for rank in range(ranks)]
    own = [list(cut.own(samples)) for cut in cuts]
    assert len({len(passes) for passes in own}) == 1  # all go through the same passes
    counted = [np.arange(p.first, p.first + p.rows.stop - p.rows.start) for ps in own for p in ps if p.counts]
    assert sorted(np.concatenate(counted).tolist()) == list(range(samples))
    for passes in own:
        assert all(p.rows.stop > p.rows.start for p in passes)  # one without samples has one that stands in
        assert all(p.rows.stop - p.rows.start == 1 and p.first < samples for p in passes if not p.counts)
        sizes = [p.rows.stop for p in passes]
        assert [p.rows.start for p in passes] == [0, *sizes[:-1]]


@pytest.mark.parametrize("ranks", [2, 3, 5])
@pytest.mark.parametrize("fields", [{}, {"mixup": 0.5, "cutmix": 0.5}, {"accumulate": 3, "mixup": 0.5}])
def test_parts_are_those_of_the_whole_batch(ranks, fields):
    from dataclasses import replace
    from itertools import islice

    from ft.backend.ranks import Alone
    from ft.recipe import Recipe
    from ft.training.job import prepare_job

    whole = prepare_job(Recipe(weights="none", image_size=16, batch_size=4, workers=0, val_fraction=0.2, **fields))
    for rank in range(ranks):
        seat = Alone()
        seat.rank, seat.size = rank, ranks
        own = replace(whole, ranks=seat).batches("train")
        for epoch, start in ((0, 0), (1, len(own) - 2)):
            pairs = zip(own.epoch(epoch, start), islice(whole.batches("train").epoch(epoch, start), 4), strict=False)
            for part, batch in pairs:
                at = part.place.positions
                np.testing.assert_array_equal(np.asarray(part.inputs), np.asarray(batch.inputs)[at])
                for name, target in batch.targets.items():
                    np.testing.assert_array_equal(part.targets[name], target[at])
                np.testing.assert_array_equal(part.all_indices, batch.indices)
                np.testing.assert_array_equal(part.indices, batch.indices[at])
