"""EfficientNet-B0, a port of keras/src/applications/efficientnet.py. Shapes: ft/zoo/keras_applications/."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ft.zoo.keras_applications import efficientnet_b0 as spec
from ft_torch.layers import Conv2dSame, Dropout, KerasBatchNorm2d, Normalization, StochasticDepth, ZeroPad2dSame
from ft_torch.models.keras_applications.base import ActivatedConv2d, Add, Flat, GlobalAvgPool2d, Multiply, Rescaling
from ft_torch.precision import as_type


def efficientnet_b0(
    *,
    num_classes: int = 1000,
    dropout: float = 0.2,
    stochastic_depth: float = 0.2,
    image_size: int = 224,
    dtype: str = "float32",
) -> nn.Module:
    """Return Keras's EfficientNet-B0: pixels (N, 3, H, W) of 0 to 255, of any size -> logits (N, num_classes)."""
    return as_type(EfficientNetB0(num_classes, dropout, stochastic_depth), dtype)


class EfficientNetB0(Flat):
    """Normalisation, stem, 16 inverted residual blocks, top, and a classifier on the spatial mean."""

    def __init__(self, num_classes: int, dropout: float, stochastic_depth: float) -> None:
        super().__init__()
        self.rescaling = Rescaling(spec.RESCALING)
        self.normalization = Normalization(spec.SCALE)
        self.stem_conv_pad = ZeroPad2dSame(3, 2)
        self.stem_conv = nn.Conv2d(3, spec.STEM, 3, 2, bias=False)
        self.stem_bn = norm(spec.STEM)
        self.stem_activation = nn.SiLU()
        self.blocks = spec.blocks()
        for block in self.blocks:
            self.add(f"{block.path}_", inverted_residual(block, stochastic_depth))
        self.top_conv = nn.Conv2d(self.blocks[-1].channels_out, spec.TOP, 1, bias=False)
        self.top_bn = norm(spec.TOP)
        self.top_activation = nn.SiLU()
        self.avg_pool = GlobalAvgPool2d()
        self.top_dropout = Dropout(dropout)
        self.predictions = nn.Linear(spec.TOP, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.run(x, "rescaling", "normalization", "stem_conv_pad", "stem_conv", "stem_bn", "stem_activation")
        for block in self.blocks:
            x = self.block(x, block)
        return self.run(x, "top_conv", "top_bn", "top_activation", "avg_pool", "top_dropout", "predictions")

    def block(self, x: Tensor, block: spec.Block) -> Tensor:
        """Apply an inverted residual block with its squeeze-and-excitation."""
        path = f"{block.path}_"
        y = self.run(x, "expand_conv", "expand_bn", "expand_activation", prefix=path) if block.expansion > 1 else x
        y = self.run(y, *(["dwconv_pad"] if block.stride > 1 else []), "dwconv", "bn", "activation", prefix=path)
        scale = self.run(y, "se_squeeze", "se_reshape", "se_reduce", "se_expand", prefix=path)
        y = self.run(getattr(self, f"{path}se_excite")(y, scale), "project_conv", "project_bn", prefix=path)
        return getattr(self, f"{path}add")(self.run(y, "drop", prefix=path), x) if block.residual else y


def inverted_residual(block: spec.Block, stochastic_depth: float) -> dict[str, nn.Module]:
    """Return the layers of a block: expand (1x1), filter each channel, squeeze and excite, project (1x1)."""
    wide = block.channels_in * block.expansion
    expand = {
        "expand_conv": nn.Conv2d(block.channels_in, wide, 1, bias=False),
        "expand_bn": norm(wide),
        "expand_activation": nn.SiLU(),
    }
    strided = block.stride > 1
    depthwise = nn.Conv2d if strided else Conv2dSame
    residual = {"drop": StochasticDepth(stochastic_depth * block.depth_share, "row"), "add": Add()}
    return {
        **(expand if block.expansion > 1 else {}),
        **({"dwconv_pad": ZeroPad2dSame(block.kernel, block.stride)} if strided else {}),
        "dwconv": depthwise(wide, wide, block.kernel, block.stride, groups=wide, bias=False),
        "bn": norm(wide),
        "activation": nn.SiLU(),
        "se_squeeze": GlobalAvgPool2d(),
        "se_reshape": nn.Unflatten(1, (wide, 1, 1)),
        "se_reduce": ActivatedConv2d(wide, block.squeezed, 1, activation=F.silu),
        "se_expand": ActivatedConv2d(block.squeezed, wide, 1, activation=torch.sigmoid),
        "se_excite": Multiply(),
        "project_conv": nn.Conv2d(wide, block.channels_out, 1, bias=False),
        "project_bn": norm(block.channels_out),
        **(residual if block.residual else {}),
    }


def norm(channels: int) -> nn.Module:
    """Return the network's BatchNorm."""
    return KerasBatchNorm2d(channels, eps=spec.NORM_EPS, momentum=spec.NORM_MOMENTUM)
