"""A published network tested as it came: classes of the data are matched to those that it was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from ft.data import Dataset, Mask, Reading, Sample, Sampling
from ft.errors import DataError, RecipeError, listed, printable
from ft.recipe import Recipe
from ft.system.progress import counting
from ft.tasks import BY_NETWORK, task_for
from ft.training.build import load_learner
from ft.training.evaluate import Counted, evaluate
from ft.training.job import recipe_of
from ft.training.ways import way_of
from ft.weights import cast, require_finite
from ft.weights.pretrained import names_a_file, preprocess_of, pretrained_weights
from ft.weights.source import count_outputs
from ft.zoo import Card, find_card, imagenet_classes, imagenet_ids
from ft.zoo.voc import VOC_CLASSES, voc_number


def evaluate_network(
    *,
    model: str,
    weights: str | None = None,
    data: str,
    backend: str,
    image_size: int | None = None,
    workers: int = 2,
    quiet: bool = False,
) -> dict[str, float | None]:
    """Return the metrics of a network with its own head: `top1`, `top5`, `loss`, `macro_f1`, `matthews`, `ece` on
    folders or a CSV; of one for segmentation `mean_iou`, `pixel_accuracy`, `loss` on images with masks.

    weights: a published name or a file; None: the network's own, whole. A folder is the class whose WordNet id or label
    it bears, a class of masks the one of Pascal VOC whose name it bears; masks without names hold the numbers of the
    outputs. Where no name matches and there are as many as outputs, they are taken in their order; anything else raises
    DataError. quiet: without a progress bar.
    """
    card = find_card(model)
    weights = whole_weights(card, weights)
    recipe = recipe_of({"model": model, "weights": weights, "data": data, "workers": workers})
    dataset = data_of(recipe, card, quiet=quiet)
    source, outputs = with_head(card, weights)
    samples = numbered(dataset, match_classes(dataset.classes, outputs, card.task))
    preprocess = preprocess_of(card, weights)
    preprocess = preprocess.at(image_size) if image_size else preprocess
    task = task_for(card, dataset)
    reading, teach = Reading(as_pixels=True, workers=workers), task.teach(classes=outputs, dtype=recipe.dtype)
    batches = task.batches()(samples, preprocess, Sampling(recipe.batch_size), reading=reading, teach=teach)
    with counting("evaluating", len(samples), quiet=quiet) as count:
        tensors = cast(source, recipe.dtype)
        learner = load_learner(recipe, task, tensors, outputs, image_size=preprocess.crop, backend=backend)
        return evaluate(learner, Counted(batches, count), task.meter([str(k) for k in range(outputs)])).result()


def whole_weights(card: Card, weights: str | None) -> str:
    """Return the name of weights that have a head; RecipeError where these have none, or nothing names its classes."""
    if card.task not in NUMBERS:
        raise RecipeError(
            f"model: {card.name} is for {card.task}, whose classes data alone does not name; train it first, then "
            "ft evaluate RUN --data DATA"
        )
    if weights == "none":
        raise RecipeError("weights: none leaves nothing to evaluate; leave it out, or pass a file")
    if card.task == "classification":
        return weights or "imagenet"
    whole = [entry.name for entry in card.pretrained if entry.classes]
    if weights is None and whole:
        return whole[0]
    if weights is None or not (names_a_file(weights) or card.weights(weights).classes):
        raise RecipeError(
            f"weights: {weights or 'imagenet'} are those of {card.name}'s backbone, without a head that answers; "
            f"{f'say {whole[0]}, ' if whole else ''}pass a file, or train it first"
        )
    return weights


def data_of(recipe: Recipe, card: Card, *, quiet: bool) -> Dataset:
    """Return what is to be measured of the data that a recipe names, with its own classes."""
    way, made_for = way_of(card), BY_NETWORK.get(card.task)
    labels, policy = made_for.labels if made_for else "one", way.policy_of(recipe, card, quiet=quiet)
    return way.read_data(recipe, recipe.data, classes=None, policy=policy, labels=labels).to_evaluate()


def with_head(card: Card, weights: str) -> tuple[Mapping[str, np.ndarray], int]:
    """Return the tensors of a whole network, and how many classes it tells apart."""
    source = pretrained_weights(card, weights) or {}
    outputs = count_outputs(source, card)
    if outputs is None:
        raise RecipeError(f"weights {weights}: no tensor {card.last}.weight; is it a file of {card.name}?")
    require_finite(source, f"weights {weights}")
    return source, outputs


def numbered(dataset: Dataset, place: Sequence[int]) -> list[Sample]:
    """Return samples with the numbers of a network's outputs. place: the output of each class of the data."""
    if not dataset.masks:
        return [Sample(sample.name, place[sample.labels[0]], sample.source) for sample in dataset.val]
    masks = [sample.label for sample in dataset.val if isinstance(sample.label, Mask)]
    coding = masks[0].coding.renumbered(place)  # all have one
    return [replace(s, label=replace(m, coding=coding)) for s, m in zip(dataset.val, masks, strict=True)]


def match_classes(names: tuple[str, ...], outputs: int, task: str = "classification") -> list[int]:
    """Return the output of the network that each class stands for. Raises DataError with five names that have none."""
    number, things, hint = NUMBERS[task]
    places = [number(name, outputs) for name in names]
    if all(place is not None for place in places):
        return [place for place in places if place is not None]
    if not any(place is not None for place in places) and len(names) == outputs:
        return list(range(outputs))
    strangers = [name for name, place in zip(names, places, strict=True) if place is None]
    raise DataError(
        f"{len(strangers)} of {len(names)} {things} of this network: {listed(map(printable, strangers), 5)}; "
        f"{hint}, or have exactly {outputs} of them in the order of its outputs"
    )


def folder_number(folder: str, outputs: int) -> int | None:
    """Return the output that a folder of images stands for by its name, None for none."""
    name, known = folder.replace("_", " "), imagenet_numbers() if outputs == len(imagenet_ids()) else {}
    return known.get(name, known.get(name.lower()))


@cache
def imagenet_numbers() -> dict[str, int]:
    """Return the numbers of ImageNet's classes by label and WordNet id, as they are written and in lower case."""
    exact = {name: i for names in (imagenet_classes(), imagenet_ids()) for i, name in enumerate(names)}
    return {name.lower(): i for name, i in exact.items()} | exact  # Cardigan is a dog, cardigan a jacket


def mask_number(name: str, outputs: int) -> int | None:
    """Return the output that a class of masks stands for, None for none; without classes.txt its name is its value."""
    if name.isdecimal():
        return int(name) if int(name) < outputs else None
    return voc_number(name) if outputs == len(VOC_CLASSES) else None


NUMBERS = {  # task -> what gives the output of a name, what strangers are told to be none of, and what to do
    "classification": (
        folder_number,
        "folders are not classes",
        "name folders by WordNet id (n01440764) or label (tench)",
    ),
    "segmentation": (
        mask_number,
        "classes of the masks are not classes",
        "write classes.txt beside them with Pascal VOC's names (background, aeroplane)",
    ),
}
