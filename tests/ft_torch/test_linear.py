"""A dense layer by oneDNN is PyTorch's own, but for the rounding of float32."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ft_torch.layers import linear as by_products
from ft_torch.layers import with_products
from ft_torch.layers.linear import AVAILABLE, LEAST, Linear, pays, together

ROWS, SIZES = (4, 40), (96, 160)


def found(x, weight, bias, layer, after):
    """Return an output and all gradients, in float64."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (x, weight, bias)]
    y = layer(*leaves)
    return [each.double() for each in (y, *torch.autograd.grad(y, leaves, after.to(y.dtype)))]


@pytest.mark.skipif(not AVAILABLE, reason="PyTorch without MKL or oneDNN")
@pytest.mark.parametrize("turned", [False, True])
def test_outputs_and_gradients(turned):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(*ROWS, SIZES[0]), torch.randn(SIZES[::-1]), torch.randn(SIZES[1])
    weight = weight.t().contiguous().t() if turned else weight
    assert pays(x, weight), "the sizes of this test are too small"
    after = torch.randn(*ROWS, SIZES[1])
    exact = found(x.double(), weight.double(), bias.double(), F.linear, after)
    for one, other in zip(found(x, weight, bias, by_products, after), exact, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() < 3e-6 * other.abs().max()


def test_where_it_is_pytorchs_own():
    x, weight = torch.randn(LEAST // 64, 8), torch.randn(8, 8)
    assert pays(x, weight) == AVAILABLE
    assert not pays(x[1:], weight)
    assert not pays(x.double(), weight.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert not pays(x, weight)


def test_a_model_keeps_its_tensors():
    model = nn.Sequential(nn.Linear(3, 4), nn.Bilinear(2, 2, 2), nn.Linear(4, 5, bias=False))
    before = dict(model.named_parameters())
    after = dict(with_products(model).named_parameters())
    assert before.keys() == after.keys()
    assert all(before[name] is after[name] for name in before)
    assert [isinstance(layer, Linear) for layer in model] == [True, False, True]


def test_what_onednn_is_given_lies_together():
    x = torch.randn(6, 8)
    for given in (x, x.t()):
        assert together(given) is given
    for given in (x[:, ::2], x[:, 1:], x[:1].expand(6, 8), torch.randn(2, 3, 4).transpose(1, 2)):
        assert together(given).is_contiguous()
        assert torch.equal(together(given), given)
