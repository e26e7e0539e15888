"""How long and in what steps it trains."""

from dataclasses import dataclass

from ft.recipe.fields import option


@dataclass(frozen=True, kw_only=True)
class TrainingSection:
    """Fields under the heading "training"."""

    epochs: int = option(20, "passes over the training images", group="training", decides={"length"}, at_least=1)
    batch_size: int = option(32, "images a step", group="training", decides={"order", "step"}, at_least=1)
    lr: float = option(0.001, "learning rate", group="training", decides={"rate", "step"}, above=0)
    label_smoothing: float = option(
        0.0, "label smoothing of the loss", group="training", decides={"loss"}, at_least=0, below=1
    )
    patience: int | None = option(
        None,
        "stop after so many epochs without a better val score",
        group="training",
        decides={"length"},
        at_least=1,
    )
