"""Surgery on a network, as data: what a recipe's `cut`, `head`, `pool`, `change` and `in_channels` mean for one card.

Everything that names alone can tell is settled here, for both wings; what shapes tell, each wing finds by running
the changed network without numbers. The rules by which pretrained values are kept stand in ft/weights/refit.py.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ft.errors import RecipeError, listed, unknown
from ft.recipe import Recipe
from ft.recipe.changes import Change, resolve_changes
from ft.recipe.head import HeadLayer
from ft.zoo.card import Card, under

BLOCK = r"(?:\.layers)?\.(denselayer|block\d+-)?(\d+)"  # what stands behind a stage's path in the path of a block
CHANNELS = 3  # of the images that networks were published for
Shapes = Mapping[str, tuple[int, ...]]

WHY_NO_POOL = {  # by the layer before the head
    "flatten": "its head takes every place of the last map",
    "first_token": "its head reads the class token",
    None: "it pools inside of its head",
}


@dataclass(frozen=True)
class Surgery:
    """What is done to one network.

    original, card: the network's card before and after; start: path of the first module that goes, with all behind it
    up to the pooling or, without one, the head; pool: avg, max, avg+max or gem; head: the layers before the last one.
    None leaves each as it is. in_channels: those of the images.
    """

    original: Card
    card: Card
    start: str | None = None
    pool: str | None = None
    head: tuple[HeadLayer, ...] | None = None
    changes: tuple[Change, ...] = ()
    in_channels: int = CHANNELS
    asked: str = field(default="", compare=False)  # in the user's words, for messages

    @property
    def widens(self) -> bool:
        """Whether the head is given another number of features than the network's own."""
        return self.start is not None or self.pool == "avg+max"

    @property
    def keeps_auxiliary(self) -> bool:
        """Whether auxiliary heads, if the network has any, stay."""
        return bool(self.card.auxiliary)

    def require_fits(self, shapes: Shapes) -> None:
        """Raise RecipeError for what the tensors' names and shapes before the surgery already tell."""
        self.changed_convolutions(shapes)
        if self.start is not None and not any(under(name, (self.start,)) for name in shapes):
            raise RecipeError(f"cut: {self.original.name} has no block {self.start}; ft models show lists its layers")

    def require_useful(self, shapes: Shapes) -> None:
        """Raise RecipeError for a change of a convolution that the names and shapes after the surgery lack."""
        for change in self.changes:
            try:
                resolve_changes([change], convolutions(shapes))
            except RecipeError:
                raise RecipeError(f"change: {change.name} goes with {self.asked}; leave one of the two out") from None

    def is_own_head(self, name: str) -> bool:
        """Tell whether a tensor or module belongs to the network's own head, which stays but for its last layer."""
        last = under(name, (self.original.last,))
        return self.head is None and under(name, (self.original.head,)) and not last

    def head_misfit(self, path: str) -> RecipeError:
        """Return the message for an own head whose layer at `path` does not take the features that remain."""
        return RecipeError(
            f"{self.asked}: {path}, the first layer of {self.original.name}'s own head, does not fit what remains; "
            "give it another head, such as --head linear or --head 512-relu"
        )

    def changed_convolutions(self, shapes: Shapes) -> dict[str, Change]:
        """Return the changes by the convolution's path; RecipeError for a name that is no convolution's."""
        return resolve_changes(self.changes, convolutions(shapes)) if self.changes else {}

    def goes(self, name: str) -> bool:
        """Tell whether a tensor of the network before may be missing after: it is of what was cut or replaced."""
        stages = list(self.original.stages)
        stage = next((stage for stage in stages if under(name, self.original.stages[stage])), None)
        if stage == "head":
            return self.head is not None
        if stage is None or stage in auxiliary_stages(self.original):
            return stage is not None and not self.keeps_auxiliary
        cut = next((s for s in stages if self.start and under(self.start, self.original.stages[s])), None)
        return cut is not None and stages.index(stage) >= stages.index(cut)

    def is_new(self, name: str) -> bool:
        """Tell whether the tensor of this name belongs to a layer that the surgery puts in."""
        new_head = self.head is not None and under(name, (self.card.head,))
        return new_head or (self.pool == "gem" and under(name, (str(self.card.pool),)))


def plan_surgery(card: Card, recipe: Recipe) -> Surgery | None:
    """Return what a recipe does to a network, None where it leaves it as it is. RecipeError for what cannot be done."""
    if card.inputs == "text":  # its pool is part of its card
        return None
    layers, pool, changes = recipe.head_layers, recipe.pool, recipe.changes
    if layers is None and not (recipe.cut or pool or changes) and recipe.in_channels == CHANNELS:
        return None
    require_possible(card, recipe)
    stages, start = dict(card.stages), None
    if recipe.cut:
        stages, start = cut_stages(card, recipe.cut)
    if start or pool:  # auxiliary heads hang on what goes, or were trained for another pooling
        stages = {name: prefixes for name, prefixes in stages.items() if name not in auxiliary_stages(card)}
    if layers is not None:
        stages["head"] = (card.head,)
    if pool == "gem":
        stages["head"] = (str(card.pool), *stages["head"])
    altered = dataclasses.replace(
        card,
        stages=stages,
        last=card.last if layers is None else f"{card.head}.{len(layers)}",
        auxiliary={} if start or pool else card.auxiliary,
        dropout=card.dropout if layers is None else None,
    )
    return Surgery(card, altered, start, pool, layers, changes, recipe.in_channels, in_words(recipe))


