"""`ft convert`: weights from one file format, framework and naming into another, bit for bit.

    read (no framework) -> which network -> its names and shapes (a wing's) -> match strictly -> write -> read back

What cannot be kept as it is, such as half precision in Keras's formats, is converted only when asked for, and said.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ft import recipe as recipes
from ft.api.convert_text import FOLDER, folder_notes, labels_of, read_text, text_card_of, write_folder
from ft.backend import contract as backends
from ft.backend.contract import Model, Wing
from ft.errors import RecipeError, RunError, WeightsError, listed, printable
from ft.network.surgery import Surgery, plan_surgery
from ft.recipe import Recipe
from ft.runs import checkpoint
from ft.runs import folder as runfolder
from ft.system import files
from ft.system.names import CONFIG, MODEL, RESULT
from ft.system.quiet import quiet_stderr
from ft.training.build import new_network
from ft.weights import cast, match_weights, require_finite, write_safetensors
from ft.weights.match import COUNTER_STARTS, Match
from ft.weights.pretrained import published_as, with_usual_eps
from ft.weights.read import read_weights
from ft.weights.recognise import recognise
from ft.weights.source import Source, count_outputs, read_source, with_own_keypoints
from ft.weights.tensors import is_floating
from ft.weights.text import text_tensors
from ft.zoo import Card, TextCard, find_card

DTYPES = ("float32", "float64")  # in which the wings build networks
HALVES = ("float16", "bfloat16")
FORMATS = {  # ending -> what it is, and the wing that writes it
    ".safetensors": ("safetensors file", None),
    ".pth": ("PyTorch file", "torch"),
    ".pt": ("PyTorch file", "torch"),
    ".weights.h5": ("Keras weights file", "tf"),
    ".keras": ("Keras file", "tf"),
    FOLDER: ("folder as transformers has it", None),  # of a text network
}


@dataclass(frozen=True)
class Target:
    """What is to be written. wing: the one that it takes, None where either will do."""

    path: Path
    ending: str
    keras_names: bool = False

    @property
    def kind(self) -> str:
        """The format in words."""
        return FORMATS[self.ending][0] + (" in Keras's names" if self.keras_names else "")

    @property
    def is_keras(self) -> bool:
        """Whether Keras writes it, in the types of the network's variables."""
        return FORMATS[self.ending][1] == "tf"

    @property
    def wing(self) -> str | None:
        """The wing that writes it or knows its names; None where either will do."""
        return "tf" if self.keras_names else FORMATS[self.ending][1]


@dataclass(frozen=True)
class Network:
    """The network that tensors are of. image_size: where it is built for one; given: the user or a run named it.

    recipe: of the run that the tensors are of; surgery: what that does to the network, whose card is the one after it.
    """

    card: Card
    classes: int
    image_size: int | None
    given: bool
    recipe: Recipe | None = None
    surgery: Surgery | None = None

    def __str__(self) -> str:
        pixels = f", {self.image_size} px" if self.image_size else ""
        return f"{'as' if self.given else 'recognised as'} {self.card.name}, {self.classes} classes{pixels}"


@dataclass(frozen=True)
class Conversion:
    """What was done. tensors: as written, by canonical name and layout; notes: what else to know, line by line."""

    source: Source
    network: Network
    target: Target
    tensors: dict[str, np.ndarray]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"read {self.source.path} ({self.source.kind}, {len(self.source.tensors)} tensors) {self.network}; wrote "
            f"{self.target.path} ({self.target.kind}, {len(self.tensors)} tensors, {' and '.join(types(self.tensors))})"
        )


