"""The recipe: everything that decides what a fine-tuning computes, as one frozen dataclass.

A field is at once a key of a recipe file, a flag (`batch_size` is `--batch-size`) and a keyword of `ft.finetune`. Its
default is the built-in recipe. Nothing in a recipe names code: models, data sets and schedules are looked up by name.
"""

import contextlib
import dataclasses
import math
import operator
import re
import types
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from ft.changes import group_changes, parse_change, require_consistent
from ft.errors import RecipeError, listed, printable, unknown
from ft.head import parse_head
from ft.optimizers import check_optimizer

MAX_RECIPE_BYTES = 100_000
DECIDES = {  # what a field may decide: every list of fields elsewhere is a query on these words, see `deciding`
    "title": "what a run is called",
    "base": "what a frozen base computes of an image, or where it ends",
    "tensors": "which tensors there are, also of the optimizer, the average and the anchors",
    "statistics": "which tensors beside the parameters change",
    "shapes": "what each stage hands on",
    "start": "the values that training starts from",
    "images": "which images there are",
    "preprocess": "how a file becomes pixels, the same in every epoch: it stands in `Preprocess`",
    "pixels": "which pixels and targets an image has, drawn anew in every epoch; none are drawn at the field's default",
    "draws": "what everything random is drawn from",
    "order": "which images make a step",
    "opening": "how a data set is opened: it stands in `Policy`",
    "check": "what `ft data check` finds",
    "limits": "what is refused, and what is let pass",
    "length": "when the training ends",
    "rate": "the learning rate of a parameter in a step",
    "loss": "what is minimised",
    "penalty": "what pulls weights towards zero, or towards their start",
    "update": "how gradients become an update",
    "rule": "a number of the optimizer's rule",
    "slots": "which slots the optimizer's rule has",
    "step": "a plain step of any network",
    "result": "which weights a run ends with",
    "machine": "on what it is computed, and how fast",
    "cache": "where features are kept, and how many",
}


