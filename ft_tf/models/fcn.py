"""FCN, a port of torchvision/models/segmentation/fcn.py with its auxiliary head. Taps: ft/zoo/backbone.py."""

import keras
from keras import KerasTensor

from ft.zoo.fcn import DROPOUT
from ft_tf.layers import BatchNorm2d, Conv2d, Dropout
from ft_tf.models.backbone import backbone_maps, of_full_size
from ft_tf.precision import type_policy


def fcn_resnet50(*, num_classes: int = 21, dropout: float = 0.1, dtype: str = "float32") -> keras.Model:
    """Return torchvision's FCN on ResNet-50: (N, H, W, 3) -> {"out", "aux"}, logits (N, H, W, num_classes).

    `dropout` is that of the main head; the auxiliary one keeps its 0.1.
    """
    return fcn("resnet50", num_classes, dropout, dtype)


def fcn_resnet101(*, num_classes: int = 21, dropout: float = 0.1, dtype: str = "float32") -> keras.Model:
    """Return torchvision's FCN on ResNet-101: (N, H, W, 3) -> {"out", "aux"}, logits (N, H, W, num_classes)."""
    return fcn("resnet101", num_classes, dropout, dtype)


def fcn_mobilenet_v2(*, num_classes: int = 21, dropout: float = 0.1, dtype: str = "float32") -> keras.Model:
    """Return torchvision's FCN heads on its MobileNetV2: (N, H, W, 3) -> {"out", "aux"} (N, H, W, num_classes)."""
    return fcn("mobilenet_v2", num_classes, dropout, dtype)


def fcn(backbone: str, num_classes: int, dropout: float, dtype: str) -> keras.Model:
    """Return the FCN on the backbone called so."""
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        deep, shallow = backbone_maps(images, backbone)
        out = fcn_head(deep, "classifier", num_classes, dropout=dropout)
        aux = fcn_head(shallow, "aux_classifier", num_classes)
        return of_full_size(images, {"out": out, "aux": aux}, f"fcn_{backbone}")


def fcn_head(x: KerasTensor, path: str, num_classes: int, *, dropout: float = DROPOUT) -> KerasTensor:
    """Return logits at the size of a map: a 3x3 convolution to a quarter of the channels, then a 1x1."""
    narrow = x.shape[-1] // 4
    x = Conv2d(narrow, 3, padding=1, bias=False, name=f"{path}.0")(x)
    x = BatchNorm2d(name=f"{path}.1")(x)
    x = keras.layers.ReLU(name=f"{path}.2")(x)
    x = Dropout(dropout, name=f"{path}.3")(x)
    return Conv2d(num_classes, 1, name=f"{path}.4")(x)
