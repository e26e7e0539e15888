"""The moving average against torch.optim.swa_utils.AveragedModel, BatchNorm's statistics included."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ft.training.averaging import decay_at, is_averaged
from ft_torch import Average


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 2)).double()


def average_of(model, decay=0.9, *, warmup=False):
    buffers = {name: b for name, b in model.named_buffers() if is_averaged(name)}
    return Average({**dict(model.named_parameters()), **buffers}, decay=decay, warmup=warmup)


def move(model, step):
    """Change every parameter, and the statistics by a training pass."""
    torch.manual_seed(step)
    model(torch.randn(5, 3, 5, 5, dtype=torch.float64))
    with torch.no_grad():
        for w in model.parameters():
            w += torch.randn_like(w)


@pytest.mark.parametrize("warmup", [False, True])
def test_fifty_steps_are_torchs(warmup):
    model = network()
    ours = average_of(model, warmup=warmup)
    decay = {"now": 0.9}
    theirs = AveragedModel(model, multi_avg_fn=lambda *a: get_ema_multi_avg_fn(decay["now"])(*a), use_buffers=True)
    theirs.update_parameters(model)  # the first call copies
    for step in range(50):
        move(model, step)
        decay["now"] = decay_at(0.9, step, warmup=warmup)
        ours.update(step)
        theirs.update_parameters(model)
    expected = theirs.module.state_dict()
    assert "1.running_var" in ours.averages
    for name, average in ours.averages.items():
        torch.testing.assert_close(average, expected[name], rtol=1e-13, atol=1e-14)
