"""What ranks add up: where it lies or as one vector, each once; and what of a rank is compiled."""

from types import SimpleNamespace

import torch
import torch.distributed as dist

from ft_torch.ranks import TorchRanks


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
