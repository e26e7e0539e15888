"""`ft models show NAME`: a network by stage, with shapes and parameters, before and after surgery."""

import math
from dataclasses import dataclass

from ft.backend import contract as backends
from ft.backend.contract import Wing
from ft.errors import RecipeError
from ft.network.surgery import Surgery, plan_surgery
from ft.recipe import Recipe
from ft.system.quiet import quiet_stderr
from ft.training.build import new_network
from ft.training.ways import way_of
from ft.zoo import Card, TextCard, find_card


@dataclass(frozen=True)
class Row:
    """One stage: what it hands on for one image, (C, H, W), (T, C) or (F,), () where it runs in training only."""

    stage: str
    shape: tuple[int, ...]
    parameters: int
    convolutions: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A network by stage, and the shape of every tensor."""

    rows: tuple[Row, ...]
    tensors: dict[str, tuple[int, ...]]

    @property
    def parameters(self) -> int:
        """The number of all parameters."""
        return sum(row.parameters for row in self.rows)


def show_network(recipe: Recipe, *, backend: str, classes: int | None = None) -> tuple[Table, Table | None]:
    """Return a recipe's network before and after its surgery (None without any), both wings alike.

    classes: as many as the published weights have, where it is not given.
    """
    card = find_card(recipe.model)
    classes = usual_classes(card) if classes is None else classes
    if classes < 1:
        raise RecipeError(f"classes: got {classes}; a network has at least 1")
    if isinstance(card, TextCard):
        return table_of_text(way_of(card).adapted(card, recipe), backends.load(backend), classes), None
    size = recipe.image_size or card.preprocess.crop
    card.options(image_size=size)
    surgery = plan_surgery(card, recipe)
    wing = backends.load(backend)
    with quiet_stderr():
        wing.prepare(device="cpu", deterministic=False)
        plain = Recipe(model=recipe.model)
        before = table_of(plain, wing, card=card, surgery=None, classes=classes, image_size=size)
        if surgery is None:
            return before, None
        return before, table_of(recipe, wing, card=surgery.card, surgery=surgery, classes=classes, image_size=size)


def table_of(
    recipe: Recipe, wing: Wing, *, card: Card, surgery: Surgery | None, classes: int, image_size: int
) -> Table:
    """Return one network as a table. card, surgery: see `new_network`."""
    model = new_network(recipe, wing, card=card, surgery=surgery, classes=classes, image_size=image_size)
    ends = wing.stage_shapes(model, card, image_size=image_size, channels=recipe.in_channels)
    shapes = wing.weight_shapes(model)
    running = [stage for stage in card.stages if stage in ends]
    rows = []
    for stage in card.stages:
        names = [name for name in wing.parameters(model) if card.stage_of(name) == stage]
        # a stage gives what the next one takes, with a pooling between them if there is one
        after = next(iter(running[running.index(stage) + 1 :]), "head") if stage in ends else "head"
        shape = ends[after][0] if after != "head" else ends[stage][1] if stage in ends else ()
        convolutions = tuple(name.removesuffix(".weight") for name in names if len(shapes[name]) == 4)
        if card.detector and stage in card.behind:  # of several maps none is the one
            shape = ()
        if card.taps and stage == "head":  # behind it logits become as large as the image, or boxes remain
            shape = (card.detector.detections, 4) if card.detector else (classes, image_size, image_size)
        rows.append(Row(stage, shape, sum(math.prod(shapes[name]) for name in names), convolutions))
    return Table(tuple(rows), shapes)


def table_of_text(card: TextCard, wing: Wing, classes: int) -> Table:
    """Return a network that takes text as a table: what a stage hands on is a vector for each token."""
    with quiet_stderr():
        wing.prepare(device="cpu", deterministic=False)
        with wing.building_empty():
            model = wing.build_text(card, num_classes=classes, dtype="float32")
    shapes, parameters = wing.weight_shapes(model), list(wing.parameters(model))
    rows = []
    for stage in card.stages:
        counts = [math.prod(shapes[name]) for name in parameters if card.stage_of(name) == stage]
        shape = (classes,) if stage == "head" else (card.config.max_length, card.config.width)
        rows.append(Row(stage, shape, sum(counts), ()))
    return Table(tuple(rows), shapes)


def usual_classes(card: Card) -> int:
    """Return as many classes as the published weights have; two of a network that takes text, for those have none."""
    return 2 if isinstance(card, TextCard) else card.classes


def changes_of(before: Table, after: Table) -> list[str]:
    """Return what surgery did to the tensors, in words: which are new or of another shape, and how many went."""
    new = [f"{name} {shape}" for name, shape in after.tensors.items() if before.tensors.get(name) != shape]
    gone = [name for name in before.tensors if name not in after.tensors]
    lines = [f"new or of another shape: {', '.join(new)}"] if new else []
    return [*lines, f"gone: {len(gone)} tensors"] if gone else lines