def option(
    default: Any,
    text: str,
    *,
    group: str,
    decides: set[str],
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    flags: tuple[str, ...] = (),
) -> Any:
    """Declare a field with its help text, its heading, what it decides (see DECIDES), its bounds, and further flags."""
    assert set() < decides <= DECIDES.keys(), f"say what it decides, in words of DECIDES, not {decides}"
    bounds = {"at_least": at_least, "at_most": at_most, "above": above, "below": below}
    return field(default=default, metadata={"help": text, "group": group, "decides": decides, "flags": flags, **bounds})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train, on what, and how. Frozen, checked on construction; `replace` returns a changed copy."""

    name: str | None = option(None, "name of the run folder (default: MODEL-DATA)", group="run", decides={"title"})
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
    pool: Literal["avg", "max", "avg+max", "gem"] | None = option(
        None,
        "pooling before the head: avg, max, avg+max (both, side by side), gem (default: the network's)",
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

    data: str = option(
        "digits",
        "digits, a folder of class folders, or a CSV path,label[,split] (cat|dog: two labels)",
        group="data",
        decides={"order"},
    )
    val_fraction: float = option(
        0.2,
        "share of each class held out where the data has no val split",
        group="data",
        decides={"images", "check"},
        above=0,
        below=1,
    )
    image_size: int | None = option(
        None,
        "pixels a side (default: the data set's or the network's own)",
        group="data",
        decides={"preprocess", "shapes", "check"},
        at_least=8,
    )
    augment: Literal["none", "crop-flip"] = option(
        "none",
        "crop-flip: RandomResizedCrop and horizontal flip; none: resize and crop",
        group="data",
        decides={"pixels"},
    )
    randaugment: str | None = option(
        None,
        "RandAugment: operations an image and their magnitude of 0 to 30, such as 2x9",
        group="data",
        decides={"pixels"},
    )
    jitter: float = option(
        0.0,
        "change brightness, contrast and saturation by up to this share",
        group="data",
        decides={"pixels"},
        at_least=0,
    )
    hue: float = option(
        0.0,
        "turn hues by up to this share of the circle, in jitter's turn",
        group="data",
        decides={"pixels"},
        at_least=0,
        at_most=0.5,
    )
    erase: float = option(
        0.0, "share of the images that lose a random box", group="data", decides={"pixels"}, at_least=0, at_most=1
    )
    mixup: float = option(
        0.0, "blend images in pairs: alpha of the Beta distribution", group="data", decides={"pixels"}, at_least=0
    )
    cutmix: float = option(
        0.0, "paste a box of another image: alpha, as for mixup", group="data", decides={"pixels"}, at_least=0
    )
    jpeg: Literal["full", "reduced"] = option(
        "full",
        "reduced: decode large JPEGs at 1/2, 1/4 or 1/8, never below twice what is needed",
        group="data",
        decides={"preprocess"},
    )
    workers: int = option(
        2, "threads that read and resize images", group="data", decides={"machine", "opening", "check"}, at_least=0
    )
    on_bad_image: Literal["error", "skip"] = option(
        "error",
        "an image that cannot be used: stop there, or try all first and leave it out",
        group="data",
        decides={"images", "opening"},
    )
    max_bad_fraction: float = option(
        0.01,
        "share of the images that may be left out before it is an error",
        group="data",
        decides={"limits", "opening"},
        at_least=0,
        below=1,
    )
    max_pixels: int = option(
        89_478_485,
        "width times height above which an image is not decoded",
        group="data",
        decides={"limits", "opening", "check"},
        at_least=1,
    )
    fail_on_leak: bool = option(
        False,
        "val images that are train images are an error, not a warning",
        group="data",
        decides={"limits", "opening", "check"},
    )
    fail_on_empty_class: bool = option(
        False, "class folders without images are an error, too", group="data", decides={"limits", "opening", "check"}
    )
    allow_outside_root: bool = option(
        False,
        "CSV paths and links to files may lead out of the data's folder",
        group="data",
        decides={"limits", "opening", "check"},
    )
    allow_data_change: bool = option(
        False, "resume although the images are not those of the checkpoint", group="data", decides={"limits"}
    )
    allow_nonfinite: bool = option(
        False, "start from weights that hold NaN or infinity", group="data", decides={"limits"}
    )
    read_timeout: float = option(
        300.0, "seconds to wait for one image (needs workers)", group="data", decides={"limits"}, above=0, below=1e6
    )

    freeze: tuple[str, ...] = option(
        ("base",), "base (all but the head), none, or stages: stem,layer1", group="freeze", decides={"tensors"}
    )
    bn: Literal["frozen", "update"] = option(
        "frozen",
        "BatchNorm in frozen stages: keep its statistics, or update them",
        group="freeze",
        decides={"statistics"},
    )

    epochs: int = option(20, "passes over the training images", group="training", decides={"length"}, at_least=1)
    batch_size: int = option(32, "images a step", group="training", decides={"order", "step"}, at_least=1)
    lr: float = option(0.001, "learning rate", group="training", decides={"rate", "step"}, above=0)
    label_smoothing: float = option(
        0.0, "label smoothing of the loss", group="training", decides={"loss"}, at_least=0, below=1
    )
    patience: int | None = option(
        None,
        "stop after so many epochs without a better val accuracy",
        group="training",
        decides={"length"},
        at_least=1,
    )

    optimizer: Literal["sgd", "adam", "adamw", "rmsprop", "adagrad", "lars"] = option(
        "sgd", "update rule, see docs/recipe.md", group="optimizer", decides={"tensors", "update"}
    )
    momentum: float | None = option(
        None,
        "momentum (default: sgd and lars 0.9, rmsprop 0)",
        group="optimizer",
        decides={"rule", "slots"},
        at_least=0,
        below=1,
    )
    nesterov: bool = option(False, "sgd: Nesterov's form of momentum", group="optimizer", decides={"rule"})
    dampening: float | None = option(
        None,
        "sgd: share of the gradient kept out of the momentum (default: 0)",
        group="optimizer",
        decides={"rule", "slots"},
        at_least=0,
        below=1,
    )
    weight_decay: float | None = option(
        None,
        "L2 term in every gradient, adamw: beside it (default: 0, adamw 0.01)",
        group="optimizer",
        decides={"rule", "penalty"},
        at_least=0,
    )
    decay_exempt: Literal["none", "norms-and-biases"] = option(
        "none",
        "what weight decay leaves alone: norms-and-biases are tensors of one dimension",
        group="optimizer",
        decides={"update"},
    )
    betas: tuple[float, float] | None = option(
        None,
        "adam, adamw: decay of the two averages (default: 0.9,0.999)",
        group="optimizer",
        decides={"rule"},
        at_least=0,
        below=1,
    )
    eps: float | None = option(
        None, "added to the denominator (default: 1e-8, adagrad 1e-10)", group="optimizer", decides={"rule"}, at_least=0
    )
    alpha: float | None = option(
        None,
        "rmsprop: decay of the average of squares (default: 0.99)",
        group="optimizer",
        decides={"rule"},
        at_least=0,
        below=1,
    )
    centered: bool = option(
        False, "rmsprop: divide by the deviation from the mean gradient", group="optimizer", decides={"rule", "slots"}
    )
    lr_decay: float | None = option(
        None, "adagrad: lr / (1 + updates * lr_decay) (default: 0)", group="optimizer", decides={"rule"}, at_least=0
    )
    initial_accumulator: float | None = option(
        None,
        "adagrad: what the sum of squares starts from (default: 0)",
        group="optimizer",
        decides={"rule"},
        at_least=0,
    )
    trust: float | None = option(
        None, "lars: trust coefficient (default: 0.001)", group="optimizer", decides={"rule"}, above=0
    )
    accumulate: int = option(
        1,
        "batches whose gradients make one update; an update counts as one step",
        group="optimizer",
        decides={"order"},
        at_least=1,
    )
    clip_norm: float | None = option(
        None, "largest norm of all gradients together", group="optimizer", decides={"update"}, above=0
    )
    clip_value: float | None = option(
        None, "largest magnitude of a gradient's element", group="optimizer", decides={"update"}, above=0
    )

    schedule: Literal["constant", "step", "exponential", "cosine", "one-cycle", "linear", "plateau"] = option(
        "constant", "learning rate over time", group="learning rate", decides={"rate"}
    )
    step_epochs: int = option(
        10, "schedule step: epochs between two drops", group="learning rate", decides={"rate"}, at_least=1
    )
    step_factor: float = option(
        0.1, "schedules step and plateau: factor of a drop", group="learning rate", decides={"rate"}, above=0
    )
    epoch_factor: float = option(
        0.95, "schedule exponential: factor of an epoch", group="learning rate", decides={"rate"}, above=0
    )
    end_factor: float = option(
        0.0, "schedule linear: share of lr at the end", group="learning rate", decides={"rate"}, at_least=0
    )
    rise: float = option(
        0.3,
        "schedule one-cycle: share of the training in which the rate rises",
        group="learning rate",
        decides={"rate"},
        above=0,
        below=1,
    )
    plateau_patience: int = option(
        10,
        "schedule plateau: epochs without a better val loss before a drop",
        group="learning rate",
        decides={"rate"},
        at_least=0,
    )
    warmup_epochs: float = option(
        0.0, "epochs of linear warm-up from zero", group="learning rate", decides={"rate"}, at_least=0
    )
    stage_lr: tuple[str, ...] = option(
        (), "factors of lr by stage: stem:0.1,layer1:0.3 (other stages: 1)", group="learning rate", decides={"rate"}
    )
    layer_decay: float | None = option(
        None,
        "factor of lr from stage to stage, from the head down: 0.75",
        group="learning rate",
        decides={"rate"},
        above=0,
        at_most=1,
    )
    unfreeze: tuple[str, ...] = option(
        (),
        "frozen stages that train from an epoch (0 the first) on: 3:layer4,6:layer3, with a factor of lr: 5:all@0.1",
        group="learning rate",
        decides={"tensors", "rate"},
        flags=("--schedule-unfreeze",),
    )

    loss: Literal["cross-entropy", "focal", "bce", "bce-focal"] = option(
        "cross-entropy",
        "training loss; bce: each class is a yes or no of its own, as where an image has several labels",
        group="loss",
        decides={"loss"},
    )
    focal_gamma: float = option(
        2.0, "focal, bce-focal: how much less easy images count", group="loss", decides={"loss"}, at_least=1
    )
    class_weights: tuple[float, ...] | Literal["none", "balanced"] = option(
        "none",
        "weight of each class in the loss, in class order; balanced: images / (classes * images of the class)",
        group="loss",
        decides={"loss"},
        above=0,
    )
    sampling: Literal["shuffle", "balanced"] = option(
        "shuffle",
        "shuffle: each image once an epoch; balanced: classes drawn alike, with replacement",
        group="loss",
        decides={"order"},
    )

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
        "result average: of so many epochs, those of the best val accuracy",
        group="regularisation",
        decides={"result"},
        at_least=1,
    )

    result: Literal["last", "best", "ema", "average"] = option(
        "last",
        "weights that the run ends with: of the last epoch, of the best val accuracy, the moving average, or the mean "
        "of the best epochs",
        group="run",
        decides={"result"},
    )
    seed: int = option(
        0, "seed of everything random", group="run", decides={"order", "draws", "check", "step"}, at_least=0
    )
    precision: Literal["float32", "bfloat16", "float64"] = option(
        "float32",
        "type of weights and arithmetic; bfloat16: of products, weights and norms stay float32",
        group="run",
        decides={"base", "tensors", "step"},
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = option(
        "auto", "where to compute; mps (Apple's GPU): PyTorch only, without float64", group="run", decides={"machine"}
    )
    deterministic: bool = option(
        True, "bit-identical weights for the same seed", group="run", decides={"base", "machine"}
    )
    compile: Literal["auto", "on", "off"] = option(
        "auto",
        "fold and compile the leading frozen stages; auto: where that pays; on: compile what trains, too",
        group="run",
        decides={"base"},
    )

    cache: Literal["auto", "memory", "disk", "off"] = option(
        "auto",
        "where a frozen base's features are kept while pixels do not change: auto is memory up to cache_limit, disk "
        "above; off computes them in every epoch",
        group="feature cache",
        decides={"cache"},
    )
    cache_limit: float = option(
        2.0,
        "auto: GB of features (of all images together) up to which memory keeps them",
        group="feature cache",
        decides={"cache"},
        above=0,
    )
    cache_disk_limit: float = option(
        20.0,
        "GB of all files of features together; the least recently used give way",
        group="feature cache",
        decides={"cache"},
        above=0,
    )
    cache_dir: str | None = option(
        None,
        "folder of the files of features (default: FT_CACHE, or ~/.cache/ft-parity)",
        group="feature cache",
        decides={"cache"},
    )
    cache_views: int = option(
        0,
        "with augmentation: keep so many views of each image and take them in turn, an approximation (0: none)",
        group="feature cache",
        decides={"cache"},
        at_least=0,
    )

    def __post_init__(self) -> None:
        for name, kind in TYPES.items():
            object.__setattr__(self, name, checked(name, kind, getattr(self, name)))
        object.__setattr__(self, "change", group_changes(self.change))
        layers, changes = parse_head(self.head), [parse_change(text) for text in self.change]
        require_consistent(changes)
        if layers is not None and self.dropout is not None:
            raise RecipeError(f"dropout: contradicts head {self.head}; say it there, as in {self.head}-dropout0.5")
        if len(self.freeze) > 1 and {"base", "none"} & set(self.freeze):
            raise RecipeError(f"freeze: got {listed(self.freeze)}; 'base' and 'none' stand alone, stages go in a list")
        check_optimizer(self, deciding("rule"))
        if self.device == "mps" and self.precision == "float64":
            raise RecipeError("precision: Apple's GPU has no float64; take float32, or --device cpu")
        self.check_losses()
        if self.schedule == "plateau" and self.step_factor >= 1:
            raise RecipeError(f"step_factor: got {self.step_factor:g}; schedule plateau needs a factor below 1")
        if self.schedule == "one-cycle" and self.warmup_epochs:
            raise RecipeError("warmup_epochs: schedule one-cycle rises by itself; leave warmup_epochs out, or set rise")
        if self.warmup_epochs >= self.epochs:
            raise RecipeError(
                f"warmup_epochs: got {self.warmup_epochs:g} of {self.epochs} epochs; "
                "the warm-up must end before the training does"
            )
        self.check_regularisation()
        self.check_cache()

    def check_cache(self) -> None:
        """Raise RecipeError for views of images that cannot be kept, or of which there is but one."""
        if not self.cache_views:
            return
        if self.cache == "off":
            raise RecipeError("cache_views: cache off keeps no features; leave one of the two out")
        if self.mixup or self.cutmix:
            raise RecipeError("cache_views: mixup and cutmix mix images anew in every batch; leave one of the two out")
        if self.stands_still:
            raise RecipeError("cache_views: every epoch shows the same pixels; set augment, or leave cache_views out")

    def check_regularisation(self) -> None:
        """Raise RecipeError for what regularisation cannot do."""
        randaugment_of(self.randaugment)
        if self.result == "ema" and self.ema is None:
            raise RecipeError("result: ema needs the moving average; set ema to 0.999 or so, or take last or best")
        if self.l2sp and self.weights == "none":
            raise RecipeError("l2sp: weights none leaves no pretrained values to stay near; take l2, or pass weights")
        if self.l2sp_head and not self.l2sp:
            raise RecipeError("l2sp_head: goes with l2sp, which is 0; set l2sp, or take l2")

    @property
    def dtype(self) -> str:
        """The type of weights, slots, pixels and loss: bfloat16 is what products alone are computed in."""
        return "float32" if self.precision == "bfloat16" else self.precision

    @property
    def stands_still(self) -> bool:
        """Whether every epoch shows the same pixels with the same targets."""
        return all(getattr(self, name) == FIELDS[name].default for name in deciding("pixels"))

    def check_losses(self) -> None:
        """Raise RecipeError for choices of the loss that contradict each other."""
        if self.sampling == "balanced" and self.class_weights == "balanced":
            raise RecipeError("sampling and class_weights: both balanced counts rare classes twice; choose one of them")

    def replace(self, **changes: Any) -> "Recipe":
        """Return a checked copy with some fields changed."""
        return from_dict({**to_dict(self), **changes})

    @property
    def title(self) -> str:
        """The name of the run: given, or made from the model and the data."""
        return self.name or f"{self.model.replace('/', '_')}-{Path(self.data).resolve().stem}"


TYPES = get_type_hints(Recipe)
SYNONYMS = {
    "learning_rate": "lr",
    "architecture": "model",
    "arch": "model",
    "dataset": "data",
    "batchsize": "batch_size",
    "num_epochs": "epochs",
    "wd": "weight_decay",
    "img_size": "image_size",
    "dtype": "precision",
    "pretrained": "weights",
    "scheduler": "schedule",
    "schedule_unfreeze": "unfreeze",
    "gradient_accumulation": "accumulate",
    "llrd": "layer_decay",
    "grad_clip": "clip_norm",
}
FIELDS = {f.name: f for f in dataclasses.fields(Recipe)}
BOUNDS = {"at_least": operator.lt, "above": operator.le, "below": operator.ge, "at_most": operator.gt}


def deciding(*words: str) -> tuple[str, ...]:
    """Return the fields that decide any of these (see DECIDES), in the recipe's order."""
    return tuple(name for name, field in FIELDS.items() if field.metadata["decides"] & set(words))


