"""FCOS of torchvision's own modules."""

from torch import nn
from torchvision.models.detection.fcos import FCOSHead

from ft.zoo.fcos import SHAPES
from ft_torch.models.mobilenetv3 import adapted
from ft_torch.models.onestage import OneStageNetwork, with_pyramid


def fcos_resnet50_fpn(*, num_classes: int = 91, dtype: str = "float32") -> nn.Module:
    """Return torchvision's FCOS on ResNet-50: (N, 3, H, W) -> {"boxes", "scores", "classes"}."""
    return fcos("fcos_resnet50_fpn", num_classes, dtype)


def fcos_mobilenet_v2_fpn(*, num_classes: int = 91, dtype: str = "float32") -> nn.Module:
    """Return a small FCOS of torchvision's parts on its MobileNetV2, with half of the widths."""
    return fcos("fcos_mobilenet_v2_fpn", num_classes, dtype)


def fcos(name: str, num_classes: int, dtype: str) -> nn.Module:
    """Return the network called `name`."""
    shape = SHAPES[name]
    head = FCOSHead(shape.channels, shape.detector.anchors, num_classes)
    return adapted(OneStageNetwork(with_pyramid(shape), head, shape.detector), dtype)
