"""RetinaNet of torchvision's own modules."""

from functools import partial

from torch import nn
from torchvision.models.detection.retinanet import RetinaNetHead

from ft.zoo.retinanet import SHAPES
from ft_torch.models.mobilenetv3 import adapted
from ft_torch.models.onestage import OneStageNetwork, with_pyramid


def retinanet_resnet50_fpn(*, num_classes: int = 91, dtype: str = "float32") -> nn.Module:
    """Return torchvision's RetinaNet on ResNet-50: (N, 3, H, W) -> {"boxes", "scores", "classes"}."""
    return retinanet("retinanet_resnet50_fpn", num_classes, dtype)


def retinanet_resnet50_fpn_v2(*, num_classes: int = 91, dtype: str = "float32") -> nn.Module:
    """Return torchvision's second RetinaNet on ResNet-50, with GroupNorms in its head and a loss of boxes."""
    return retinanet("retinanet_resnet50_fpn_v2", num_classes, dtype)


def retinanet_mobilenet_v2_fpn(*, num_classes: int = 91, dtype: str = "float32") -> nn.Module:
    """Return a small RetinaNet of torchvision's parts on its MobileNetV2, with a third of the anchors."""
    return retinanet("retinanet_mobilenet_v2_fpn", num_classes, dtype)


def retinanet(name: str, num_classes: int, dtype: str) -> nn.Module:
    """Return the network called `name`."""
    shape = SHAPES[name]
    norm = partial(nn.GroupNorm, shape.groups) if shape.groups else None
    head = RetinaNetHead(shape.channels, shape.detector.anchors, num_classes, norm_layer=norm)
    return adapted(OneStageNetwork(with_pyramid(shape), head, shape.detector), dtype)
