"""VGG-16, a port of keras/src/applications/vgg16.py. Shapes: ft/zoo/keras_applications/vgg16.py."""

from torch import Tensor, nn
from torch.nn import functional as F

from ft.zoo.keras_applications.vgg16 import BLOCKS, WIDTH
from ft_torch.layers import FlattenHWC
from ft_torch.models.keras_applications.base import ActivatedConv2d, ActivatedLinear, Flat
from ft_torch.precision import as_type


def vgg16(*, num_classes: int = 1000, image_size: int = 224, dtype: str = "float32") -> nn.Module:
    """Return Keras's VGG-16: images (N, 3, image_size, image_size) -> logits (N, num_classes)."""
    return as_type(VGG16(num_classes, image_size), dtype)


class VGG16(Flat):
    """Five blocks of 3x3 convolutions that halve the image, and three linear layers."""

    def __init__(self, num_classes: int, image_size: int) -> None:
        super().__init__()
        channels_in, names = 3, []
        for block, (channels, depth) in enumerate(BLOCKS, start=1):
            layers: dict[str, nn.Module] = {}
            for conv in range(1, depth + 1):
                layers[f"conv{conv}"] = ActivatedConv2d(channels_in, channels, 3, activation=F.relu)
                channels_in = channels
            layers["pool"] = nn.MaxPool2d(2)
            self.add(f"block{block}_", layers)
            names += [f"block{block}_{name}" for name in layers]
        self.names = (*names, "flatten", "fc1", "fc2", "predictions")
        self.flatten = FlattenHWC()
        self.fc1 = ActivatedLinear(channels_in * (image_size >> len(BLOCKS)) ** 2, WIDTH, activation=F.relu)
        self.fc2 = ActivatedLinear(WIDTH, WIDTH, activation=F.relu)
        self.predictions = nn.Linear(WIDTH, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x, *self.names)
