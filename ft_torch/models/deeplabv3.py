"""DeepLabV3 as torchvision ships it, with its auxiliary head and the shared dropout."""

from typing import cast

from torch import nn
from torchvision.models import segmentation as stock
from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3
from torchvision.models.segmentation.fcn import FCNHead

from ft.zoo.backbone import BACKBONES
from ft.zoo.deeplabv3 import RATES
from ft_torch.layers.dilation import far
from ft_torch.models.backbone import mobilenet_v2_maps
from ft_torch.models.mobilenetv3 import adapted as with_exact_gates


def deeplabv3_resnet50(*, num_classes: int = 21, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's DeepLabV3 on ResNet-50: (N, 3, H, W) -> {"out", "aux"}, logits (N, num_classes, H, W).

    `dropout` is that of the main head; the auxiliary one keeps its 0.1.
    """
    model = stock.deeplabv3_resnet50(weights_backbone=None, num_classes=num_classes, aux_loss=True)
    return adapted(model, dropout, dtype)


def deeplabv3_resnet101(*, num_classes: int = 21, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's DeepLabV3 on ResNet-101: (N, 3, H, W) -> {"out", "aux"} (N, num_classes, H, W)."""
    model = stock.deeplabv3_resnet101(weights_backbone=None, num_classes=num_classes, aux_loss=True)
    return adapted(model, dropout, dtype)


def deeplabv3_mobilenet_v3_large(*, num_classes: int = 21, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's DeepLabV3 on MobileNetV3-Large: (N, 3, H, W) -> {"out", "aux"} (N, num_classes, H, W)."""
    model = stock.deeplabv3_mobilenet_v3_large(weights_backbone=None, num_classes=num_classes, aux_loss=True)
    return adapted(model, dropout, dtype)


def deeplabv3_mobilenet_v2(*, num_classes: int = 21, dropout: float = 0.5, dtype: str = "float32") -> nn.Module:
    """Return torchvision's DeepLabV3 on its MobileNetV2: (N, 3, H, W) -> {"out", "aux"} (N, num_classes, H, W)."""
    (_, deep), (_, shallow) = BACKBONES["mobilenet_v2"].deep, BACKBONES["mobilenet_v2"].shallow
    heads = DeepLabHead(deep, num_classes), FCNHead(shallow, num_classes)
    return adapted(DeepLabV3(mobilenet_v2_maps(deep="out", shallow="aux"), *heads), dropout, dtype)


def adapted(model: DeepLabV3, dropout: float, dtype: str) -> nn.Module:
    """Return torchvision's model with our dropout, hard sigmoid and dilation; its tensors and their names stay."""
    model.set_submodule("classifier.0.project.3", nn.Dropout(dropout))
    for place in range(1, 1 + len(RATES)):
        path = f"classifier.0.convs.{place}.0"
        model.set_submodule(path, far(cast("nn.Conv2d", model.get_submodule(path))))
    return with_exact_gates(model, dtype)
