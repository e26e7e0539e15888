"""MobileNetV2, a port of keras/src/applications/mobilenet_v2.py. Shapes: ft/zoo/keras_applications/mobilenet_v2.py."""

from torch import Tensor, nn

from ft.zoo.keras_applications import mobilenet_v2 as spec
from ft_torch.layers import Conv2dSame, KerasBatchNorm2d, ZeroPad2dSame
from ft_torch.models.keras_applications.base import Add, Flat, GlobalAvgPool2d
from ft_torch.precision import as_type


def mobilenet_v2(*, num_classes: int = 1000, image_size: int = 224, dtype: str = "float32") -> nn.Module:
    """Return Keras's MobileNetV2: images (N, 3, H, W) of any size -> logits (N, num_classes)."""
    return as_type(MobileNetV2(num_classes), dtype)


class MobileNetV2(Flat):
    """Stem, 17 inverted residual blocks, top, and a classifier on the spatial mean."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.Conv1 = Conv2dSame(3, spec.STEM, 3, 2, bias=False)
        self.bn_Conv1 = norm(spec.STEM)
        self.Conv1_relu = nn.ReLU6()
        self.names: dict[str, tuple[str, ...]] = {}
        channels = spec.STEM
        for block in spec.blocks():
            layers = inverted_residual(block, channels)
            if block.stride == 1 and block.channels == channels:
                layers["add"] = Add()
            self.add(f"{block.path}_", layers)
            self.names[f"{block.path}_"] = tuple(layers)
            channels = block.channels
        self.Conv_1 = nn.Conv2d(channels, spec.TOP, 1, bias=False)
        self.Conv_1_bn = norm(spec.TOP)
        self.out_relu = nn.ReLU6()
        self.avg_pool = GlobalAvgPool2d()
        self.predictions = nn.Linear(spec.TOP, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.run(x, "Conv1", "bn_Conv1", "Conv1_relu")
        for path, names in self.names.items():
            residual = names[-1] == "add"
            y = self.run(x, *(names[:-1] if residual else names), prefix=path)
            x = getattr(self, f"{path}add")(x, y) if residual else y
        return self.run(x, "Conv_1", "Conv_1_bn", "out_relu", "avg_pool", "predictions")


def inverted_residual(block: spec.Block, channels: int) -> dict[str, nn.Module]:
    """Return the layers of a block: expand (1x1), filter each channel (depthwise), project (1x1)."""
    wide = channels * block.expansion
    expand = {"expand": nn.Conv2d(channels, wide, 1, bias=False), "expand_BN": norm(wide), "expand_relu": nn.ReLU6()}
    pad, padding = ({"pad": ZeroPad2dSame(3, 2)}, 0) if block.stride == 2 else ({}, 1)
    return {
        **(expand if block.expansion > 1 else {}),
        **pad,
        "depthwise": nn.Conv2d(wide, wide, 3, block.stride, padding, groups=wide, bias=False),
        "depthwise_BN": norm(wide),
        "depthwise_relu": nn.ReLU6(),
        "project": nn.Conv2d(wide, block.channels, 1, bias=False),
        "project_BN": norm(block.channels),
    }


def norm(channels: int) -> nn.Module:
    """Return the network's BatchNorm."""
    return KerasBatchNorm2d(channels, eps=spec.NORM_EPS, momentum=spec.NORM_MOMENTUM)
