"""LRASPP as torchvision ships it, with a hard sigmoid whose gradient is exact."""

from torch import nn
from torchvision.models import segmentation as stock
from torchvision.models.segmentation.lraspp import LRASPP

from ft.zoo.backbone import BACKBONES
from ft_torch.models.backbone import mobilenet_v2_maps
from ft_torch.models.mobilenetv3 import adapted


def lraspp_mobilenet_v3_large(*, num_classes: int = 21, dtype: str = "float32") -> nn.Module:
    """Return torchvision's LRASPP on MobileNetV3-Large: (N, 3, H, W) -> {"out": logits (N, num_classes, H, W)}."""
    return adapted(stock.lraspp_mobilenet_v3_large(weights_backbone=None, num_classes=num_classes), dtype)


def lraspp_mobilenet_v2(*, num_classes: int = 21, dtype: str = "float32") -> nn.Module:
    """Return torchvision's LRASPP head on its MobileNetV2: (N, 3, H, W) -> {"out": logits (N, num_classes, H, W)}."""
    (_, deep), (_, shallow) = BACKBONES["mobilenet_v2"].deep, BACKBONES["mobilenet_v2"].shallow
    model = LRASPP(mobilenet_v2_maps(deep="high", shallow="low"), shallow, deep, num_classes)
    return adapted(model, dtype)