def convert(
    source: str | Path,
    target: str | Path,
    *,
    model: str | None = None,
    num_classes: int | None = None,
    image_size: int | None = None,
    names: str | None = None,
    dtype: str | None = None,
    force: bool = False,
) -> Conversion:
    """Convert weights and say what was done. Nothing is written unless every tensor fits and reads back the same.

    source: .pth, .safetensors, .weights.h5, .keras, an old Keras .h5, a run folder, or the folder of a text network.
    target: a file, by its ending; of a text network without one a folder as transformers has it.
    model: recognised if left out; num_classes, image_size: the source's. names: "torch" or "keras", whose names and
    layouts a .safetensors file bears. dtype: "float32" or "float64", to which floating tensors are converted; each
    keeps its own if left out. force: replace `target`. Raises UserError, one line, for whatever is wrong.
    """
    if (card := text_card_of(Path(source), model)) is not None:
        if names is not None or image_size is not None:
            raise RecipeError("--names and --image-size: they say nothing of a text network; leave them out")
        return convert_text(Path(source), Path(target), card, num_classes=num_classes, dtype=dtype, force=force)
    goal = find_target(Path(target), names, force=force)
    wing_name = choose_wing(goal)
    weights = read_run(Path(source)) if os.path.isdir(Path(source)) else read_source(Path(source))
    network = identify(weights, model=model, num_classes=num_classes, image_size=image_size)
    weights, told = with_own_eps(weights, network.card)
    wing, built = build(wing_name, network, dtype=type_to_build(weights, goal, dtype))
    shapes = wing.weight_shapes(built)
    match = match_weights(weights.canonical(network.card, shapes), shapes, origin=str(weights.path))
    tensors = change_types(match.tensors, goal, dtype)
    require_finite(tensors, weights.path)
    with files.publishing(goal.path, flag="OUT") as path:
        write(tensors, path, goal, network.card, wing, built)
        require_same_bytes(path, tensors, network.card)
    return Conversion(weights, network, goal, tensors, (*told, *notes(weights, match, dtype)))


def convert_text(
    source: Path, target: Path, card: TextCard, *, num_classes: int | None, dtype: str | None, force: bool
) -> Conversion:
    """Convert a text network's weights and say what was done, see `convert`."""
    goal = text_target(target, force=force)
    wing_name = choose_wing(goal)
    weights = read_text(source, card)
    classes = count_classes(weights, card, num_classes)
    wing = backends.load(wing_name)
    with quiet_stderr():
        wing.prepare(device="cpu", deterministic=False)
    with wing.building_empty():
        built = wing.build_text(card, num_classes=classes, dtype=type_to_build(weights, goal, dtype))
    shapes = wing.weight_shapes(built)
    named = weights.canonical(card, shapes) if weights.keras_named else weights.tensors
    match = match_weights(text_tensors(named, card), shapes, origin=str(weights.path))
    tensors = change_types(match.tensors, goal, dtype)
    require_finite(tensors, weights.path)
    with files.publishing(goal.path, flag="OUT") as path:
        if goal.ending == FOLDER:
            write_folder(path, card, tensors, labels_of(source, classes))
        else:
            write(tensors, path, goal, card, wing, built)
        require_same_bytes(path / MODEL if goal.ending == FOLDER else path, tensors, card)
    told = folder_notes(card) if goal.ending == FOLDER else []
    network = Network(card, classes, None, given=True)
    return Conversion(weights, network, goal, tensors, (*notes(weights, match, dtype), *told))


def text_target(path: Path, *, force: bool) -> Target:
    """Return what OUT is to be: a file by its ending, or a folder. RecipeError where it cannot be, or is there."""
    if path.suffix:
        return find_target(path, None, force=force)
    if os.path.exists(path) and not (force and os.path.isfile(path / CONFIG)):
        raise RecipeError(
            f"{printable(path)} exists; choose another OUT, or with --force replace a folder of a network"
        )
    if not os.path.isdir(path.absolute().parent):
        raise RecipeError(f"there is no folder {printable(path.parent)}; make it first, or choose another OUT")
    return Target(path, FOLDER)


def find_target(path: Path, names: str | None, *, force: bool) -> Target:
    """Return what `path` is to be, by its ending. RecipeError where it cannot be, or exists already."""
    if os.path.isdir(path):  # unlike path.is_dir(), it takes what it may not look at for nothing
        raise RecipeError(f"{path} is a folder; choose a file as OUT")
    if os.path.exists(path) and not force:
        raise RecipeError(f"{path} exists; choose another OUT, or replace it with --force")
    if not os.path.isdir(path.absolute().parent):
        raise RecipeError(f"there is no folder {path.parent}; make it first, or choose another OUT")
    ending = next((ending for ending in FORMATS if path.name.endswith(ending)), None)
    if ending is None:
        raise RecipeError(f"{path}: unknown ending; expected {', '.join(FORMATS)}")
    if names is not None and ending != ".safetensors":
        raise RecipeError(f"--names {names}: {ending} has its framework's names; leave it out, or write .safetensors")
    return Target(path, ending, keras_names=names == "keras")


