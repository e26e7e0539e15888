"""A convolution that goes back from few places has the gradients of a plain one."""

import pytest
import torch
from torch.nn import functional as F

from ft_torch.layers import SparseConv2d


@pytest.mark.parametrize("share", [0.0, 0.05, 0.9])
def test_gradients_are_those_of_a_plain_convolution(share):
    generator = torch.Generator().manual_seed(0)
    x, g = (torch.randn(2, c, 9, 7, generator=generator, dtype=torch.float64) for c in (4, 6))
    g *= torch.rand(2, 1, 9, 7, generator=generator) < share
    layer = SparseConv2d(4, 6, 3, padding=1).double()
    x.requires_grad_()
    given = x, layer.weight, layer.bias
    ours = torch.autograd.grad((layer(x) * g).sum(), given)
    plain = torch.autograd.grad((F.conv2d(*given, padding=1) * g).sum(), given)
    for own, expected in zip(ours, plain, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-13, atol=1e-13)
    (alone,) = torch.autograd.grad((layer(x.detach()) * g).sum(), layer.weight)
    torch.testing.assert_close(alone, plain[1], rtol=1e-13, atol=1e-13)
