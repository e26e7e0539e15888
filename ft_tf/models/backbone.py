"""What segmentation networks take of classification networks, and how they end."""

from collections.abc import Mapping

import keras
from keras import KerasTensor

from ft.zoo.backbone import BACKBONES, DILATED, PATH, dilated
from ft.zoo.mobilenetv2 import blocks
from ft.zoo.mobilenetv3 import SHAPES as MOBILENETS_V3
from ft.zoo.resnet import SHAPES as RESNETS
from ft_tf.layers import Resize
from ft_tf.models import mobilenetv2, mobilenetv3, resnet


def backbone_maps(images: KerasTensor, name: str) -> tuple[KerasTensor, KerasTensor]:
    """Return the two maps that a network for segmentation takes of a dilated backbone, the deep one first."""
    if name in RESNETS:
        *_, shallow, deep = resnet.maps(images, RESNETS[name], prefix=f"{PATH}.", dilated=DILATED)
        return deep, shallow
    if name in MOBILENETS_V3:
        maps = mobilenetv3.maps(images, PATH, dilated(MOBILENETS_V3[name].blocks))
    else:
        maps = mobilenetv2.maps(images, PATH, dilated(blocks(PATH)))
    deep, shallow = (int(path.rpartition(".")[2]) for path, _ in (BACKBONES[name].deep, BACKBONES[name].shallow))
    return maps[deep], maps[shallow]


def of_full_size(images: KerasTensor, logits: Mapping[str, KerasTensor], name: str) -> keras.Model:
    """Return the network called `name`, its logits resized to the images' size, by name."""
    return keras.Model(images, {key: Resize(name=key)([x, images]) for key, x in logits.items()}, name=name)
