"""The card of a network: everything about it that is not code."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ft.data.images.preprocess import Preprocess
from ft.errors import RecipeError, WeightsError, listed, unknown
from ft.zoo.detector import Detector, OneStage

GEM_POWER, GEM_EPS = 3.0, 1e-6  # what generalised-mean pooling starts from, and its smallest value


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """One published set of weights: where it comes from, how to check it, and what pixels it wants.

    sha256 is the whole digest or a prefix; where its publisher gives none there may be an md5, or nothing to check the
    file by. `package` names the registry package that ships the file, if one does: it is looked for there first.
    `classes` are those that it tells apart, where they are not ImageNet's; top1, mean_iou and mean_ap are what it
    reached, in per cent. `norm_eps` is what it adds to the variances of frozen BatchNorms, where that is not 1e-5.
    """

    name: str
    filename: str
    sha256: str | None = None
    md5: str | None = None
    url: str | None = None
    package: str | None = None
    preprocess: Preprocess
    top1: float | None = None
    mean_iou: float | None = None
    mean_ap: float | None = None
    norm_eps: float | None = None
    licence: str = "BSD-3-Clause"
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Card:
    """One network: its stages from input to head, its published weights, its size.

    stages: stage name -> prefixes of the module paths that belong to it; every parameter is in exactly one stage, and
    the last stage is "head", a single module, or a dropout or an auxiliary head and that module. `last` is the path of
    the layer that gives the logits; `auxiliary` holds the last layers of auxiliary classifiers, in the order in which
    the network returns their logits, and the weight of each in the training loss. `family` names the file or folder in
    ft/zoo and in each wing's models/. `parameters` counts those of the default weights' size.

    `dropout` and `stochastic_depth` are the rates that the network was published with, None where it has no such layer.
    `sized` networks are built for one image size (position embeddings, fixed windows). Images are at least `min_size`
    pixels a side and a multiple of `size_step`. `renames` turns the tensor names of the published file into canonical
    ones; with `by_place`, layers of a Keras file whose names the network lacks are taken in their order, as Keras does,
    for files outlive the names in its sources. `constants` gives the buffers that are computed and never trained, such
    as position indices. `pixels` is the preprocessing of a network without published weights.

    `inputs` says what it takes: "images", or "text" (ft/zoo/text/card.py); `unit` is the word for one of them,
    `own_weights` for the weights that it has by default.

    `tail` names the layers without parameters between the last stage and the head, `pool` the one of them that averages
    each channel over the whole map, None where there is none. `channels_last`: torchvision hands maps on as N, H, W, C.

    `task` is what the network was made for. One for segmentation gives maps of logits by name, "out" and those of its
    auxiliary heads; its head takes the maps of its backbone at the `taps`, name -> module path. `backbone` gives the
    network's name for a tensor of the classification network that its backbone is of, None for one of that one's head.
    One for detection has the numbers of its `detector`, and one for keypoints says how many `keypoints` an object has.
    `behind` are the stages behind the base: the head, and before it those that start anew with it.
    Where several layers give the logits together, `last` is the last of them and `beside` holds the others. `classes`
    are as many as the published weights tell apart. `usual` gives the fields of a recipe that it is usually trained
    with, where these are not the defaults, by those that are given.
    """

    name: str
    family: str
    parameters: int
    stages: dict[str, tuple[str, ...]]
    last: str
    pretrained: tuple[Pretrained, ...]
    dropout: float | None = None
    stochastic_depth: float | None = None
    auxiliary: dict[str, float] = field(default_factory=dict)
    sized: bool = False
    min_size: int = 1
    size_step: int = 1
    constants: Callable[[], dict[str, np.ndarray]] = field(default=dict, repr=False)
    renames: Callable[[str], str] = field(default=lambda name: name, repr=False)
    by_place: bool = False
    pixels: Preprocess | None = None
    tail: tuple[str, ...] = ("avgpool",)
    pool: str | None = "avgpool"
    channels_last: bool = False
    task: str = "classification"
    taps: dict[str, str] = field(default_factory=dict)
    backbone: Callable[[str], str | None] | None = field(default=None, repr=False)
    beside: tuple[str, ...] = ()
    behind: tuple[str, ...] = ("head",)
    detector: Detector | OneStage | None = None
    keypoints: int | None = None
    classes: int = 1000
    usual: Callable[[Mapping[str, Any]], dict[str, Any]] = field(default=lambda fields: {}, repr=False)
    inputs: str = "images"
    unit: str = "image"
    own_weights: str = "imagenet"

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing of the default weights, or of the network itself where it has none."""
        return self.pixels or self.pretrained[0].preprocess

    @property
    def head(self) -> str:
        """The module path of the head; its dropout may stand before it as a module of its own."""
        return self.stages["head"][-1]

    @property
    def base(self) -> tuple[str, ...]:
        """The stages that `freeze: base` means: all but those behind the base."""
        return tuple(stage for stage in self.stages if stage not in self.behind)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The module paths of all layers that give logits, the main one first."""
        return (self.last, *self.beside, *self.auxiliary)

    @property
    def logits_layer(self) -> str:
        """The layer whose tensors make the logits: the last one, unless that has none of its own."""
        return self.last

    def new_head(self, given: Collection[str]) -> tuple[str, ...]:
        """Return the module paths that start anew where the head does. given: the names of the pretrained tensors.

        The layers that give logits; behind the weights of a backbone alone the whole head.
        """
        anew = tuple(path for stage in self.behind for path in self.stages[stage])
        whole = self.backbone is not None and not any(under(name, anew) for name in given)
        return anew if whole else self.outputs

    def options(
        self, *, dropout: float | None = None, stochastic_depth: float | None = None, image_size: int | None = None
    ) -> dict[str, float | int]:
        """Return the keywords that this network's function takes, its own values where None is asked for.

        A rate for a noise layer that it lacks and an image size that it cannot take are refused.
        """
        options: dict[str, float | int] = {}
        for name, asked, own in (
            ("dropout", dropout, self.dropout),
            ("stochastic_depth", stochastic_depth, self.stochastic_depth),
        ):
            if own is not None:
                options[name] = own if asked is None else asked
            elif asked:
                raise RecipeError(f"{name}: {self.name} has no such layer; leave {name} out or take another network")
        size = self.preprocess.crop if image_size is None else image_size
        if size < self.min_size or size % self.size_step:
            step = f", a multiple of {self.size_step}" if self.size_step > 1 else ""
            raise RecipeError(f"image_size {size}: {self.name} takes at least {self.min_size} pixels{step}")
        if self.keypoints is not None:
            options["num_keypoints"] = self.keypoints
        return {**options, "image_size": size} if self.sized else options

    def weights(self, name: str) -> Pretrained:
        """Return the published weights called `name`; "imagenet" is the first entry."""
        if not self.pretrained:
            raise WeightsError(f"{self.name} has no published weights; pass --weights FILE, or --weights none")
        if name == "imagenet":
            return self.pretrained[0]
        for entry in self.pretrained:
            if entry.name == name:
                return entry
        known = ["imagenet", *(entry.name for entry in self.pretrained)]
        raise WeightsError(f"{self.name}: {unknown('weights', name, known)}")

    def stage_of(self, name: str) -> str:
        """Return the stage that the tensor or module called `name` belongs to."""
        for stage, prefixes in self.stages.items():
            if under(name, prefixes):
                return stage
        raise RecipeError(f"{self.name}: '{name}' is in none of its stages ({listed(self.stages)})")


def under(name: str, prefixes: tuple[str, ...]) -> bool:
    """Tell whether a dotted name is one of `prefixes` or lies below one; below "block1_" lies all that begins so."""
    return any(name == p or name.startswith(p if p.endswith("_") else f"{p}.") for p in prefixes)
