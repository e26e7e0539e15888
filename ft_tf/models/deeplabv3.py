"""DeepLabV3, a port of torchvision/models/segmentation/deeplabv3.py, auxiliary head and all."""

import keras
from keras import KerasTensor

from ft.zoo.deeplabv3 import CHANNELS, RATES
from ft_tf.layers import BatchNorm2d, Conv2d, Dropout, Resize
from ft_tf.models.backbone import backbone_maps, of_full_size
from ft_tf.models.fcn import fcn_head
from ft_tf.precision import type_policy


def deeplabv3_resnet50(*, num_classes: int = 21, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's DeepLabV3 on ResNet-50: (N, H, W, 3) -> {"out", "aux"}, logits (N, H, W, num_classes).

    `dropout` is that of the main head; the auxiliary one keeps its 0.1.
    """
    return deeplabv3("resnet50", num_classes, dropout, dtype)


def deeplabv3_resnet101(*, num_classes: int = 21, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's DeepLabV3 on ResNet-101: (N, H, W, 3) -> {"out", "aux"} (N, H, W, num_classes)."""
    return deeplabv3("resnet101", num_classes, dropout, dtype)


def deeplabv3_mobilenet_v3_large(*, num_classes: int = 21, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's DeepLabV3 on MobileNetV3-Large: (N, H, W, 3) -> {"out", "aux"} (N, H, W, num_classes)."""
    return deeplabv3("mobilenet_v3_large", num_classes, dropout, dtype)


def deeplabv3_mobilenet_v2(*, num_classes: int = 21, dropout: float = 0.5, dtype: str = "float32") -> keras.Model:
    """Return torchvision's DeepLabV3 on its MobileNetV2: (N, H, W, 3) -> {"out", "aux"} (N, H, W, num_classes)."""
    return deeplabv3("mobilenet_v2", num_classes, dropout, dtype)


def deeplabv3(backbone: str, num_classes: int, dropout: float, dtype: str) -> keras.Model:
    """Return the DeepLabV3 on the backbone called so."""
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        deep, shallow = backbone_maps(images, backbone)
        x = pyramid(deep, "classifier.0", dropout)
        x = conv_norm_relu(x, "classifier", 3, first=1)
        out = Conv2d(num_classes, 1, name="classifier.4")(x)
        aux = fcn_head(shallow, "aux_classifier", num_classes)
        return of_full_size(images, {"out": out, "aux": aux}, f"deeplabv3_{backbone}")


def pyramid(x: KerasTensor, path: str, dropout: float) -> KerasTensor:
    """See a map at several distances side by side: 1x1, three dilations, and the mean of the whole (ASPP)."""
    near = conv_norm_relu(x, f"{path}.convs.0", 1)
    far = [conv_norm_relu(x, f"{path}.convs.{i}", 3, dilation=rate) for i, rate in enumerate(RATES, start=1)]
    last = f"{path}.convs.{len(RATES) + 1}"
    whole = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{last}.0")(x)
    whole = conv_norm_relu(whole, last, 1, first=1)
    whole = Resize(name=f"{last}.interpolate")([whole, x])
    x = keras.layers.Concatenate(name=f"{path}.cat")([near, *far, whole])
    x = conv_norm_relu(x, f"{path}.project", 1)
    return Dropout(dropout, name=f"{path}.project.3")(x)


def conv_norm_relu(x: KerasTensor, path: str, kernel: int, *, dilation: int = 1, first: int = 0) -> KerasTensor:
    """Apply a convolution without bias, its BatchNorm and ReLU; their places below `path` follow on `first`."""
    window = {"padding": (kernel - 1) // 2 * dilation, "dilation": dilation}
    x = Conv2d(CHANNELS, kernel, **window, bias=False, name=f"{path}.{first}")(x)
    x = BatchNorm2d(name=f"{path}.{first + 1}")(x)
    return keras.layers.ReLU(name=f"{path}.{first + 2}")(x)
