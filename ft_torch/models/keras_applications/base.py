"""What Keras's networks are made of beside the layers that differ: a named layer for every operation, side by side."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from ft_torch.layers import Conv2dSame


class ActivatedConv2d(Conv2dSame):
    """A convolution that ends in an activation, as Keras's may: one layer, so that both wings record one output."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, activation: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size)
        self.activation = activation

    def forward(self, input: Tensor) -> Tensor:
        return self.activation(super().forward(input))


class ActivatedLinear(nn.Linear):
    """A linear layer that ends in an activation, as Keras's Dense may."""

    def __init__(self, in_features: int, out_features: int, *, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__(in_features, out_features)
        self.activation = activation

    def forward(self, input: Tensor) -> Tensor:
        return self.activation(super().forward(input))


class Rescaling(nn.Module):
    """Multiply by a number."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:
        return input * self.scale


class GlobalAvgPool2d(nn.Module):
    """The mean of each channel: (N, C, H, W) -> (N, C)."""

    def forward(self, input: Tensor) -> Tensor:
        return input.mean((2, 3))


class Add(nn.Module):
    """The sum of two tensors, a layer with a name as in Keras."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


class Multiply(nn.Module):
    """The product of two tensors, a layer with a name as in Keras."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b


class Flat(nn.Module):
    """A network whose layers stand side by side under the names that Keras gives them, not in modules in modules."""

    def add(self, prefix: str, layers: Mapping[str, nn.Module]) -> None:
        """Register layers, each as `prefix` and its key."""
        for name, layer in layers.items():
            self.add_module(prefix + name, layer)

    def run(self, x: Tensor, *names: str, prefix: str = "") -> Tensor:
        """Apply layers one after the other."""
        for name in names:
            x = getattr(self, prefix + name)(x)
        return x
