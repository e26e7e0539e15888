"""FCN as torchvision ships it, with its auxiliary head and the shared dropout."""

from torch import nn
from torchvision.models import segmentation as stock
from torchvision.models.segmentation.fcn import FCN, FCNHead

from ft.zoo.backbone import BACKBONES
from ft_torch.layers import with_shared_noise
from ft_torch.models.backbone import mobilenet_v2_maps
from ft_torch.precision import as_type


def fcn_resnet50(*, num_classes: int = 21, dropout: float = 0.1, dtype: str = "float32") -> nn.Module:
    """Return torchvision's FCN on ResNet-50: (N, 3, H, W) -> {"out", "aux"}, logits (N, num_classes, H, W).

    `dropout` is that of the main head; the auxiliary one keeps its 0.1.
    """
    return adapted(stock.fcn_resnet50(weights_backbone=None, num_classes=num_classes, aux_loss=True), dropout, dtype)


def fcn_resnet101(*, num_classes: int = 21, dropout: float = 0.1, dtype: str = "float32") -> nn.Module:
    """Return torchvision's FCN on ResNet-101: (N, 3, H, W) -> {"out", "aux"}, logits (N, num_classes, H, W)."""
    return adapted(stock.fcn_resnet101(weights_backbone=None, num_classes=num_classes, aux_loss=True), dropout, dtype)


def fcn_mobilenet_v2(*, num_classes: int = 21, dropout: float = 0.1, dtype: str = "float32") -> nn.Module:
    """Return torchvision's FCN heads on its MobileNetV2: (N, 3, H, W) -> {"out", "aux"} (N, num_classes, H, W)."""
    (_, deep), (_, shallow) = BACKBONES["mobilenet_v2"].deep, BACKBONES["mobilenet_v2"].shallow
    heads = FCNHead(deep, num_classes), FCNHead(shallow, num_classes)
    return adapted(FCN(mobilenet_v2_maps(deep="out", shallow="aux"), *heads), dropout, dtype)


def adapted(model: FCN, dropout: float, dtype: str) -> nn.Module:
    """Return torchvision's model with our dropout; its tensors and their names stay."""
    model.set_submodule("classifier.3", nn.Dropout(dropout))
    return as_type(with_shared_noise(model), dtype)