def choose_wing(goal: Target) -> str:
    """Return the wing that the target takes, or one that is installed; RecipeError says what to install."""
    if goal.wing is None:
        installed = [name for name in backends.FRAMEWORKS if is_installed(name)]
        if installed:  # one that is loaded already, if any
            return min(installed, key=lambda name: not backends.is_loaded(name))
        raise RecipeError('names and shapes come from a framework; pip install "ft-parity[torch]", or "ft-parity[tf]"')
    try:
        backends.require(goal.wing)
    except RecipeError as error:
        raise RecipeError(f"{goal.path}: {goal.kind}: {error}, or write another format") from None
    return goal.wing


def is_installed(name: str) -> bool:
    """Tell whether a wing's framework is installed."""
    try:
        backends.require(name)
    except RecipeError:
        return False
    return True


def identify(source: Source, *, model: str | None, num_classes: int | None, image_size: int | None) -> Network:
    """Return the network that the tensors are of: the one that the user or the run names, or else by its shapes."""
    if source.model and model and model != source.model:
        raise RecipeError(f"--model {model}: {source.path} is a run of {source.model}; leave --model out")
    name, fits = model or source.model, recognise(source.tensors)
    if name is None:
        names = sorted({fit.card.name for fit in fits})
        names = [own for own in names if is_published_as(own, source.path)] or names
        if len(names) != 1:
            raise WeightsError(f"{source.path}: {unclear(names)}")
        name = names[0]
    card = find_card(name)
    card = card if source.keras_named else with_own_keypoints(card, source.canonical(card, {}))
    recipe = recipes.from_dict(source.recipe) if source.recipe else None
    surgery = plan_surgery(card, recipe) if recipe else None
    card = surgery.card if surgery else card
    if image_size is not None and not card.sized:
        raise RecipeError(f"--image-size: {card.name} takes images of any size; leave it out")
    sizes = [image_size, source.image_size, *(fit.image_size for fit in fits if fit.card is card), card.preprocess.crop]
    size = next(size for size in sizes if size) if card.sized or surgery else None
    classes, given = count_classes(source, card, num_classes), bool(model or source.model)
    return Network(card, classes, size, given, recipe, surgery)


def is_published_as(name: str, path: Path) -> bool:
    """Tell whether a network's weights are published under a file's name."""
    return any(entry.filename == path.name for entry in find_card(name).pretrained)


def with_own_eps(source: Source, card: Card) -> tuple[Source, tuple[str, ...]]:
    """Return published weights that want another eps in frozen BatchNorms as the network here has them, and a note."""
    entry = None if source.keras_named or os.path.isdir(source.path) else published_as(card, source.path)
    if entry is None or entry.norm_eps is None:
        return source, ()
    moved = with_usual_eps(source.tensors, entry.norm_eps)
    tensors = {name: tensor.astype(source.tensors[name].dtype, copy=False) for name, tensor in moved.items()}
    note = f"variances of BatchNorms changed: {entry.name} wants eps {entry.norm_eps:g}, the network has 1e-05"
    return replace(source, tensors=tensors), (note,)


def unclear(names: Sequence[str]) -> str:
    """Return the reason why the tensors' shapes do not say which network they are of."""
    if names:
        return f"its tensors have the shapes of {listed(names)}; say which with --model"
    return (
        "no network of the zoo has tensors of these shapes; pass --model NAME to see what differs, ft models lists them"
    )


def count_classes(source: Source, card: Card, wanted: int | None) -> int:
    """Return the number of classes that the source's last layer gives. RecipeError where another one is asked for."""
    classes = count_outputs(source.tensors if source.keras_named else source.canonical(card, {}), card)
    if classes is None:
        return wanted or 1000  # matching will say what is missing
    if wanted not in (None, classes):
        raise RecipeError(
            f"--num-classes {wanted}: {source.path} has {classes} classes (its layer {card.last}); leave the flag out, "
            "for a new head comes with fine-tuning (ft train --weights FILE)"
        )
    return classes


def type_to_build(source: Source, goal: Target, dtype: str | None) -> str:
    """Return the type in which to build the network: Keras's holds one, and WeightsError says where tensors differ."""
    held = [dtype] if dtype else types(source.tensors)
    if not goal.is_keras or not held:
        return "float32"
    if len(held) == 1 and held[0] in DTYPES:
        return held[0]
    wider = "float64" if "float64" in held else "float32"
    raise WeightsError(
        f"{source.path}: holds {' and '.join(held)}; a Keras network is float32 or float64 as a whole, so pass --dtype "
        f"{wider}, which loses nothing"
    )


