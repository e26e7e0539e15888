"""Inception v3: the card. Source: torchvision/models/inception.py."""

from ft.zoo.card import Card
from ft.zoo.published import published, published_min_size, published_parameters

STAGES = {
    "stem": ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"),
    "mixed5": ("Mixed_5b", "Mixed_5c", "Mixed_5d"),
    "mixed6": ("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    "aux": ("AuxLogits",),
    "mixed7": ("Mixed_7a", "Mixed_7b", "Mixed_7c"),
    "head": ("dropout", "fc"),
}

CARDS = [
    Card(
        name="inception_v3",
        family="inception",
        parameters=published_parameters("inception_v3"),
        stages=STAGES,
        last="fc",
        pretrained=published("inception_v3"),
        dropout=0.5,
        auxiliary={"AuxLogits.fc": 0.4},  # weight: PyTorch's finetuning tutorial
        # of the main logits; the auxiliary head, where it trains, takes images of 299 pixels and more
        min_size=published_min_size("inception_v3"),
    )
]
