"""LRASPP, a port of torchvision/models/segmentation/lraspp.py. Taps: ft/zoo/backbone.py."""

import keras
from keras import KerasTensor

from ft.zoo.lraspp import CHANNELS
from ft_tf.layers import BatchNorm2d, Conv2d, Resize
from ft_tf.models.backbone import backbone_maps, of_full_size
from ft_tf.precision import type_policy


def lraspp_mobilenet_v3_large(*, num_classes: int = 21, dtype: str = "float32") -> keras.Model:
    """Return torchvision's LRASPP on MobileNetV3-Large: (N, H, W, 3) -> {"out": logits (N, H, W, num_classes)}."""
    return lraspp("mobilenet_v3_large", num_classes, dtype)


def lraspp_mobilenet_v2(*, num_classes: int = 21, dtype: str = "float32") -> keras.Model:
    """Return torchvision's LRASPP head on its MobileNetV2: (N, H, W, 3) -> {"out": logits (N, H, W, num_classes)}."""
    return lraspp("mobilenet_v2", num_classes, dtype)


def lraspp(backbone: str, num_classes: int, dtype: str) -> keras.Model:
    """Return the LRASPP on the backbone called so."""
    with type_policy(dtype):
        images = keras.Input((None, None, 3), dtype=dtype, name="images")
        out = lraspp_head(*backbone_maps(images, backbone), "classifier", num_classes)
        return of_full_size(images, {"out": out}, f"lraspp_{backbone}")


def lraspp_head(high: KerasTensor, low: KerasTensor, path: str, num_classes: int) -> KerasTensor:
    """Return logits as large as the low map: its own, and those of the high one, scaled by what that is as a whole."""
    x = Conv2d(CHANNELS, 1, bias=False, name=f"{path}.cbr.0")(high)
    x = BatchNorm2d(name=f"{path}.cbr.1")(x)
    x = keras.layers.ReLU(name=f"{path}.cbr.2")(x)
    scale = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{path}.scale.0")(high)
    scale = Conv2d(CHANNELS, 1, bias=False, name=f"{path}.scale.1")(scale)
    scale = keras.layers.Activation("sigmoid", name=f"{path}.scale.2")(scale)
    x = keras.layers.Multiply(name=f"{path}.mul")([x, scale])
    x = Resize(name=f"{path}.interpolate")([x, low])
    ends = (
        Conv2d(num_classes, 1, name=f"{path}.low_classifier")(low),
        Conv2d(num_classes, 1, name=f"{path}.high_classifier")(x),
    )
    return keras.layers.Add(name=f"{path}.add")(list(ends))
