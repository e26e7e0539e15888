"""SSDlite of torchvision's own modules; what it decides about boxes is decided in ft/network/boxes."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn
from torchvision.models import detection as stock
from torchvision.models import mobilenet_v2
from torchvision.models.detection.ssdlite import SSDLiteFeatureExtractorMobileNet, SSDLiteHead

from ft.zoo.ssdlite import EXTRA, NORM, NUMBERS, body_of
from ft_torch.models.mobilenetv3 import adapted
from ft_torch.models.onestage import Maps, WithDefaultBoxes


class OnMobileNet(WithDefaultBoxes):
    """Torchvision's parts on a MobileNet. maps: how many of the maps, which follow from one another, its body gives."""

    def __init__(self, backbone: nn.Module, head: nn.Module, maps: int) -> None:
        super().__init__(backbone, head, NUMBERS)
        self.maps = maps

    @property
    def parts(self) -> list[nn.Module]:
        """What gives the maps, one after the other."""
        features, extra = self.backbone.get_submodule("features"), self.backbone.get_submodule("extra")
        return [*features.children(), *extra.children()]

    def body(self, images: Tensor) -> Maps:
        """Return the maps of the base."""
        maps, x = {}, images
        for place, part in enumerate(self.parts[: self.maps]):
            x = maps[str(place)] = part(x)
        return maps

    def levels(self, maps: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the six maps that are asked."""
        levels = [maps[str(place)] for place in range(self.maps)]
        for part in self.parts[self.maps :]:
            levels.append(part(levels[-1]))
        return levels


def ssdlite320_mobilenet_v3_large(*, num_classes: int = 90, dtype: str = "float32") -> nn.Module:
    """Return torchvision's SSDlite on MobileNetV3-Large: (N, 3, H, W) -> {"boxes", "scores", "classes"}."""
    network = stock.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=num_classes + 1)
    return adapted(OnMobileNet(network.backbone, network.head, body_of("ssdlite320_mobilenet_v3_large").maps), dtype)


def ssdlite320_mobilenet_v2(*, num_classes: int = 90, dtype: str = "float32") -> nn.Module:
    """Return an SSDlite of torchvision's parts on its MobileNetV2, whose own BatchNorms stay what they are."""
    body, features, norm = body_of("ssdlite320_mobilenet_v2"), mobilenet_v2().features, partial(nn.BatchNorm2d, **NORM)
    block = features.get_submodule(str(body.split))
    block.block = block.get_submodule("conv")  # as torchvision's extractor calls it
    backbone = SSDLiteFeatureExtractorMobileNet(features, body.split, norm)
    wide = block.get_submodule("conv.0.0").get_parameter("weight").shape[0]
    head = SSDLiteHead([wide, body.top, *EXTRA], list(NUMBERS.by_place), num_classes + 1, norm)
    return adapted(OnMobileNet(backbone, head, body.maps), dtype)
