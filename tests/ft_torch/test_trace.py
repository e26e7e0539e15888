"""The recorder sees every layer once a call, with the values of that moment, under the names that both wings use."""

import numpy as np
import torch
from torch import nn
from torchvision.models.swin_transformer import ShiftedWindowAttention, ShiftedWindowAttentionV2
from torchvision.ops.misc import Permute

from ft_torch import recording


class Block(nn.Module):
    """A residual block with one ReLU that is called twice and works in place, a child module, and plain operations."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.attention = Attention()

    def forward(self, x):
        y = self.relu(self.conv(x))
        y += x
        y = self.relu(y)
        y = torch.cat([self.attention(y), y], 1) * 2.0
        return y.mean((2, 3))


class Attention(nn.Module):
    """A module that uses its child's weight and never calls the child."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(3, 3)

    def forward(self, x):
        return x * (self.out.weight.sum() + x.mean((2, 3), keepdim=True))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage = nn.Sequential(Block())
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.stage(x).flatten(1))


def record():
    torch.manual_seed(0)
    model, images = Net(), torch.randn(2, 3, 4, 4)
    with recording(model) as calls:
        logits = model(images)
    return model, images, logits, calls


def test_names_order_and_inputs():
    _, _, _, calls = record()
    kinds = {key: (call.kind, call.inputs) for key, call in calls.calls.items()}
    assert kinds == {
        "stage.0.conv": ("conv", ("",)),
        "stage.0.relu": ("relu", ("stage.0.conv",)),
        "stage.0.add": ("add", ("stage.0.relu", "")),
        "stage.0.relu#2": ("relu", ("stage.0.add",)),
        "stage.0.attention": ("attention", ("stage.0.relu#2",)),
        "stage.0.cat": ("cat", ("stage.0.attention", "stage.0.relu#2")),
        "stage.0.mean": ("mean", ("",)),
        "head": ("linear", ("stage.0.mean",)),
    }
    assert calls.calls["stage.0.conv"].settings["padding"] == [1, 1]


def test_arrays_are_of_their_moment():
    model, images, logits, calls = record()
    block, a = model.stage[0], calls.arrays
    conv = block.conv(images).detach().numpy()
    np.testing.assert_array_equal(a["stage.0.conv"], conv)
    assert (conv < 0).any()
    np.testing.assert_array_equal(a["stage.0.relu"], np.maximum(conv, 0))
    np.testing.assert_array_equal(a["stage.0.add"], np.maximum(conv, 0) + images.numpy())
    np.testing.assert_array_equal(a["stage.0.relu#2"], np.maximum(a["stage.0.add"], 0))
    np.testing.assert_array_equal(a["stage.0.conv<0"], images)
    np.testing.assert_allclose(a["stage.0.mean<0"], a["stage.0.cat"] * 2)
    np.testing.assert_array_equal(a["head"], logits.detach())


def test_nothing_stays_behind():
    model, images, logits, _ = record()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    torch.testing.assert_close(model(images), logits, rtol=0, atol=0)


def test_attention_with_a_network_of_its_own_is_one_layer():
    model = nn.Sequential(ShiftedWindowAttentionV2(8, [4, 4], [2, 2], 2))
    with recording(model) as calls:
        y = model(torch.randn(1, 8, 8, 8))
    assert list(calls.calls) == ["0"]
    np.testing.assert_array_equal(calls.arrays["0"], y.detach())
    assert calls.calls["0"].axes == "NHWC"


class Turning(nn.Module):
    """Maps that become tokens and come back, their channels first, last, and in the middle."""

    def __init__(self):
        super().__init__()
        self.conv, self.line, self.norm = nn.Conv2d(3, 4, 1), nn.Conv1d(4, 4, 1), nn.LayerNorm(4)
        self.turn, self.act = Permute([0, 2, 3, 1]), nn.ReLU()
        self.attention = ShiftedWindowAttention(4, [4, 4], [0, 0], 2)

    def forward(self, x):
        x = self.attention(self.norm(self.turn(self.conv(x))))
        x = self.act(x.permute(0, 3, 2, 1)[:, :, 1:] * 2)  # (N, C, W, H), by a function
        x = self.act(self.line(x.flatten(2)).mT)
        return self.norm(x[:, 0])


def test_axes_are_said():
    with recording(model := Turning()) as calls:
        model(torch.randn(2, 3, 4, 4))
    axes = {key: (call.axes, call.input_axes) for key, call in calls.calls.items()}
    assert axes == {
        "conv": ("NCHW", ("NCHW",)),
        "norm": ("NHWC", ("NHWC",)),
        "attention": ("NHWC", ("NHWC",)),
        "act": ("NCWH", ("NCWH",)),
        "line": ("NCT", ("NCT",)),
        "act#2": ("NTC", ("NTC",)),
        "norm#2": ("NC", ("NC",)),
    }
    assert calls.arrays["act"].shape == (2, 4, 3, 4)