def build(name: str, network: Network, *, dtype: str) -> tuple[Wing, Model]:
    """Return a wing and the network in it, empty where the framework can do that: its weights come with the tensors."""
    wing = backends.load(name)
    with quiet_stderr():
        wing.prepare(device="cpu", deterministic=False)
    with wing.building_empty():
        card, surgery, classes = network.card, network.surgery, network.classes
        if network.recipe is not None and surgery is not None and network.image_size is not None:
            recipe, size = network.recipe.replace(precision=dtype), network.image_size
            return wing, new_network(recipe, wing, card=card, surgery=surgery, classes=classes, image_size=size)
        options = card.options(image_size=network.image_size)
        return wing, wing.build_model(card.name, num_classes=classes, dtype=dtype, options=options)


def change_types(tensors: dict[str, np.ndarray], goal: Target, dtype: str | None) -> dict[str, np.ndarray]:
    """Return floating tensors in the type that was asked for, and for Keras integers in the type of its counters."""
    if goal.is_keras:
        tensors = {name: t if is_floating(t.dtype) else t.astype(np.int64, copy=False) for name, t in tensors.items()}
    with np.errstate(over="ignore"):  # what outgrows float32 is infinite then, and refused
        return cast(tensors, np.dtype(dtype)) if dtype else tensors


def write(tensors: Mapping[str, np.ndarray], path: Path, goal: Target, card: Card, wing: Wing, built: Model) -> None:
    """Write canonical tensors in the target's format; `built` is their network in `wing`."""
    if goal.ending == ".safetensors":
        named = wing.own_names(built, tensors) if goal.keras_names else tensors
        write_safetensors(path, named, {"architecture": card.name})
    else:
        wing.write_weights(built, tensors, path)


def require_same_bytes(path: Path, tensors: Mapping[str, np.ndarray], card: Card) -> None:
    """Read a written file with the readers of this package; AssertionError unless every byte is there."""
    again = read_source(path).canonical(card, {name: tensor.shape for name, tensor in tensors.items()})
    changed = {name for name in {*tensors, *again} if name not in tensors or name not in again}
    changed |= {name for name in tensors if name not in changed and not same(tensors[name], again[name])}
    if changed:
        raise AssertionError(f"{listed(sorted(changed))} differ in the file that was written; nothing was kept")


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether two arrays have the same type, shape and bytes."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def types(tensors: Mapping[str, np.ndarray]) -> list[str]:
    """Return the names of the floating types that occur."""
    return sorted({tensor.dtype.name for tensor in tensors.values() if is_floating(tensor.dtype)})


def notes(source: Source, match: Match, dtype: str | None) -> Iterator[str]:
    """Yield what was done beside taking over every tensor as it was."""
    if source.prefix:
        yield f"cut '{source.prefix}' off every name"
    started = [name for name, rule in match.skipped.items() if rule == COUNTER_STARTS]
    if started:
        yield f"{len(started)} counters that the file lacks start at 0: {listed(started, 3)}"
    changed = [name for name in types(match.tensors) if dtype not in (None, name)]
    if changed:
        widened = all(np.dtype(name).itemsize <= np.dtype(dtype).itemsize for name in changed)
        yield f"{' and '.join(changed)} converted to {dtype}, {'which loses nothing' if widened else 'rounded'}"
    halves = [name for name in types(match.tensors) if name in HALVES]
    if halves and dtype is None:
        yield f"{' and '.join(halves)} kept; --dtype float32 widens it and loses nothing"


def read_run(folder: Path) -> Source:
    """Read the result of a run after checking that its weights are those that the run wrote."""
    result = runfolder.read_result(folder)
    weights = folder / MODEL
    try:
        model, size, sha256 = result["architecture"], result["preprocess"]["crop"], result["sha256"][MODEL]
    except (KeyError, TypeError) as error:
        raise RunError(f"{folder / RESULT} lacks {error}; expected the file that a run wrote") from None
    if not isinstance(model, str) or type(size) is not int:
        raise RunError(f"{folder / RESULT}: architecture or crop is damaged; expected what a run wrote")
    tensors = read_weights(weights)
    if checkpoint.sha256_of(weights) != sha256:
        raise WeightsError(f"weights {weights}: changed since the run wrote it (sha256); restore it")
    return Source(folder, "run folder", tensors, model=model, image_size=size, recipe=result.get("recipe"))
