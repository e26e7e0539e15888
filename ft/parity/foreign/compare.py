"""Two models of the user's own, one in each framework: paired, given the same weights, and traced.

Each runs in a process of its own (host.py), with one framework in it, that the hub asks twice: describe yourself;
then, when the pairing is known, trace. Arrays go through files.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import cast

from ft.backend.description import Description
from ft.errors import RecipeError, unknown
from ft.parity.arrays import BARS
from ft.parity.evidence import Finding
from ft.parity.foreign.agreement import option_of, pair_outputs, require_alike
from ft.parity.foreign.ambiguous import Settled, settled
from ft.parity.foreign.assignment import AGAIN, WEIGHTS, Assignment
from ft.parity.foreign.common import Common
from ft.parity.foreign.coverage import in_words
from ft.parity.foreign.notes import notes_on_assignment, notes_on_loss, notes_on_models, notes_on_tries
from ft.parity.foreign.operations import FINER, Passes, diagnose_operations
from ft.parity.foreign.pairing import Pair, pair_parameters
from ft.parity.foreign.picture import Picture
from ft.parity.foreign.process import ModelProcess, ask, running
from ft.parity.foreign.settings import lone_parameters, tied, unlike_settings, unreached
from ft.parity.foreign.sides import SIDES, file_of, labels_of
from ft.parity.foreign.states import Side, State
from ft.parity.foreign.values import Table
from ft.parity.sensitivity import Band, band_of
from ft.parity.trace import Trace
from ft.parity.verdict import Row, Verdict, compare_traces
from ft.weights import read_safetensors

DIRECTIONS = {"torch-to-tf": 0, "tf-to-torch": 1, "a-to-b": 0, "b-to-a": 1}  # which side's weights both take
LAYERS = ("inference", "forward")  # phases whose rows are mostly those of layers


@dataclass(frozen=True)
class StrangersResult:
    """The traces of both models, which parameters were paired by which rule, and what the user should know.

    rows: differences that no array shows, such as a bias that one model has alone; findings: operations that differ;
    picture: which operations stand for one another.
    """

    torch: Trace
    tf: Trace
    pairing: tuple[Pair, ...]
    notes: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    findings: tuple[Finding, ...] = ()
    picture: Picture | None = None
    band: Band | None = None

    def verdict(self) -> Verdict:
        """Compare the traces, and add what differs without a number that shows it."""
        verdict = compare_traces(self.torch, self.tf)
        return replace(verdict, rows=(*without_mispairings(verdict.rows, self.torch.facts["outputs"]), *self.rows))


def compare_models(
    *,
    torch: str | Sequence[str] = (),
    tf: str | Sequence[str] = (),
    shape: tuple[int, ...] = (3, 64, 64),
    classes: int | None = None,
    inputs: str = "",
    steps: int = 0,
    dtype: str = "float64",
    map_file: Path | None = None,
    direction: str = "torch-to-tf",
    lr: float = 0.001,
    batch_size: int = 8,
    seed: int = 0,
    sensitivity: bool = False,
    folder: Path,
) -> StrangersResult:
    """Trace the models that two functions return, `module:function`, from the same weights over the same batches.

    torch, tf: one of each framework, or two of one; shape: of an image, (C, H, W); inputs: whatever else they take, as
    `--input` has it; classes: the loss is the cross-entropy of so many, None for the product of the outputs with fixed
    numbers; steps: 0 for inference, loss and gradients alone; map_file: YAML that corrects the pairing, `torch name:
    keras path`; direction: whose weights both take; sensitivity: trace the first model once more, from weights that are
    moved by one ulp; folder: for the traces. Raises UserError.
    """
    for kind, word, known in (("dtype", dtype, ("float64", "float32")), ("direction", direction, DIRECTIONS)):
        if word not in known:
            raise RecipeError(unknown(kind, word, known))
    assignment, given = Assignment(tuple(shape), classes, steps, lr, batch_size, seed, inputs), read_map(map_file)
    targets = targets_of(torch, tf)
    labels = tuple(targets) if DIRECTIONS[direction] == 0 else tuple(targets)[::-1]
    with running(targets, assignment, Path(folder)) as sides:
        giver = find_giver(sides)
        settled_on, models = described(sides, dtype, labels[0], giver)
        require_alike(models, classes, settled_on)
        order = one, other = cast(tuple[str, str], tuple(targets))
        pairing = pair_parameters(models[one], models[other], given, partial(uses, sides, settled_on), order)
        common = Common(models, pairing, pair_outputs(models), labels[0])
        passes = Passes(sides, Path(folder), settled_on)
        optimizers, traces, common, tried = paired_by_values(passes, common, giver)
        findings, covered, drawn = diagnose_operations(passes, common.pairing, settled_on, traces)
        passes.clear()
        if sensitivity:
            describe({one: sides[one]}, settled_on, "", giver, lead=one)  # built anew: it has been trained
            trace({one: sides[one]}, common, one_ulp=True)
    starts = read_safetensors(Path(folder) / WEIGHTS) if pairing.ties else {}
    (Path(folder) / WEIGHTS).unlink()
    notes = [
        *notes_on_assignment(assignment, optimizers, " to ".join(labels), giver and option_of(giver, targets)),
        *notes_on_loss(models, classes),
        *notes_on_models(models, common.pairing),
        *notes_on_tries(tried),
        *in_words(covered),
    ]
    if settled_on != dtype:
        notes.insert(0, f"a model stays {settled_on} where {dtype} was asked for: both were compared in {settled_on}")
    rows = [*tied(pairing, starts, labels[0]), *lone_parameters(pairing)]
    rows += [*unlike_settings(models, common.pairing), *unreached(findings)]
    rows += [share.row for share in covered if share.low]
    band = band_of(traces[0], Trace(Path(folder) / AGAIN.format(file_of(one)))) if sensitivity else None
    pairs = tuple(common.pairing.pairs)
    return StrangersResult(*traces, pairs, tuple(notes), tuple(rows), tuple(findings), drawn, band)


def targets_of(torch: str | Sequence[str], tf: str | Sequence[str]) -> dict[str, str]:
    """Return the functions of both sides by the sides' names; RecipeError unless there are two."""
    given = [("torch", each) for each in listed_targets(torch)] + [("tf", each) for each in listed_targets(tf)]
    if len(given) != len(SIDES):
        raise RecipeError(
            f"compare: got {len(given)} of --torch and --tf; pass two, MODULE:FUNCTION each: one of both, or one twice"
        )
    labels = labels_of((given[0][0], given[1][0]))
    return {label: target for label, (_, target) in zip(labels, given, strict=True)}


