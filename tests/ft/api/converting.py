"""Random weights, and the command `ft convert` in this process."""

from ft.cli.convert import convert_command
from ft.cli.guard import guarded
from tests.oracle import models, torch


def state_of(name, *, classes=4, dtype=torch.float32):
    """Return random weights of a stock network, counters included."""
    state = getattr(models, name)(num_classes=classes).state_dict()
    numbers = torch.Generator().manual_seed(0)
    for key, tensor in state.items():
        if tensor.is_floating_point():
            state[key] = torch.randn(tensor.shape, generator=numbers, dtype=torch.float64).to(dtype)
        else:
            state[key] = tensor + 1234
    return state


def save(state, name="a.pth", **settings):
    torch.save(state, name, **settings)
    return name


def assert_same(name, state):
    tensors = torch.load(name, weights_only=True)
    assert list(tensors) == list(state)
    for key, tensor in state.items():
        assert tensors[key].dtype == tensor.dtype, key
        assert torch.equal(tensors[key].reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8)), key


def command(*arguments):
    """Run the command as `ft` does and return its exit code."""
    return guarded(lambda: convert_command(list(arguments)))
