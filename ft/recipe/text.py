"""What becomes of texts before they train."""

from dataclasses import dataclass
from typing import Literal

from ft.recipe.fields import option


@dataclass(frozen=True, kw_only=True)
class TextSection:
    """Fields under the heading "text"."""

    task: Literal["regression", "token-classification", "language-model"] | None = option(
        None,
        "what is learnt where labels may mean several things: regression takes them as numbers, language-model leaves "
        "them (default: by the data)",
        group="text",
        decides={"base", "tensors", "shapes", "loss"},
    )

    max_length: int = option(
        128,
        "tokens of a text at most, special ones included; what is longer loses its end",
        group="text",
        decides={"preprocess", "base"},
        at_least=3,
    )
    pad_side: Literal["right", "left"] = option(
        "right", "the side on which shorter texts are padded", group="text", decides={"preprocess", "base"}
    )
