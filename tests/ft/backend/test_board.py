"""Ranks of one machine add up in memory that they share: the same bits on all, in the order of the ranks."""

import resource
import threading
from contextlib import closing
from functools import reduce

import numpy as np
import pytest

from ft.backend import board
from ft.backend.board import shared_board
from ft.errors import RankLost
from tests.ranks import PATIENCE, on_ranks

SIZES = (0, 1, 2, 5, 1000, 1024, 3001)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Let few numbers be many parts."""
    monkeypatch.setattr(board, "PART", 1024)


def arrays_of(rank, dtype):
    rng = np.random.default_rng(rank)
    return [(1000 * rng.normal(size=size)).astype(dtype) for size in SIZES]


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_all_have_the_sum_in_the_order_of_the_ranks(size, dtype):
    def work(ranks):
        with closing(shared_board(ranks, 20)) as shared:
            return [shared.add_up(array, np.empty_like(array)) for array in arrays_of(ranks.rank, dtype)]

    expected = [reduce(np.add, arrays) for arrays in zip(*(arrays_of(r, dtype) for r in range(size)), strict=True)]
    for found in on_ranks(size, work):
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_all_have_the_row_of_each():
    rows = np.arange(12.0).reshape(4, 3)

    def work(ranks):
        with closing(shared_board(ranks, 20)) as shared:
            return shared.rows(rows[ranks.rank]).copy()

    for found in on_ranks(4, work):
        np.testing.assert_array_equal(found, rows)


def test_who_is_on_another_machine_is_no_part_of_it(monkeypatch):
    own, calls = board.line_to, []
    monkeypatch.setattr(board, "line_to", lambda *given: calls.append(given) or (own(*given) if calls[1:] else None))
    assert on_ranks(3, lambda ranks: shared_board(ranks, 20)) == [None] * 3


def test_where_one_has_no_memory_all_do_without(monkeypatch):
    own = board.mapped
    monkeypatch.setattr(board, "mapped", lambda ranks, *given: None if ranks.rank == 1 else own(ranks, *given))
    assert on_ranks(3, lambda ranks: shared_board(ranks, 20)) == [None] * 3


def test_nothing_of_it_has_a_name(monkeypatch, tmp_path):
    """So nothing is left of processes that are killed."""
    monkeypatch.setattr(board, "MEMORY", tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made, own = [], board.prepared
    monkeypatch.setattr(board, "prepared", lambda *given: made.append(own(*given)) or made[0])

    def work(ranks):
        with closing(shared_board(ranks, 20)) as shared:
            return shared.rows(np.ones(1)).sum(), list(tmp_path.iterdir())

    assert on_ranks(2, work) == [(2.0, [])] * 2
    assert made[0][0].parent == tmp_path


def test_without_room_for_all_of_it_there_is_none():
    """The system refuses to write so large a file, as where /dev/shm is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * 2 * board.PART - 1, hard))
    try:
        assert on_ranks(2, lambda ranks: shared_board(ranks, 20)) == [None] * 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("comes", "words"), [(True, "a rank is gone"), (False, "it did not come")])
def test_one_that_is_gone_or_does_not_come_is_missed(comes, words):
    missed = threading.Event()

    def work(ranks):
        with closing(shared_board(ranks, PATIENCE if comes else 0.2)) as shared:
            if ranks.rank:
                return comes or missed.wait(PATIENCE)
            try:
                return shared.add_up(np.ones(5), np.ones(5))
            finally:
                missed.set()

    first, _ = on_ranks(2, work)
    assert isinstance(first, RankLost)
    assert words in str(first)
