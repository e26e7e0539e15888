"""Detectors of one stage, of torchvision's own modules; what they decide is decided in ft/network/boxes."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v2, resnet
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from ft.network.boxes.sizes import Sizes
from ft.zoo.detector import OneStage
from ft.zoo.onestage import Shape
from ft_torch.layers import Native, find_boxes, lesson_of_anchors

Maps = dict[str, Tensor]


class OneStageNetwork(Native):
    """Torchvision's parts of a detector of one stage under their names, for pictures of one size, or padded to one.

    The outputs of a step are what the network says of the anchors, and what it is to say.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, detector: OneStage) -> None:
        super().__init__()
        self.backbone, self.head, self.detector = backbone, head, detector

    def forward(self, images: Tensor, targets: Mapping[str, Tensor] | None = None) -> Maps:
        return self.answer(self.body(images), (images.shape[2], images.shape[3]), targets)

    def body(self, images: Tensor) -> Maps:
        """Return the maps of the body, by tap."""
        return self.backbone.get_submodule("body")(images)

    def answer(
        self,
        maps: Mapping[str, Tensor],
        size: tuple[int, int],
        targets: Mapping[str, Tensor] | None,
        sizes: Sizes = None,
    ) -> Maps:
        """Return what is found in pictures of that size, or, with targets, what a step learns from.

        maps: of the body, by tap; sizes: of the pictures themselves, where they are padded.
        """
        levels = self.levels(maps)
        said = self.say(levels)
        options = {"image": size, "maps": [tuple(level.shape[2:]) for level in levels], "detector": self.detector}
        if targets is None:
            return find_boxes(*said.values(), **options, sizes=sizes, for_onnx=self.for_onnx)
        lesson = lesson_of_anchors(said["class_logits"], targets, **options)
        return {"class_logits": said.pop("class_logits"), **at_objects(said, lesson)}

    def levels(self, maps: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the maps that the head looks at."""
        return list(self.backbone.get_submodule("fpn")(dict(maps)).values())

    def say(self, levels: list[Tensor]) -> Maps:
        """Return what the head says of the anchors of all maps: "class_logits" (N, A, C), "said" (N, A, 4).

        And "middle" (N, A), where it says such a thing.
        """
        whole = self.ask(levels)
        middle = {"middle": whole["bbox_ctrness"].flatten(1)} if "bbox_ctrness" in whole else {}
        return {"class_logits": whole["cls_logits"], "said": whole["bbox_regression"], **middle}

    def ask(self, levels: list[Tensor]) -> Maps:
        """Return what the head gives of all maps, each of which the same layers look at."""
        # Keras looks at the last map first: in its order a trace numbers the calls as one of Keras does
        said = [self.head([level]) for level in levels[::-1]][::-1]
        return {name: torch.cat([own[name] for own in said], 1) for name in said[0]}


class WithDefaultBoxes(OneStageNetwork):
    """One whose head has layers of its own for each map."""

    def ask(self, levels: list[Tensor]) -> Maps:
        """Return what the head gives of all maps."""
        return self.head(levels)


def at_objects(said: Maps, lesson: Maps) -> Maps:
    """Return what is said of the anchors of objects, and what is to be said; nothing of what the head never says."""
    places = lesson.pop("places")
    if "middle" not in said:
        del lesson["middles"]
    return {**{name: x.flatten(0, 1)[places] for name, x in said.items()}, **lesson}


def with_pyramid(shape: Shape) -> nn.Module:
    """Return a body and the pyramid on its maps, with two more maps beyond the last, as torchvision builds them."""
    norm, own = FrozenBatchNorm2d if shape.frozen else nn.BatchNorm2d, shape.pyramid
    whole = shape.body == "mobilenet_v2"
    body = mobilenet_v2(norm_layer=norm).features if whole else resnet.__dict__[shape.body](norm_layer=norm)
    beyond = LastLevelP6P7(own.channels[-1] if shape.top else shape.channels, shape.channels)
    names = {name: str(number) for number, (name, _) in enumerate(own.maps)}
    return BackboneWithFPN(body, names, own.channels, shape.channels, extra_blocks=beyond)
