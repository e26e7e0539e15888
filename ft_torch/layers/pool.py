"""Pooling with TensorFlow's padding, flattening in Keras's order, and a gradient of pooling that repeats itself."""

import warnings
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ft_torch.layers.conv import same_padding


class MaxPool2dSame(nn.Module):
    """Max pooling with TensorFlow's "same" padding, by minus infinity."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = (kernel_size, kernel_size), (stride, stride)

    def forward(self, input: Tensor) -> Tensor:
        pads = same_padding(input, self.kernel_size, self.stride)
        return F.max_pool2d(F.pad(input, pads, value=-torch.inf), self.kernel_size, self.stride)


class FlattenHWC(nn.Module):
    """Flatten in Keras's order: (N, C, H, W) -> (N, H * W * C), so that a Keras kernel is this weight transposed."""

    def forward(self, input: Tensor) -> Tensor:
        return input.permute(0, 2, 3, 1).flatten(1)


@cache
def repeat_adaptive_pooling(key: str = "CUDA") -> torch.library.Library:
    """Give adaptive average pooling a gradient that is the same each time, on the devices of a dispatch key.

    AlexNet, VGG and GoogLeNet's auxiliary heads pool so. PyTorch's own gradient on a GPU adds in any order, and refuses
    to run where deterministic algorithms are asked for. The registration lasts as long as what is returned.
    """
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():  # that it takes the place of another
        warnings.simplefilter("ignore")
        library.impl("_adaptive_avg_pool2d_backward", adaptive_pooling_gradient, key)
    return library


def adaptive_pooling_gradient(gradient: Tensor, input: Tensor) -> Tensor:
    """Return the gradient of adaptive average pooling: two products, for its windows are the same in every row."""
    exact = torch.promote_types(gradient.dtype, torch.float32)
    rows, columns = (shares(input.shape[i], gradient.shape[i], exact, input.device) for i in (-2, -1))
    return (rows.T @ gradient.to(exact) @ columns).to(input.dtype)


def shares(size: int, windows: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return what each window takes of each place (windows, size): i from floor(i n / k) to ceil((i + 1) n / k)."""
    i, place = torch.arange(windows, device=device)[:, None], torch.arange(size, device=device)
    start, end = i * size // windows, -(-(i + 1) * size // windows)
    return ((place >= start) & (place < end)).to(dtype) / (end - start)
