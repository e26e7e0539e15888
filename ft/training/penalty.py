"""What regularisation adds to the loss, as numbers for each parameter; ft_torch and ft_tf/penalty.py compute it.

    R(w) = l2 / 2 * |w|^2  +  l1 * sum |w|  +  l2sp / 2 * |w - w0|^2        loss = mean loss + sum of R over what trains

w0 is the value that training started from: the pretrained one. What starts fresh (a new head) has none, so there
`l2sp_head` stands in for l2sp as plain L2, as in the paper. l2 and l1 together are the elastic net. Under plain SGD an
l2 of 0.01 is a weight_decay of 0.01, but it is in the logged loss, and it goes through clipping and adaptive rates.
Source: Li, Grandvalet and Davoine, "Explicit inductive bias for transfer learning", ICML 2018 (L2-SP).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ft.errors import RecipeError
from ft.network.freeze import frozen_stages
from ft.recipe import Recipe
from ft.zoo import Card
from ft.zoo.card import under


@dataclass(frozen=True)
class Terms:
    """The factors of one parameter's R."""

    l2: float = 0.0
    l1: float = 0.0
    l2sp: float = 0.0


def plan_penalty(recipe: Recipe, card: Card, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Terms]:
    """Return the terms of every parameter that has any. shapes: of the parameters that train, by canonical name.

    With penalty_exempt "norms-and-biases" the parameters of one dimension are left alone.
    """
    terms = {}
    for name, shape in shapes.items():
        fresh = starts_fresh(recipe, card, name)
        own = Terms(
            l2=recipe.l2 + (recipe.l2sp_head if fresh else 0.0),
            l1=recipe.l1,
            l2sp=0.0 if fresh else recipe.l2sp,
        )
        if own != Terms() and (recipe.penalty_exempt == "none" or len(shape) > 1):
            terms[name] = own
    return terms


def starts_fresh(recipe: Recipe, card: Card, name: str) -> bool:
    """Tell whether a parameter, or all of a module, is drawn from the seed though the rest is pretrained."""
    if recipe.head in ("new", "keep"):
        return recipe.head == "new" and under(name, card.outputs)
    return card.stage_of(name) == "head"  # layers of its own


def require_anchor(recipe: Recipe, card: Card) -> None:
    """Raise RecipeError where L2-SP finds nothing that trains and has a pretrained value."""
    trained = set(card.stages) - set(frozen_stages(card, recipe.freeze))
    trained |= {stage for thaw in recipe.thaws for stage in thaw.stages(card.stages)}
    if recipe.l2sp and recipe.head != "keep" and trained == {"head"}:
        raise RecipeError(
            f"l2sp: only the new head trains, and it has no pretrained values to stay near; freeze less of {card.name} "
            "(--freeze none), or take l2"
        )
