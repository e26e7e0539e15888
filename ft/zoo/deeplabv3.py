"""DeepLabV3: the cards, and what the head's layers have. Source: torchvision/models/segmentation/deeplabv3.py."""

from functools import partial

from ft.zoo import fcn
from ft.zoo.voc import FILES

RATES = (12, 24, 36)
CHANNELS = 256
DROPOUT = 0.5

card = partial(fcn.card, family="deeplabv3", dropout=DROPOUT)

CARDS = [
    card("resnet50", FILES["deeplabv3_resnet50"][2]),
    card("resnet101", FILES["deeplabv3_resnet101"][2]),
    card("mobilenet_v3_large", FILES["deeplabv3_mobilenet_v3_large"][2]),
    card("mobilenet_v2", 12_655_586),
]