def listed_targets(given: str | Sequence[str]) -> Sequence[str]:
    """Return functions as a list."""
    return [given] if isinstance(given, str) else given


def described(
    sides: Mapping[str, ModelProcess], dtype: str, source: str, giver: str
) -> tuple[str, dict[str, Description]]:
    """Return the type in which both models can be compared, and both models in it."""
    models = describe(sides, dtype, source, giver)
    if {model.dtype for model in models.values()} == {dtype}:
        return dtype, models
    return "float32", models if dtype == "float32" else describe(sides, "float32", source, giver)  # both start again


def paired_by_values(
    passes: Passes, common: Common, giver: str
) -> tuple[dict[str, str], tuple[Trace, Trace], Common, Settled]:
    """Trace both models, and again with other pairs of parameters where these agree better.

    Return the names of the optimizers, the traces, what is in common, and what was tried.
    """
    sides, folder, labels = passes.sides, passes.folder, common.pairing.labels
    optimizers, traces = trace(sides, common), traces_in(folder, labels)
    if results_agree(traces):
        return optimizers, traces, common, Settled(tuple(common.pairing.pairs))
    tried = settled(partial(passed, passes, common), common.pairing.pairs, *common.models.values())
    if not tried.changed:
        if tried.tried:
            adopt(sides, common)
        return optimizers, traces, common, tried
    common = common.with_pairs(tried.pairs)
    for each in traces:
        rmtree(each.folder)
    describe(sides, passes.dtype, common.source, giver)  # built anew: they have been trained
    return trace(sides, common), traces_in(folder, labels), common, tried