def randaugment_of(text: str | None) -> tuple[int, int]:
    """Return number of operations and magnitude of "2x9"; (0, 0) for None."""
    if text is None:
        return 0, 0
    found = re.fullmatch(r"([1-9]\d?)x(\d\d?)", text)
    if not found or int(found[2]) > 30:
        raise RecipeError(f"randaugment: got {text!r}; expected operations x magnitude up to 30, such as 2x9")
    return int(found[1]), int(found[2])


def checked(name: str, kind: Any, value: Any) -> Any:
    """Return `value` as the type of field `name`, within its bounds, or raise RecipeError."""
    if get_origin(kind) in (Union, types.UnionType):
        words = [word for k in get_args(kind) if get_origin(k) is Literal for word in get_args(k)]
        if (value is None and type(None) in get_args(kind)) or (isinstance(value, str) and value in words):
            return value
        kinds = [k for k in get_args(kind) if k is not type(None)]
        kind = next((k for k in kinds if get_origin(k) is not Literal), kinds[0])
    if get_origin(kind) is Literal:
        if isinstance(value, bool) and "off" in get_args(kind):  # what YAML 1.1 reads from these words
            value = "on" if value else "off"
        if value in get_args(kind):
            return value
        raise RecipeError(f"{name}: {unknown('value', str(value), get_args(kind))} (known: {listed(get_args(kind))})")
    if get_origin(kind) is tuple:
        return stage_list(name, value) if get_args(kind)[0] is str else number_list(name, kind, value)
    return bounded(name, parsed(name, kind, value), value)


