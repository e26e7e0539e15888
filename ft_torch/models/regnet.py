"""RegNet as torchvision ships it. Shapes: ft/zoo/regnet.py."""

from torch import nn
from torchvision.models import regnet as stock

from ft.zoo.regnet import SHAPES, STEM
from ft_torch.precision import as_type


def regnet_y_400mf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetY-400MF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_y_400mf", num_classes, dtype)


def regnet_y_800mf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetY-800MF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_y_800mf", num_classes, dtype)


def regnet_y_1_6gf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetY-1.6GF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_y_1_6gf", num_classes, dtype)


def regnet_y_3_2gf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetY-3.2GF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_y_3_2gf", num_classes, dtype)


def regnet_y_8gf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetY-8GF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_y_8gf", num_classes, dtype)


def regnet_y_16gf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetY-16GF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_y_16gf", num_classes, dtype)


def regnet_y_32gf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetY-32GF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_y_32gf", num_classes, dtype)


def regnet_y_128gf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetY-128GF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_y_128gf", num_classes, dtype)


def regnet_x_400mf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetX-400MF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_x_400mf", num_classes, dtype)


def regnet_x_800mf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetX-800MF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_x_800mf", num_classes, dtype)


def regnet_x_1_6gf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetX-1.6GF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_x_1_6gf", num_classes, dtype)


def regnet_x_3_2gf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetX-3.2GF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_x_3_2gf", num_classes, dtype)


def regnet_x_8gf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetX-8GF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_x_8gf", num_classes, dtype)


def regnet_x_16gf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetX-16GF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_x_16gf", num_classes, dtype)


def regnet_x_32gf(*, num_classes: int = 1000, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RegNetX-32GF: images (N, 3, H, W) -> logits (N, num_classes)."""
    return regnet("regnet_x_32gf", num_classes, dtype)


def regnet(name: str, num_classes: int, dtype: str) -> nn.Module:
    """Return torchvision's network called `name`.

    Its own functions compute the widths with tensors, which a model without memory (torch's "meta" device) has not.
    """
    shape = SHAPES[name]
    blocks = stock.BlockParams(
        depths=list(shape.depths),
        widths=list(shape.widths),
        group_widths=shape.group_widths,
        bottleneck_multipliers=[1.0] * 4,
        strides=[2] * 4,
        se_ratio=0.25 if shape.squeeze else None,
    )
    return as_type(stock.RegNet(blocks, num_classes=num_classes, stem_width=STEM), dtype)
