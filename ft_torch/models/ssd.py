"""SSD as torchvision ships it; what it decides about boxes is decided in ft/network/boxes."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import detection as stock

from ft.zoo.ssd import NUMBERS
from ft_torch.models.mobilenetv3 import adapted
from ft_torch.models.onestage import Maps, WithDefaultBoxes


class OnVGG(WithDefaultBoxes):
    """Torchvision's parts on VGG, whose body has none of its own."""

    def body(self, images: Tensor) -> Maps:
        """Return the maps of VGG's fourth and fifth block."""
        fine = self.backbone.get_submodule("features")(images)
        *coarser, _ = self.backbone.get_submodule("extra.0").children()
        return {"0": fine, "1": nn.Sequential(*coarser)(fine)}

    def levels(self, maps: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the six maps that are asked: each pixel of the first has a norm that is learned."""
        first, *behind = self.backbone.get_submodule("extra").children()
        *_, full = first.children()  # what VGG's linear layers became
        scaled = self.backbone.get_parameter("scale_weight").view(1, -1, 1, 1) * F.normalize(maps["0"])
        levels = [scaled, full(maps["1"])]
        for block in behind:
            levels.append(block(levels[-1]))
        return levels


def ssd300_vgg16(*, num_classes: int = 90, dtype: str = "float32") -> nn.Module:
    """Return torchvision's SSD on VGG-16: (N, 3, H, W) -> {"boxes", "scores", "classes"}."""
    network = stock.ssd300_vgg16(weights=None, weights_backbone=None, num_classes=num_classes + 1)
    return adapted(OnVGG(network.backbone, network.head, NUMBERS), dtype)