def bounded(name: str, number: Any, value: Any) -> Any:
    """Return a number, found in `value`, that is within the bounds of field `name`; RecipeError for any other."""
    bounds = FIELDS[name].metadata
    for rule, fails in BOUNDS.items():
        if bounds[rule] is not None and fails(number, bounds[rule]):
            raise RecipeError(f"{name}: got {value}; it must be {rule.replace('_', ' ')} {bounds[rule]:g}")
    return number


def parsed(name: str, kind: type, value: Any) -> Any:
    """Return `value` as str, bool, int or float. Text that spells a number is one: YAML 1.1 reads 1e-3 as text."""
    if kind is str and isinstance(value, str) and value.strip():
        return value
    if kind is bool and isinstance(value, bool):
        return value
    if kind in (int, float) and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            return float_of(value) if kind is float else int_of(value)
    wanted = {str: "text", bool: "true or false", int: "a whole number", float: "a finite number"}[kind]
    raise RecipeError(f"{name}: got {value!r}; expected {wanted}")


def float_of(value: int | float | str) -> float:
    """Return a finite number as a float; ValueError or OverflowError for any other."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def int_of(value: int | float | str) -> int:
    """Return a whole number as an int, exactly: a float on the way would round seeds above 2 ** 53."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return int(value)  # what int cannot read, such as 1e3, may still be a whole number
    number = float_of(value)
    if not number.is_integer():
        raise ValueError(value)
    return int(number if isinstance(value, str) else value)


