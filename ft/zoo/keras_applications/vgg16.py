"""Keras's VGG-16: no pooling to 7x7 before the linear layers, no dropout, features flattened in H, W, C order.

Source: keras/src/applications/vgg16.py.
"""

from ft.zoo.card import Card
from ft.zoo.keras_applications.published import published

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, 3x3 convolutions
WIDTH = 4096  # of fc1 and fc2


CARD = Card(
    name="keras/vgg16",
    family="keras_applications",
    parameters=138_357_544,
    stages={
        **{f"block{number}": (f"block{number}_",) for number in range(1, len(BLOCKS) + 1)},
        "top": ("fc1", "fc2"),
        "head": ("predictions",),
    },
    last="predictions",
    pretrained=published(
        "tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        md5="64373286793e3c8b2b4e3219cbf3544b",
        mode="caffe",
        size=224,
        top1=71.3,
        licence="CC-BY-4.0",
    ),
    sized=True,
    by_place=True,
    min_size=32,
    tail=(),
    pool=None,
)
