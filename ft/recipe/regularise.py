"""Penalties on the weights, and averages of them."""

from dataclasses import dataclass
from typing import Literal

from ft.recipe.fields import option


@dataclass(frozen=True, kw_only=True)
class RegularisationSection:
    """Fields under the heading "regularisation"."""

    l2: float = option(0.0, "adds l2 / 2 * |w|^2 to the loss", group="regularisation", decides={"penalty"}, at_least=0)
    l1: float = option(
        0.0,
        "adds l1 * sum |w| to the loss; with l2: elastic net",
        group="regularisation",
        decides={"penalty"},
        at_least=0,
    )
    l2sp: float = option(
        0.0,
        "adds l2sp / 2 * |w - pretrained|^2 to the loss, where w has a pretrained value",
        group="regularisation",
        decides={"penalty", "tensors"},
        at_least=0,
    )
    l2sp_head: float = option(
        0.0,
        "with l2sp, adds l2sp_head / 2 * |w|^2 for what starts fresh",
        group="regularisation",
        decides={"penalty"},
        at_least=0,
    )
    penalty_exempt: Literal["none", "norms-and-biases"] = option(
        "none",
        "what l2, l1 and l2sp leave alone: norms-and-biases are tensors of one dimension",
        group="regularisation",
        decides={"tensors"},
    )
    ema: float | None = option(
        None,
        "keep a moving average of the weights with this decay, such as 0.999",
        group="regularisation",
        decides={"tensors"},
        above=0,
        below=1,
    )
    ema_warmup: bool = option(True, "ema: smaller decay in the first steps", group="regularisation", decides={"result"})
    average_best: int = option(
        5,
        "result average: of so many epochs, those of the best val score",
        group="regularisation",
        decides={"result"},
        at_least=1,
    )
