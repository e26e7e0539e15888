"""AlexNet: the card. Source: torchvision/models/alexnet.py."""

from ft.zoo.card import Card
from ft.zoo.published import published, published_min_size, published_parameters

STAGES = {
    **{f"conv{number}": (f"features.{place}",) for number, place in enumerate((0, 3, 6, 8, 10), start=1)},
    "head": ("classifier",),
}

CARDS = [
    Card(
        name="alexnet",
        family="alexnet",
        tail=("avgpool", "flatten"),
        pool=None,
        parameters=published_parameters("alexnet"),
        stages=STAGES,
        last="classifier.6",
        pretrained=published("alexnet"),
        dropout=0.5,
        min_size=published_min_size("alexnet"),
    )
]
