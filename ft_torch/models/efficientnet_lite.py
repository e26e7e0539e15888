"""EfficientNet-Lite, in torchvision's EfficientNet structure and names. Shapes: ft/zoo/efficientnet_lite.py."""

from torch import Tensor, nn

from ft.zoo import efficientnet_lite as spec
from ft_torch.layers import Conv2dSame, Dropout, StochasticDepth
from ft_torch.precision import as_type


def efficientnet_lite0(
    *, num_classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return EfficientNet-Lite0: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(EfficientNetLite("efficientnet_lite0", num_classes, dropout, stochastic_depth), dtype)


def efficientnet_lite1(
    *, num_classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return EfficientNet-Lite1: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(EfficientNetLite("efficientnet_lite1", num_classes, dropout, stochastic_depth), dtype)


def efficientnet_lite2(
    *, num_classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return EfficientNet-Lite2: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(EfficientNetLite("efficientnet_lite2", num_classes, dropout, stochastic_depth), dtype)


def efficientnet_lite3(
    *, num_classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return EfficientNet-Lite3: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(EfficientNetLite("efficientnet_lite3", num_classes, dropout, stochastic_depth), dtype)


def efficientnet_lite4(
    *, num_classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2, dtype: str = "float32"
) -> nn.Module:
    """Return EfficientNet-Lite4: images (N, 3, H, W) -> logits (N, num_classes)."""
    return as_type(EfficientNetLite("efficientnet_lite4", num_classes, dropout, stochastic_depth), dtype)


def conv_norm(channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return a convolution without bias and its BatchNorm."""
    return [
        Conv2dSame(channels_in, channels_out, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(channels_out, eps=spec.NORM_EPS, momentum=spec.NORM_MOMENTUM),
    ]


def conv_norm_relu6(channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Module:
    """Return a convolution without bias, its BatchNorm and ReLU6."""
    return nn.Sequential(*conv_norm(channels_in, channels_out, kernel, stride, groups), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """Expand (1x1), filter each channel (depthwise), project (1x1); add the input where shapes allow."""

    def __init__(self, block: spec.Block, stochastic_depth: float) -> None:
        super().__init__()
        self.residual = block.residual
        wide = block.channels_in * block.expansion
        expand = [conv_norm_relu6(block.channels_in, wide, 1)] if block.expansion > 1 else []
        self.block = nn.Sequential(
            *expand,
            conv_norm_relu6(wide, wide, block.kernel, block.stride, groups=wide),
            nn.Sequential(*conv_norm(wide, block.channels_out, 1)),
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth * block.depth_share, "row")

    def forward(self, x: Tensor) -> Tensor:
        y = self.block(x)
        return self.stochastic_depth(y) + x if self.residual else y


class EfficientNetLite(nn.Module):
    """Stem, seven stages of inverted residual blocks, top, and a classifier on the spatial mean."""

    def __init__(self, name: str, num_classes: int, dropout: float, stochastic_depth: float) -> None:
        super().__init__()
        stages: dict[str, list[nn.Module]] = {}
        blocks = spec.blocks(name)
        for block in blocks:
            stages.setdefault(block.path.split(".")[1], []).append(InvertedResidual(block, stochastic_depth))
        self.features = nn.Sequential(
            conv_norm_relu6(3, spec.STEM, 3, 2),
            *(nn.Sequential(*stage) for stage in stages.values()),
            conv_norm_relu6(blocks[-1].channels_out, spec.TOP, 1),
        )
        self.classifier = nn.Sequential(Dropout(dropout), nn.Linear(spec.TOP, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))
