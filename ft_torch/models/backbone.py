"""What segmentation networks take of classification networks, as torchvision does it."""

from torch import nn
from torchvision.models import mobilenet_v2
from torchvision.models._utils import IntermediateLayerGetter

from ft.zoo.backbone import BACKBONES, dilated
from ft.zoo.mobilenetv2 import blocks


def mobilenet_v2_maps(*, deep: str, shallow: str) -> IntermediateLayerGetter:
    """Return MobileNetV2's features, dilated as torchvision dilates MobileNetV3's, that give the maps at two taps."""
    features, own = mobilenet_v2().features, BACKBONES["mobilenet_v2"]
    for block in dilated(blocks("features")):
        if block.dilation > 1:
            conv = features.get_submodule(f"{block.path.rpartition('.')[2]}.conv.1.0")
            assert isinstance(conv, nn.Conv2d)
            conv.stride, conv.dilation, conv.padding = (1, 1), (block.dilation,) * 2, (block.dilation,) * 2
    taps = {own.shallow: shallow, own.deep: deep}
    return IntermediateLayerGetter(features, {path.rpartition(".")[2]: tap for (path, _), tap in taps.items()})
