"""A convolution that skips its padding is PyTorch's own."""

import pytest
import torch
from torch import nn

from ft_torch.layers import dilation
from ft_torch.layers.dilation import far


@pytest.mark.parametrize("rate", [2, 3, 6, 9])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_outputs_and_gradients(rate, layout, monkeypatch):
    torch.manual_seed(0)
    plain = nn.Conv2d(5, 4, 3, padding=rate, dilation=rate, bias=False, dtype=torch.float64)
    own, x = far(plain), torch.randn(2, 5, 7, 8, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    assert own.state_dict().keys() == plain.state_dict().keys()
    found = [layer(x) for layer in (plain, own)]
    after = torch.randn_like(found[0])
    gradients = [torch.autograd.grad(y, [x, plain.weight], after) for y in found]
    for one, other in zip((found[0], *gradients[0]), (found[1], *gradients[1]), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)
    monkeypatch.setattr(dilation, "ByProducts", None)  # where nothing is learnt it is not asked
    torch.testing.assert_close(own.eval()(x), found[0], rtol=0, atol=0)
    assert own.train().reaches_far(x) == (rate > 2)
