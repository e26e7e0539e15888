"""The recipe: everything that decides what a fine-tuning computes, as one frozen dataclass.

A field is at once a key of a recipe file, a flag (`batch_size` is `--batch-size`) and a keyword of `ft.finetune`. Its
default is the built-in recipe. Nothing in a recipe names code: models, data sets and schedules are looked up by name.
"""

import dataclasses
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints

from ft.errors import RecipeError, printable, unknown
from ft.recipe.cache import CacheSection
from ft.recipe.fields import fitted, stage_list, that_decide
from ft.recipe.freezing import FreezeSection
from ft.recipe.images import ImagesSection
from ft.recipe.loss import LossSection
from ft.recipe.model import ModelSection
from ft.recipe.optimizer import OptimizerSection
from ft.recipe.regularise import RegularisationSection
from ft.recipe.run import NameSection, RunSection
from ft.recipe.schedule import ScheduleSection, counted_from_1
from ft.recipe.text import TextSection
from ft.recipe.training import TrainingSection


@dataclass(frozen=True, kw_only=True)
class Recipe(  # the last section first: fields of a dataclass begin with those of its last base
    CacheSection,
    RunSection,
    RegularisationSection,
    LossSection,
    ScheduleSection,
    OptimizerSection,
    TrainingSection,
    FreezeSection,
    TextSection,
    ImagesSection,
    ModelSection,
    NameSection,
):
    """What to train, on what, and how. Frozen, checked on construction; `replace` returns a changed copy.

    Text is read on construction, and only then: `head_layers`, `changes`, `operations`, `stage_factors` and `thaws` are
    what it says.
    """

    def __post_init__(self) -> None:
        for name in TYPES:
            object.__setattr__(self, name, checked(name, getattr(self, name)))
        self.check_model()
        self.check_freeze()
        self.check_optimizer()
        self.check_run()
        self.check_loss()
        self.check_schedule()
        _ = self.operations, self.stage_factors, self.thaws  # text that says nothing is an error now
        self.check_together()

    def check_together(self) -> None:
        """Raise RecipeError for fields of several sections that contradict each other."""
        if self.warmup_epochs >= self.epochs:
            raise RecipeError(
                f"warmup_epochs: got {self.warmup_epochs:g} of {self.epochs} epochs; "
                "the warm-up must end before the training does"
            )
        if self.result == "ema" and self.ema is None:
            raise RecipeError("result: ema needs the moving average; set ema to 0.999 or so, or take last or best")
        if self.l2sp and self.weights == "none":
            raise RecipeError("l2sp: weights none leaves no pretrained values to stay near; take l2, or pass weights")
        if self.l2sp_head and not self.l2sp:
            raise RecipeError("l2sp_head: goes with l2sp, which is 0; set l2sp, or take l2")
        self.check_sizes()
        self.check_views()

    def check_sizes(self) -> None:
        """Raise RecipeError for what goes with pictures of different sizes alone, or not with them."""
        if self.max_size is None:
            if self.group_by_aspect:
                raise RecipeError("group_by_aspect: goes with max_size, without which all pictures are squares; set it")
            return
        if self.image_size and self.max_size < self.image_size:
            raise RecipeError(
                f"max_size: got {self.max_size}, less than image_size {self.image_size}, which the short side has; "
                "raise it"
            )
        if self.cache in ("memory", "disk") or self.cache_views:
            name = "cache_views" if self.cache_views else "cache"
            raise RecipeError(f"{name}: not with max_size: features hang on how far a batch is padded; leave one out")

    def check_views(self) -> None:
        """Raise RecipeError for views of images that cannot be kept, or of which there is but one."""
        if not self.cache_views:
            return
        if self.cache == "off":
            raise RecipeError("cache_views: cache off keeps no features; leave one of the two out")
        if self.mixup or self.cutmix:
            raise RecipeError("cache_views: mixup and cutmix mix images anew in every batch; leave one of the two out")
        if self.stands_still:
            raise RecipeError("cache_views: every epoch shows the same pixels; set augment, or leave cache_views out")

    @property
    def stands_still(self) -> bool:
        """Whether every epoch shows the same pixels with the same targets."""
        return all(getattr(self, name) == FIELDS[name].default for name in deciding("pixels"))

    def replace(self, **changes: Any) -> "Recipe":
        """Return a checked copy with some fields changed."""
        return from_dict({**to_dict(self), **changes})

    @property
    def title(self) -> str:
        """The name of the run: given, or made from the model and the data."""
        return self.name or f"{self.model.replace('/', '_')}-{Path(self.data).resolve().stem}"


TYPES = get_type_hints(Recipe)
VERSION = 2  # of what a recipe's keys mean, in files and in records; where none is said, it is 1
SYNONYMS = {
    "learning_rate": "lr",
    "architecture": "model",
    "arch": "model",
    "dataset": "data",
    "batchsize": "batch_size",
    "num_epochs": "epochs",
    "wd": "weight_decay",
    "img_size": "image_size",
    "min_size": "image_size",
    "aspect_ratio_group_factor": "group_by_aspect",
    "dtype": "precision",
    "pretrained": "weights",
    "scheduler": "schedule",
    "schedule_unfreeze": "unfreeze",
    "gradient_accumulation": "accumulate",
    "llrd": "layer_decay",
    "grad_clip": "clip_norm",
}
FIELDS = {f.name: f for f in dataclasses.fields(Recipe)}


def deciding(*words: str) -> tuple[str, ...]:
    """Return the fields that decide any of these (see DECIDES), in the recipe's order."""
    return that_decide(FIELDS, *words)


def checked(name: str, value: Any) -> Any:
    """Return `value` as the type of field `name`, within its bounds, or raise RecipeError."""
    return fitted(FIELDS[name], TYPES[name], value)


def unknown_key(key: Any) -> str:
    """Return the message for a key that no field has; other libraries' words for our fields lead to ours."""
    near = get_close_matches(str(key), SYNONYMS, n=1, cutoff=0.75)
    if near and str(key) not in FIELDS:
        return f"unknown key '{printable(str(key))}'; did you mean '{SYNONYMS[near[0]]}'?"
    return unknown("key", str(key), FIELDS)


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """Return the fields as plain values for YAML and JSON."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(recipe).items()}


def from_dict(values: dict[str, Any]) -> Recipe:
    """Build a recipe from plain values. Unknown keys raise RecipeError with the nearest known one."""
    values = renewed(values)
    for key in values:
        if key not in FIELDS:
            raise RecipeError(unknown_key(key))
    return Recipe(**values)


def renewed(values: dict[str, Any], version: Any = VERSION) -> dict[str, Any]:
    """Return the keys of a recipe of any version as they are now; RecipeError for a version that is not known.

    Version 1 counts the epochs of `unfreeze` from 0. Before there was `cache` there was a yes or no.
    """
    if isinstance(version, bool) or version not in range(1, VERSION + 1):
        raise RecipeError(f"version: got {version!r}; expected 1 to {VERSION}, update ft-parity for a newer one")
    if isinstance(values.get("cache_features"), bool):
        kept = {key: value for key, value in values.items() if key != "cache_features"}
        values = {**kept, "cache": "auto" if values["cache_features"] else "off"}
    if version == 1 and values.get("unfreeze"):
        values = {**values, "unfreeze": list(counted_from_1(stage_list("unfreeze", values["unfreeze"])))}
    return values
