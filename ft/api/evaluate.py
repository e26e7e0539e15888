"""A published network tested as it came: folder names are matched to the classes that it was trained on."""

from ft.data import ImageBatches, Reading, Sample, Sampling, open_images
from ft.errors import DataError, RecipeError, listed
from ft.recipe import Recipe
from ft.system.progress import counting
from ft.tasks import task_for
from ft.training.build import load_learner
from ft.training.evaluate import Counted, evaluate
from ft.weights import cast, require_finite
from ft.weights.pretrained import preprocess_of, pretrained_weights
from ft.weights.source import count_outputs
from ft.zoo import find_card, imagenet_classes, imagenet_ids


def evaluate_network(
    *,
    model: str,
    weights: str = "imagenet",
    data: str,
    backend: str,
    image_size: int | None = None,
    workers: int = 2,
    quiet: bool = False,
) -> dict[str, float | None]:
    """Return `top1`, `top5`, `loss`, `macro_f1`, `matthews`, `ece` of a network with its own head on folders or a CSV.

    A folder is the class whose WordNet id or label it bears. Where no folder matches and there are as many folders as
    outputs, they are taken in sorted order; anything else raises DataError. quiet: without a progress bar.
    """
    card = find_card(model)
    if card.task != "classification":
        raise RecipeError(
            f"model: {card.name} is for {card.task}, whose classes data alone does not name; train it first, then "
            "ft evaluate RUN --data DATA"
        )
    dataset = open_images(data)
    source = pretrained_weights(card, weights)
    if source is None:
        raise RecipeError("weights: none leaves nothing to evaluate; say imagenet, or pass a file")
    outputs = count_outputs(source, card)
    if outputs is None:
        raise RecipeError(f"weights {weights}: no tensor {card.last}.weight; is it a file of {model}?")
    require_finite(source, f"weights {weights}")
    place = match_classes(dataset.classes, outputs)
    recipe = Recipe(model=model, weights=weights, workers=workers)
    preprocess = preprocess_of(card, weights)
    preprocess = preprocess.at(image_size) if image_size else preprocess
    tensors = cast(source, recipe.dtype)
    task = task_for(card, dataset)
    samples = [Sample(sample.name, place[sample.labels[0]], sample.source) for sample in dataset.val]
    reading = Reading(as_pixels=True, workers=workers)
    teach = task.teach(classes=outputs, dtype=recipe.dtype)
    batches = ImageBatches(samples, preprocess, Sampling(recipe.batch_size), reading=reading, teach=teach)
    with counting("evaluating", len(samples), quiet=quiet) as count:
        learner = load_learner(recipe, task, tensors, outputs, image_size=preprocess.crop, backend=backend)
        return evaluate(learner, Counted(batches, count), task.meter([str(k) for k in range(outputs)])).result()


def match_classes(folders: tuple[str, ...], outputs: int) -> list[int]:
    """Return the output of the network that each folder stands for. Raises DataError with five names that have none."""
    known: dict[str, int] = {}
    if outputs == len(imagenet_ids()):
        exact = {name: i for names in (imagenet_classes(), imagenet_ids()) for i, name in enumerate(names)}
        known = {name.lower(): i for name, i in exact.items()} | exact  # Cardigan is a dog, cardigan a jacket
    names = [folder.replace("_", " ") for folder in folders]
    places = [known.get(name, known.get(name.lower())) for name in names]
    if all(place is not None for place in places):
        return [place for place in places if place is not None]
    if not any(place is not None for place in places) and len(folders) == outputs:
        return list(range(outputs))
    strangers = [folder for folder, place in zip(folders, places, strict=True) if place is None]
    raise DataError(
        f"{len(strangers)} of {len(folders)} folders are not classes of this network: "
        f"{listed(strangers, 5)}; name folders by WordNet id (n01440764) or label (tench), or have "
        f"exactly {outputs} of them in the order of its outputs"
    )
