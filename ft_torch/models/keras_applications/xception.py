"""Xception, a port of keras/src/applications/xception.py. Shapes: ft/zoo/keras_applications/xception.py."""

from torch import Tensor, nn

from ft.zoo.keras_applications import xception as spec
from ft_torch.layers import Conv2dSame, KerasBatchNorm2d, MaxPool2dSame, SeparableConv2d
from ft_torch.models.keras_applications.base import Add, Flat, GlobalAvgPool2d
from ft_torch.precision import as_type


def xception(*, num_classes: int = 1000, image_size: int = 299, dtype: str = "float32") -> nn.Module:
    """Return Keras's Xception: images (N, 3, H, W) of any size -> logits (N, num_classes)."""
    return as_type(Xception(num_classes), dtype)


class Xception(Flat):
    """Two convolutions, twelve blocks with residuals, two separable convolutions, a classifier on the spatial mean."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        for conv, channels_in, channels, stride in zip((1, 2), (3, spec.STEM[0]), spec.STEM, (2, 1), strict=True):
            convolution = nn.Conv2d(channels_in, channels, 3, stride, bias=False)
            self.add(f"block1_conv{conv}", {"": convolution, "_bn": norm(channels), "_act": nn.ReLU()})
        for block in spec.blocks():
            self.add(f"{block.path}_", layers_of(block))
        channels_in = spec.blocks()[-1].channels[-1]
        for conv, channels in enumerate(spec.TOP, start=1):
            convolution = SeparableConv2d(channels_in, channels, 3)
            self.add(f"block14_sepconv{conv}", {"": convolution, "_bn": norm(channels), "_act": nn.ReLU()})
            channels_in = channels
        self.avg_pool = GlobalAvgPool2d()
        self.predictions = nn.Linear(spec.TOP[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        for conv in ("conv1", "conv2"):
            x = self.run(x, "", "_bn", "_act", prefix=f"block1_{conv}")
        for block in spec.blocks():
            x = self.block(x, block)
        for conv in ("sepconv1", "sepconv2"):
            x = self.run(x, "", "_bn", "_act", prefix=f"block14_{conv}")
        return self.run(x, "avg_pool", "predictions")

    def block(self, x: Tensor, block: spec.Block) -> Tensor:
        """Apply separable convolutions, each behind an activation, and add what came in."""
        path, y = f"{block.path}_", x
        around = self.run(x, "residual", "residual_bn", prefix=path) if block.strided else x
        for conv in range(1, len(block.channels)):
            names = ("_act", "", "_bn") if conv > 1 or block.activated else ("", "_bn")
            y = self.run(y, *names, prefix=f"{path}sepconv{conv}")
        if block.strided:
            y = self.run(y, "pool", prefix=path)
        return getattr(self, f"{path}add")(y, around)


def layers_of(block: spec.Block) -> dict[str, nn.Module]:
    """Return the layers of a block."""
    first, *others = block.channels
    layers: dict[str, nn.Module] = {}
    for conv, (channels_in, channels) in enumerate(zip(block.channels, others, strict=False), start=1):
        if conv > 1 or block.activated:
            layers[f"sepconv{conv}_act"] = nn.ReLU()
        layers |= {f"sepconv{conv}": SeparableConv2d(channels_in, channels, 3), f"sepconv{conv}_bn": norm(channels)}
    if block.strided:
        last = others[-1]
        residual = Conv2dSame(first, last, 1, 2, bias=False)
        layers |= {"residual": residual, "pool": MaxPool2dSame(3, 2), "residual_bn": norm(last)}
    return {**layers, "add": Add()}


def norm(channels: int) -> nn.Module:
    """Return the network's BatchNorm."""
    return KerasBatchNorm2d(channels, eps=spec.NORM_EPS, momentum=spec.NORM_MOMENTUM)
