"""Two models of the user's own, one in each framework: paired, given the same weights, and traced.

Each runs in a process of its own (host.py), with one framework in it, that the hub asks twice: describe yourself;
then, when the pairing is known, trace. Arrays go through files.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ft.errors import RecipeError, unknown
from ft.parity.evidence import Finding
from ft.parity.foreign.agreement import option_of
from ft.parity.foreign.ambiguous import Settled
from ft.parity.foreign.assignment import WEIGHTS, Assignment
from ft.parity.foreign.by_values import traced_behind, traced_by_values
from ft.parity.foreign.couple import Couple, coupled
from ft.parity.foreign.coverage import Share, in_words
from ft.parity.foreign.derivatives import rounded_derivatives
from ft.parity.foreign.notes import notes_on_assignment, notes_on_loss, notes_on_models, notes_on_tries, notes_on_type
from ft.parity.foreign.operations import Recorder, diagnose_operations, parted_phases
from ft.parity.foreign.pairing import Pair
from ft.parity.foreign.picture import Picture
from ft.parity.foreign.process import running
from ft.parity.foreign.rounding import with_rounding
from ft.parity.foreign.settings import lone_parameters, tied, unlike_settings, unreached
from ft.parity.foreign.sides import SIDES, labels_of
from ft.parity.sensitivity import Band
from ft.parity.trace import Trace
from ft.parity.verdict import Row, Verdict, compare_traces
from ft.weights import read_safetensors

DIRECTIONS = {"torch-to-tf": 0, "tf-to-torch": 1, "a-to-b": 0, "b-to-a": 1}  # which side's weights both take
LAYERS = ("inference", "forward")  # phases whose rows are mostly those of layers


@dataclass(frozen=True)
class StrangersResult:
    """The traces of both models, which parameters were paired by which rule, and what the user should know.

    rows: differences that no array shows, such as a bias that one model has alone; findings: operations that differ;
    picture: which operations stand for one another; measured: what the traces show, where that is known.
    """

    torch: Trace
    tf: Trace
    pairing: tuple[Pair, ...]
    notes: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    findings: tuple[Finding, ...] = ()
    picture: Picture | None = None
    band: Band | None = None
    measured: Verdict | None = None

    def verdict(self) -> Verdict:
        """Compare the traces, and add what differs without a number that shows it."""
        verdict = self.measured or compare_traces(self.torch, self.tf)
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
    require_known(dtype, direction)
    assignment, given = Assignment(tuple(shape), classes, steps, lr, batch_size, seed, inputs), read_map(map_file)
    folder, targets = Path(folder), targets_of(torch, tf)
    labels = list(targets)
    with running(targets, assignment, folder) as sides:
        couple = coupled(sides, dtype, labels[DIRECTIONS[direction]], classes, given)
        recorder = Recorder(sides, folder, couple.dtype)
        couple, optimizers, tried = traced_by_values(couple, recorder)
        traces = couple.traces(folder)
        measured = compare_traces(*traces)
        if parted_phases(traces, measured) & {"forward", "inference"} == {"forward"}:
            couple.require_steady()
        found = diagnose_operations(recorder, couple.pairing, traces, measured)
        if again := traced_behind(couple, recorder, found.partners):
            couple, optimizers, tried = again
            traces = couple.traces(folder)
            measured = compare_traces(*traces)
            found = diagnose_operations(recorder, couple.pairing, traces, measured)
        recorder.clear()
        rounding = with_rounding(couple, measured, folder, keep=sensitivity)
        findings = (*found.findings, *rounded_derivatives(couple, rounding.verdict, folder))
    rows = unmeasured(couple, folder, findings, found.shares)
    (folder / WEIGHTS).unlink()
    notes = (
        *notes_on_type(couple.dtype, dtype),
        *notes_on(couple, assignment, optimizers, tried),
        *rounding.notes(),
        *in_words(found.shares),
    )
    pairs = tuple(couple.pairing.pairs)
    band = rounding.band if sensitivity else None
    return StrangersResult(*traces, pairs, notes, rows, findings, found.picture, band, rounding.verdict)


def require_known(dtype: str, direction: str) -> None:
    """Raise RecipeError for a type or a direction that there is not."""
    for kind, word, known in (("dtype", dtype, ("float64", "float32")), ("direction", direction, DIRECTIONS)):
        if word not in known:
            raise RecipeError(unknown(kind, word, known))


def notes_on(couple: Couple, assignment: Assignment, optimizers: Mapping[str, str], tried: Settled) -> Iterator[str]:
    """Yield what was done, and what is particular to these models."""
    labels = couple.pairing.labels
    direction = " to ".join(labels if couple.source == labels[0] else labels[::-1])
    giver = option_of(couple.giver, labels) if couple.giver in labels else couple.giver
    yield from notes_on_assignment(assignment, optimizers, direction, giver)
    yield from notes_on_loss(couple.models, assignment.classes)
    yield from notes_on_models(couple.models, couple.pairing)
    yield from notes_on_tries(tried)


def unmeasured(couple: Couple, folder: Path, findings: Sequence[Finding], covered: Sequence[Share]) -> tuple[Row, ...]:
    """Return the rows of what no array shows. folder: of the weights that both take."""
    pairing = couple.pairing
    starts = read_safetensors(folder / WEIGHTS) if pairing.ties else {}
    rows = [*tied(pairing, starts, couple.source), *lone_parameters(pairing)]
    rows += [*unlike_settings(couple.models, pairing), *unreached(findings)]
    return (*rows, *(share.row for share in covered if share.low))


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


def without_mispairings(rows: Sequence[Row], outputs: Collection[str]) -> list[Row]:
    """Return rows without layers' outputs that differ, where the two agree in all that comes of them.

    A layer whose output has another shape, such as one for all samples, is no partner, whatever differs behind it.
    """
    results = [row for row in rows if row.phase not in LAYERS or row.name in outputs]
    rows = [row for row in rows if row in results or not row.fault.startswith(("shape ", "axes "))]
    if any(row.differs for row in results):
        return list(rows)
    return [row for row in rows if not row.differs]


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
