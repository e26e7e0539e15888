"""ResNet, ResNeXt and Wide ResNet, a port of torchvision/models/resnet.py. Shapes: ft/zoo/resnet.py."""

import keras
from keras import KerasTensor

from ft.zoo.resnet import SHAPES, Shape, strides
from ft_tf.layers import Conv2d, Linear, MaxPool2d, batch_norm
from ft_tf.precision import type_policy


def resnet18(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ResNet-18: images (N, H, W, 3) -> logits (N, num_classes)."""
    return resnet("resnet18", num_classes, dtype)


def resnet34(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ResNet-34: images (N, H, W, 3) -> logits (N, num_classes)."""
    return resnet("resnet34", num_classes, dtype)


def resnet50(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ResNet-50, strides in the 3x3 convolutions: (N, H, W, 3) -> (N, num_classes)."""
    return resnet("resnet50", num_classes, dtype)


def resnet101(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ResNet-101: images (N, H, W, 3) -> logits (N, num_classes)."""
    return resnet("resnet101", num_classes, dtype)


def resnet152(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ResNet-152: images (N, H, W, 3) -> logits (N, num_classes)."""
    return resnet("resnet152", num_classes, dtype)


def resnext50_32x4d(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ResNeXt-50, 32 groups of 4 channels: (N, H, W, 3) -> (N, num_classes)."""
    return resnet("resnext50_32x4d", num_classes, dtype)


def resnext101_32x8d(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ResNeXt-101, 32 groups of 8 channels: (N, H, W, 3) -> (N, num_classes)."""
    return resnet("resnext101_32x8d", num_classes, dtype)


def resnext101_64x4d(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's ResNeXt-101, 64 groups of 4 channels: (N, H, W, 3) -> (N, num_classes)."""
    return resnet("resnext101_64x4d", num_classes, dtype)


def wide_resnet50_2(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's Wide ResNet-50, 3x3 convolutions twice as wide: (N, H, W, 3) -> (N, num_classes)."""
    return resnet("wide_resnet50_2", num_classes, dtype)


def wide_resnet101_2(*, num_classes: int = 1000, dtype: str = "float32") -> keras.Model:
    """Return torchvision's Wide ResNet-101, 3x3 convolutions twice as wide: (N, H, W, 3) -> (N, num_classes)."""
    return resnet("wide_resnet101_2", num_classes, dtype)


def resnet(name: str, num_classes: int, dtype: str) -> keras.Model:
    """Return the ResNet called `name`: stem, layer1 to layer4, spatial mean, fc."""
    shape = SHAPES[name]
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        *_, x = maps(images, shape)
        x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
        return keras.Model(images, Linear(num_classes, name="fc")(x), name=name)


def maps(images: KerasTensor, shape: Shape, *, prefix: str = "", dilated: int = 0) -> list[KerasTensor]:
    """Return what layer1 to layer4 make of images. prefix: before every path; dilated: see `strides`."""
    x = conv_norm(images, f"{prefix}conv1", f"{prefix}bn1", 64, 7, stride=2, padding=3)
    x = keras.layers.ReLU(name=f"{prefix}relu")(x)
    outputs = [MaxPool2d(3, stride=2, padding=1, name=f"{prefix}maxpool")(x)]
    for layer, window in enumerate(strides(dilated=dilated)):
        outputs.append(blocks(outputs[-1], shape, layer, window, path=f"{prefix}layer{layer + 1}"))
    return outputs[1:]


def blocks(x: KerasTensor, shape: Shape, layer: int, window: tuple[int, int, int], *, path: str) -> KerasTensor:
    """Apply the blocks of one layer. window: stride, dilation of the first block, dilation of the others."""
    (stride, first, gap), planes = window, 64 << layer
    for index in range(shape.depths[layer]):
        own = {"stride": 1 if index else stride, "dilation": gap if index else first}
        if shape.block == "basic":
            x = basic_block(x, f"{path}.{index}", planes, own["stride"])
        else:
            x = bottleneck(x, f"{path}.{index}", planes, **own, width=shape.width(planes), groups=shape.groups)
    return x


def conv_norm(
    x: KerasTensor,
    conv: str,
    norm: str,
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    dilation: int = 1,
) -> KerasTensor:
    """Apply a convolution without bias and its BatchNorm."""
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    x = Conv2d(channels, kernel, **window, groups=groups, bias=False, name=conv)(x)
    return batch_norm(name=norm)(x)


def basic_block(x: KerasTensor, path: str, planes: int, stride: int) -> KerasTensor:
    """Two 3x3 convolutions around a shortcut; the output has `planes` channels."""
    y = conv_norm(x, f"{path}.conv1", f"{path}.bn1", planes, 3, stride=stride, padding=1)
    y = keras.layers.ReLU(name=f"{path}.relu")(y)
    y = conv_norm(y, f"{path}.conv2", f"{path}.bn2", planes, 3, padding=1)
    y = keras.layers.Add(name=f"{path}.add")([y, shortcut(x, path, planes, stride)])
    return keras.layers.ReLU(name=f"{path}.relu.1")(y)


def bottleneck(
    x: KerasTensor, path: str, planes: int, *, stride: int, dilation: int, width: int, groups: int
) -> KerasTensor:
    """1x1, 3x3 (which takes stride, dilation and groups) and 1x1 around a shortcut: `width` channels inside, 4 * planes
    out.
    """
    window = {"stride": stride, "padding": dilation, "dilation": dilation}
    y = conv_norm(x, f"{path}.conv1", f"{path}.bn1", width, 1)
    y = keras.layers.ReLU(name=f"{path}.relu")(y)
    y = conv_norm(y, f"{path}.conv2", f"{path}.bn2", width, 3, **window, groups=groups)
    y = keras.layers.ReLU(name=f"{path}.relu.1")(y)
    y = conv_norm(y, f"{path}.conv3", f"{path}.bn3", 4 * planes, 1)
    y = keras.layers.Add(name=f"{path}.add")([y, shortcut(x, path, 4 * planes, stride)])
    return keras.layers.ReLU(name=f"{path}.relu.2")(y)


def shortcut(x: KerasTensor, path: str, channels: int, stride: int) -> KerasTensor:
    """Return x itself, or its 1x1 projection where the shape changes."""
    if stride == 1 and x.shape[-1] == channels:
        return x
    return conv_norm(x, f"{path}.downsample.0", f"{path}.downsample.1", channels, 1, stride=stride)
