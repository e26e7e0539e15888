"""What a head is made of: `512-relu-dropout0.3` becomes a list of layers. The last layer is not in it: it always comes.

| part                          | layer                                                                  |
|-------------------------------|------------------------------------------------------------------------|
| a whole number                | a linear layer with as many outputs                                    |
| relu, gelu, silu, tanh        | the activation; gelu in its exact form                                 |
| batchnorm, layernorm          | eps 1e-5, and batchnorm's statistics move by 0.1, as torch's do        |
| dropoutP                      | dropout of rate P, 0 to below 1                                        |
"""

import re
from dataclasses import dataclass

from ft.errors import RecipeError, unknown

OWN = ("new", "keep")  # the network's own head: with a fresh last layer, or as it is in the weights
LINEAR = "linear"  # nothing but the last layer
ACTIVATIONS = ("relu", "gelu", "silu", "tanh")
NORMS = ("batchnorm", "layernorm")


@dataclass(frozen=True)
class HeadLayer:
    """One layer of a head. kind: linear, dropout, an activation or a norm; units, rate: of the first two."""

    kind: str
    units: int = 0
    rate: float = 0.0


def parse_head(text: str) -> tuple[HeadLayer, ...] | None:
    """Return the layers before the last one, or None for the network's own head. RecipeError for what is neither."""
    if text in OWN:
        return None
    return () if text == LINEAR else tuple(parse_layer(part, text) for part in text.split("-"))


def parse_layer(part: str, text: str) -> HeadLayer:
    """Return one part of a head as a layer."""
    if part in (*ACTIVATIONS, *NORMS):
        return HeadLayer(part)
    if re.fullmatch(r"[1-9]\d{0,5}", part):
        return HeadLayer("linear", units=int(part))
    if match := re.fullmatch(r"dropout(0?\.\d+|0)", part):
        return HeadLayer("dropout", rate=float(match[1]))
    known = (*OWN, LINEAR, *ACTIVATIONS, *NORMS, "dropout0.5")
    raise RecipeError(f"head: {unknown('part', part, known)} (in '{text}'; expected parts such as 512-relu-dropout0.3)")