def stage_list(name: str, value: Any) -> tuple[str, ...]:
    """Return "stem,layer1" or a list of names as a tuple of names; a mapping gives KEY:VALUE for each of its lines."""
    if isinstance(value, dict):
        value = [f"{key}:{number}" for key, number in value.items()]
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(p, str) and p.strip() for p in parts):
        raise RecipeError(f"{name}: got {value!r}; expected names separated by commas, or a list of names")
    return tuple(p.strip() for p in parts)


def number_list(name: str, kind: Any, value: Any) -> tuple[float, ...]:
    """Return "0.9,0.999" or a list of numbers as a tuple of floats, as many as its kind has."""
    parts = value.split(",") if isinstance(value, str) else value
    wanted = None if Ellipsis in get_args(kind) else len(get_args(kind))
    if not isinstance(parts, (list, tuple)) or not parts or (wanted and len(parts) != wanted):
        raise RecipeError(f"{name}: got {value!r}; expected {wanted or 'some'} numbers separated by commas, or a list")
    return tuple(bounded(name, parsed(name, float, part), part) for part in parts)


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


def renewed(values: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a recipe, those of a run from before there was `cache` included: it had a yes or no."""
    if not isinstance(values.get("cache_features"), bool):
        return values
    kept = {key: value for key, value in values.items() if key != "cache_features"}
    return {**kept, "cache": "auto" if values["cache_features"] else "off"}


def load(path: str | Path) -> dict[str, Any]:
    """Read the keys that a recipe file sets. YAML without tags, aliases or duplicate keys, at most 100 kB."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_RECIPE_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"recipe {path}: {error.strerror or error}; pass the path of a YAML file") from None
    if len(text) > MAX_RECIPE_BYTES:
        raise RecipeError(f"recipe {path}: more than {MAX_RECIPE_BYTES} bytes; expected a few lines like 'lr: 0.001'")
    try:
        values = yaml.load(text, StrictLoader)  # a SafeLoader that refuses more, see below
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: dates and int()
        said = printable(" ".join(str(error).split()))
        raise RecipeError(f"recipe {path}: {said}; expected lines like 'lr: 0.001'") from None
    if not isinstance(values, dict):
        found = "nothing" if values is None else f"a {type(values).__name__}"
        raise RecipeError(f"recipe {path}: expected lines like 'lr: 0.001', found {found}")
    values = renewed(values)
    for key in values:
        if key not in FIELDS:
            raise RecipeError(f"recipe {path}: {unknown_key(key)}")
    return values


def save(recipe: Recipe, path: str | Path) -> None:
    """Write every field, defaults included, so that a run's recipe stays what it was when defaults change."""
    from ft import files  # not at the top: it imports NumPy, and `--help` needs none

    files.write_text(path, yaml.safe_dump(to_dict(recipe), sort_keys=False))


class StrictLoader(yaml.SafeLoader):
    """SafeLoader that also refuses tags, aliases (expansion bombs) and duplicate keys (silently lost settings)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        refused = "aliases" if isinstance(event, yaml.AliasEvent) else "tags" if event.tag is not None else None
        if refused:
            raise yaml.constructor.ConstructorError(None, None, f"{refused} are not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) or key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate or non-text key {key!r}", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