def in_words(recipe: Recipe) -> str:
    """Return what a recipe does to its network, for messages."""
    layers, channels = recipe.head_layers is not None, recipe.in_channels
    asked = {
        f"cut {recipe.cut}": recipe.cut,
        f"pool {recipe.pool}": recipe.pool,
        f"head {recipe.head}": layers,
        f"change {listed(recipe.change)}": recipe.change,
        f"in_channels {channels}": channels != CHANNELS,
    }
    return ", ".join(words for words, wanted in asked.items() if wanted)


def require_possible(card: Card, recipe: Recipe) -> None:
    """Raise RecipeError where the network has no place for what the recipe asks for."""
    if "/" in card.name and (recipe.cut or recipe.change or recipe.in_channels != CHANNELS):
        raise RecipeError(f"{card.name}: cut, change and in_channels are not there for keras.applications yet")
    if "/" in card.name and card.pool is None and (recipe.pool or recipe.head_layers is not None):
        raise RecipeError(f"{card.name}: pool and head layers are not there for this network yet")
    if card.taps and (recipe.cut or recipe.change or recipe.in_channels != CHANNELS):
        raise RecipeError(f"{card.name}: cut, change and in_channels are not there for {card.task} yet; leave them out")
    if recipe.pool and card.pool is None:
        why = WHY_NO_POOL[card.tail[-1] if card.tail else None]
        raise RecipeError(f"pool: {card.name} has no global pooling before its head: {why}; leave pool out")
    if recipe.head_layers is not None and not card.tail:
        raise RecipeError(f"head: {card.name} pools inside of its head, so no layers go before its last one; say new")
    if recipe.head == "keep" and (recipe.cut or recipe.pool == "avg+max"):
        what = f"cut {recipe.cut}" if recipe.cut else "pool avg+max"
        raise RecipeError(
            f"head: keep contradicts {what}, which gives the head other features; say new, or name layers"
        )


def auxiliary_stages(card: Card) -> set[str]:
    """Return the stages of the auxiliary heads."""
    return {card.stage_of(path) for path in card.auxiliary}


def cut_stages(card: Card, cut: str) -> tuple[dict[str, tuple[str, ...]], str]:
    """Return the stages that are left and the path of the first module that goes. RecipeError for a useless cut."""
    trunk = [name for name in card.stages if name != "head" and name not in auxiliary_stages(card)]
    stage, start = find_cut(card, cut, trunk)
    if start == card.stages[trunk[0]][0]:
        raise RecipeError(f"cut: {cut} removes everything; cut at one of {listed(trunk[1:])}, or at a block")
    left = {name: card.stages[name] for name in trunk[: trunk.index(stage)]}
    prefixes = card.stages[stage]
    if start != prefixes[0]:
        place = next(i for i, prefix in enumerate(prefixes) if under(start, (prefix,)))
        left[stage] = prefixes[: place + (start != prefixes[place])]
    return {**left, "head": card.stages["head"]}, start


def find_cut(card: Card, cut: str, trunk: list[str]) -> tuple[str, str]:
    """Return the stage that a cut begins in and the path of the module that it begins with.

    cut: a stage; or the path of a block, such as features.5.1, or stage and number, such as stage5.1.
    """
    stage, _, rest = cut.partition(".")
    if cut in trunk:
        return cut, card.stages[cut][0]
    path = f"{card.stages[stage][0]}.{rest}" if rest and len(card.stages.get(stage, ())) == 1 else cut
    for name in trunk:
        for prefix in card.stages[name]:
            if match := re.fullmatch(re.escape(prefix) + BLOCK, path):  # a stage's first block is the whole of it
                return name, prefix if int(match[2]) == (match[1] == "denselayer") else path
            if path == prefix:
                return name, path
            if under(path, (prefix,)):
                raise RecipeError(f"cut: {cut} is not a block but inside of one; cut at a stage or a whole block")
    raise RecipeError(f"cut: {unknown('stage or block', cut, trunk)}")


def convolutions(shapes: Shapes) -> list[str]:
    """Return the paths of the convolutions, in the network's order."""
    return [
        name.removesuffix(".weight") for name, shape in shapes.items() if len(shape) == 4 and name[-7:] == ".weight"
    ]


def first_convolution(shapes: Shapes) -> str:
    """Return the path of the convolution that takes the images."""
    return convolutions(shapes)[0]


class Misfit(RecipeError):
    """A layer or block, at `path`, whose inputs do not fit it or each other; why: the words of one function below."""

    def __init__(self, path: str, why: str = "") -> None:
        reason = f" ({why})" if why else ""
        super().__init__(f"{path}: the shapes no longer fit each other{reason}; change or cut otherwise")
        self.path = path


def unequal_sum(shapes: Iterable[tuple[int, ...]]) -> str:
    """Return why canonical shapes cannot be added up, "" where they are equal: a sum is never broadcast."""
    unlike = sorted(set(shapes), reverse=True)
    return f"it adds {' and '.join(map(str, unlike))}" if len(unlike) > 1 else ""


def unequal_maps(shapes: Iterable[tuple[int, ...]]) -> str:
    """Return why maps of canonical shapes (C, H, W) cannot stand side by side, "" where they can."""
    sizes = [" x ".join(map(str, size)) for size in sorted({shape[1:] for shape in shapes}, reverse=True)]
    return f"it joins maps of {' and '.join(sizes)}" if len(sizes) > 1 else ""


def too_small(shape: tuple[int, ...]) -> str:
    """Return why a convolution or pooling takes nothing of this canonical shape."""
    return f"its window does not fit into {shape}"
