"""ResNet-50, a port of keras/src/applications/resnet.py. Shapes: ft/zoo/keras_applications/resnet50.py."""

from torch import Tensor, nn

from ft.zoo.keras_applications import resnet50 as spec
from ft_torch.layers import KerasBatchNorm2d
from ft_torch.models.keras_applications.base import Add, Flat, GlobalAvgPool2d
from ft_torch.precision import as_type


def resnet50(*, num_classes: int = 1000, image_size: int = 224, dtype: str = "float32") -> nn.Module:
    """Return Keras's ResNet-50: images (N, 3, H, W) of any size -> logits (N, num_classes)."""
    return as_type(ResNet50(num_classes), dtype)


class ResNet50(Flat):
    """Stem, four stages of bottleneck blocks, and a classifier on the spatial mean."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1_pad = nn.ZeroPad2d(3)
        self.conv1_conv = nn.Conv2d(3, spec.STEM, 7, 2)
        self.conv1_bn = norm(spec.STEM)
        self.conv1_relu = nn.ReLU()
        self.pool1_pad = nn.ZeroPad2d(1)
        self.pool1_pool = nn.MaxPool2d(3, 2)
        for block in spec.blocks():
            self.add(f"{block.path}_", bottleneck(block))
        self.avg_pool = GlobalAvgPool2d()
        self.predictions = nn.Linear(4 * spec.blocks()[-1].channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.run(x, "conv1_pad", "conv1_conv", "conv1_bn", "conv1_relu", "pool1_pad", "pool1_pool")
        for block in spec.blocks():
            x = self.block(x, f"{block.path}_", shortcut=block.shortcut)
        return self.run(x, "avg_pool", "predictions")

    def block(self, x: Tensor, path: str, *, shortcut: bool) -> Tensor:
        """Apply a bottleneck block."""
        around = self.run(x, "0_conv", "0_bn", prefix=path) if shortcut else x
        x = self.run(x, "1_conv", "1_bn", "1_relu", "2_conv", "2_bn", "2_relu", "3_conv", "3_bn", prefix=path)
        return self.run(getattr(self, f"{path}add")(around, x), "out", prefix=path)


def bottleneck(block: spec.Block) -> dict[str, nn.Module]:
    """Return the layers of a block: reduce (1x1, strided), filter (3x3), expand (1x1); perhaps one in the shortcut."""
    narrow, wide = block.channels, 4 * block.channels
    around = nn.Conv2d(block.channels_in, wide, 1, block.stride)
    return {
        "1_conv": nn.Conv2d(block.channels_in, narrow, 1, block.stride),
        "1_bn": norm(narrow),
        "1_relu": nn.ReLU(),
        "2_conv": nn.Conv2d(narrow, narrow, 3, padding=1),
        "2_bn": norm(narrow),
        "2_relu": nn.ReLU(),
        **({"0_conv": around} if block.shortcut else {}),  # here in Keras's order, by which old files go
        "3_conv": nn.Conv2d(narrow, wide, 1),
        **({"0_bn": norm(wide)} if block.shortcut else {}),
        "3_bn": norm(wide),
        "add": Add(),
        "out": nn.ReLU(),
    }


def norm(channels: int) -> nn.Module:
    """Return the network's BatchNorm."""
    return KerasBatchNorm2d(channels, eps=spec.NORM_EPS, momentum=spec.NORM_MOMENTUM)
