"""What ranks add up: where it lies or as one vector, each once; what of a rank is compiled; what it leaves behind."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist

from ft.backend.ranks import Seat
from ft.errors import RankLost
from ft_torch.ranks import TorchRanks, own_store
from tests.ranks import on_ranks

TASKS = Path("/proc/self/task")


def test_each_tensor_is_added_up_once_and_keeps_its_strides(monkeypatch):
    monkeypatch.setattr(dist, "all_reduce", lambda x: x.mul_(2))  # two ranks that have the same
    ranks = TorchRanks.__new__(TorchRanks)
    ranks.size, ranks.large = 2, 8
    twice = torch.arange(12.0).reshape(3, 4)  # the gradient of both a and b, of a + b
    across, small = torch.arange(12.0).reshape(4, 3).t(), torch.ones(2)
    given = [twice, twice, across, small, small]
    expected, like = [2 * x for x in given], [torch.empty(x.shape) for x in given]
    found = ranks.add_up(given, like)
    for ours, theirs, other in zip(found, expected, like, strict=True):
        assert torch.equal(ours, theirs)
        assert ours.stride() == other.stride()
    assert found[0].data_ptr() == twice.data_ptr()


def test_what_learns_from_all_ranks_is_not_compiled(make_learner):
    said = []
    for fields in ({"bn": "update"}, {}):
        learner = make_learner(freeze="base", batch_size=7, **fields)
        learner.ranks = SimpleNamespace(rank=0, size=2)
        learner.compile_trained(say=said.append)
    assert said == ["compile: what trains runs uncompiled, for its BatchNorm learns from the parts of all ranks"]
    assert set(learner.trained.sizes) == {3, 7}


def threads_of_gloo():
    return [name for name in (task.joinpath("comm").read_text() for task in TASKS.iterdir()) if "gloo" in name]


@pytest.mark.skipif(not TASKS.exists(), reason="only Linux names a process's threads there")
def test_no_thread_of_gloo_outlives_a_rank(monkeypatch):
    """One that did could abort a process that ends; also where an error, which holds itself, tells of a group."""
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "RANK": "0", "WORLD_SIZE": "1"}.items():
        monkeypatch.setenv(name, value)
    ranks = TorchRanks(Seat(0, 1, 0, "127.0.0.1"), gpus=False, timeout=20)
    assert ranks.sum(np.ones(3)).tolist() == [1.0] * 3
    assert threads_of_gloo()
    lose(ranks)
    ranks.close()
    assert not threads_of_gloo()


def lose(ranks):
    """Let a sum fail within PyTorch, and the error be part of a ring."""
    try:
        ranks.sum(np.ones(3, np.uint16))  # a kind of number that gloo refuses
    except RankLost as lost:
        lost.ring = lost


def test_what_ended_ranks_left_in_torchruns_store_is_not_read(monkeypatch):
    """Rank 0 answers the greeting of one that has ended, before the new one comes."""
    store = dist.HashStore()
    store.set("ft/hello/1", "ended")
    store.set("place", "where an ended rank listened")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setattr("ft_torch.ranks.rendezvous", lambda *_, **__: iter([(store, 0, 3)]))

    def work(ranks):
        if ranks.rank == 1:
            store.wait(["ft/word/ended"])
        return own_store(Seat(ranks.rank, 3, 0, "localhost"), timedelta(seconds=20))

    found = on_ranks(3, work)
    found[1].set("mine", "here")
    assert [each.get("mine") for each in found] == [b"here"] * 3
    assert not any(each.check(["place"]) for each in found)