def without_mispairings(rows: Sequence[Row], outputs: Collection[str]) -> list[Row]:
    """Return rows without layers' outputs that differ, where the two agree in all that comes of them."""
    results = [row for row in rows if row.phase not in LAYERS or row.name in outputs]
    if any(row.differs for row in results):
        return list(rows)
    return [row for row in rows if not row.differs]


def find_giver(sides: Mapping[str, ModelProcess]) -> str:
    """Return the side whose module alone has a function for the inputs, "" where both have one, or neither."""
    answers = ask(sides, {name: {"do": "inputs"} for name in sides})
    having = [name for name, answer in answers.items() if answer.get("inputs")]
    return having[0] if len(having) == 1 else "both" if having else ""


def describe(
    sides: Mapping[str, ModelProcess], dtype: str, source: str, giver: str, lead: str = ""
) -> dict[str, Description]:
    """Have models built in a type and described, and the weights of the side `source` written.

    lead: the side whose names are those in common, the first one unless it is said.
    """
    lead = lead or next(iter(sides))
    told = {"do": "describe", "dtype": dtype, "inputs": giver}
    requests = {name: {**told, "save": name == source, "lead": name == lead} for name in sides}
    return {name: Description.from_dict(answer) for name, answer in ask(sides, requests).items()}


def traces_in(folder: Path, labels: tuple[str, str]) -> tuple[Trace, Trace]:
    """Return the traces of both models."""
    return Trace(folder / file_of(labels[0])), Trace(folder / file_of(labels[1]))


def uses(sides: Mapping[str, ModelProcess], dtype: str, side: int) -> dict[str, int]:
    """Return how often a model uses each of its parameters."""
    name = list(sides)[side]
    return ask({name: sides[name]}, {name: {"do": "uses", "dtype": dtype}})[name]


def results_agree(traces: tuple[Trace, Trace]) -> bool:
    """Tell whether what two models give in inference is equal."""
    rows, outputs = compare_traces(*traces).rows, traces[0].facts["outputs"]
    return not any(row.differs for row in rows if row.phase == "inference" and row.name in outputs)


def adopt(sides: Mapping[str, ModelProcess], common: Common) -> None:
    """Have both models take names and weights."""
    ask(sides, {name: {**common.request(name), "do": "adopt"} for name in sides})


def passed(passes: Passes, common: Common, pairs: Sequence[Pair]) -> State:
    """Return a pass of both models with some pairs of parameters."""
    adopt(passes.sides, common.with_pairs(pairs))
    one, other = (Side(graph) for graph in passes.both())
    close = BARS[passes.dtype]["cause"] * FINER[0]
    return State(one, other, Table({i: x for i, x in other.graph.arrays.items() if i in other.moving}, close), {}, {})


def trace(sides: Mapping[str, ModelProcess], common: Common, *, one_ulp: bool = False) -> dict[str, str]:
    """Have models traced under PyTorch's names; return the names of their optimizers. one_ulp: from moved weights."""
    answers = ask(sides, {name: {**common.request(name, one_ulp=one_ulp), "do": "trace"} for name in sides})
    return {name: answer["optimizer"] for name, answer in answers.items()}


def read_map(path: Path | None) -> dict[str, str]:
    """Return the user's corrections of the pairing, PyTorch's name -> Keras's path."""
    import yaml

    from ft.recipe import StrictLoader

    if path is None:
        return {}
    try:
        given = yaml.load(Path(path).read_text(encoding="utf-8"), StrictLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise RecipeError(f"map {path}: {reason}; expected a file of lines `torch name: keras path`") from None
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise RecipeError(f"map {path}: expected lines `torch name: keras path`, such as `fc.weight: dense/kernel`")
    return given
