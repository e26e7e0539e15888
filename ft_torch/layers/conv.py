"""Convolutions with TensorFlow's padding, and Keras's separable one."""

from torch import Tensor, nn
from torch.nn import functional as F


class Conv2dSame(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: PyTorch pads alike on both sides, TensorFlow more at the end.

    (N, C, H, W) -> (N, O, ceil(H / stride), ceil(W / stride)).
    """

    def forward(self, input: Tensor) -> Tensor:
        windows = tuple((size - 1) * gap + 1 for size, gap in zip(self.kernel_size, self.dilation, strict=True))
        pads = same_padding(input, windows, self.stride)
        if pads[0] == pads[1] and pads[2] == pads[3]:  # the convolution's own padding needs no copy of the input
            padding = (pads[2], pads[0])
            return F.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return F.conv2d(F.pad(input, pads), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def same_padding(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> list[int]:
    """Return TensorFlow's "same" padding of images (N, C, H, W) as F.pad takes it: left, right, top, bottom."""
    pads = []
    for side, size, step in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max((-(-side // step) - 1) * step + size - side, 0)
        pads += [total // 2, total - total // 2]
    return pads


class ZeroPad2dSame(nn.Module):
    """What Keras's ZeroPadding2D(correct_pad(...)) puts before a strided convolution: the padding of "same"."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = (kernel_size, kernel_size), (stride, stride)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, same_padding(input, self.kernel_size, self.stride))


class SeparableConv2d(nn.Module):
    """Filter each channel, then mix them by a 1x1 convolution, without biases: Keras's SeparableConv2D with "same".

    It is one layer in Keras, so the two convolutions are not called as modules: a trace records what both give.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, kernel_size, padding=kernel_size // 2, groups=in_channels, bias=False
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        return self.pointwise.forward(self.depthwise.forward(input))
