"""The network: which one, from which weights, and what changes about it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ft.errors import RecipeError
from ft.recipe.changes import Change, group_changes, parse_change, require_consistent
from ft.recipe.fields import option
from ft.recipe.head import HeadLayer, parse_head


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """Fields under the heading "model"."""

    model: str = option("efficientnet_lite0", "network, see `ft models`", group="model", decides={"base", "tensors"})
    weights: str = option(
        "imagenet", "imagenet, none, or a file (.safetensors, .pth, .h5, .keras)", group="model", decides={"start"}
    )
    head: str = option(
        "new",
        "new: a fresh last layer; keep: the one in the weights; or layers: linear, 512-relu-dropout0.3",
        group="model",
        decides={"base", "tensors", "shapes"},
    )
    cut: str | None = option(
        None,
        "stage or block that goes, with all behind it up to the head",
        group="model",
        decides={"base", "tensors", "shapes"},
    )
    pool: Literal["avg", "max", "avg+max", "gem", "mean", "cls", "last", "reference"] | None = option(
        None,
        "pooling before the head: avg, max, avg+max (both, side by side), gem; of texts mean, cls, last, reference "
        "(default: the network's)",
        group="model",
        decides={"base", "tensors", "shapes"},
    )
    change: tuple[str, ...] = option(
        (),
        "convolutions that change: layer4.0.conv2:stride=1,dilation=2 (also kernel=)",
        group="model",
        decides={"base", "tensors", "shapes"},
    )
    in_channels: int = option(
        3,
        "channels of the images: 1 (grey), 3, 4 (with alpha)",
        group="model",
        decides={"base", "tensors", "shapes", "preprocess"},
        at_least=1,
    )
    in_weights: Literal["average", "repeat"] = option(
        "average",
        "first convolution for other channels: mean of its three, or the three in turn",
        group="model",
        decides={"base", "start"},
    )
    dropout: float | None = option(
        None,
        "dropout before the last layer (default: the network's own)",
        group="model",
        decides={"base"},
        at_least=0,
        below=1,
    )
    stochastic_depth: float | None = option(
        None,
        "drop rate of the last block (default: the network's own)",
        group="model",
        decides={"base"},
        at_least=0,
        below=1,
    )

    def check_model(self) -> None:
        """Raise RecipeError for text that is no head or no change, and for two places that say the dropout."""
        object.__setattr__(self, "change", group_changes(self.change))
        require_consistent(self.changes)
        if self.head_layers is not None and self.dropout is not None:
            raise RecipeError(f"dropout: contradicts head {self.head}; say it there, as in {self.head}-dropout0.5")

    @cached_property
    def head_layers(self) -> tuple[HeadLayer, ...] | None:
        """The layers of `head` before the last one, None for the network's own head."""
        return parse_head(self.head)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What `change` says."""
        return tuple(parse_change(text) for text in self.change)
