"""Two models of the user's own, one in each framework: paired, given the same weights, and traced.

Each runs in a process of its own (host.py), with one framework in it, that the hub asks twice: describe yourself;
then, when the pairing is known, trace. Arrays go through files.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ft.errors import RecipeError, unknown
from ft.parity.evidence import Finding
from ft.parity.foreign.assignment import AGAIN, WEIGHTS, Assignment
from ft.parity.foreign.couple import Couple, coupled
from ft.parity.foreign.coverage import Share, in_words
from ft.parity.foreign.notes import notes_on_assignment, notes_on_loss, notes_on_models, notes_on_type
from ft.parity.foreign.operations import diagnose_operations
from ft.parity.foreign.pairing import Pair
from ft.parity.foreign.picture import Picture
from ft.parity.foreign.process import running
from ft.parity.foreign.settings import lone_parameters, unlike_settings, unreached
from ft.parity.sensitivity import Band, band_of
from ft.parity.trace import Trace
from ft.parity.verdict import Row, Verdict, compare_traces

DIRECTIONS = {"torch-to-tf": "torch", "tf-to-torch": "tf"}  # whose weights both take
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
    torch: str,
    tf: str,
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

    shape: of an image, (C, H, W); inputs: whatever else they take, as `--input` has it; classes: the loss is the
    cross-entropy of so many, None for the product of the outputs with fixed numbers; steps: 0 for inference, loss and
    gradients alone; map_file: YAML that corrects the pairing, `torch name: keras path`; direction: whose weights both
    take; sensitivity: trace the first model once more, from weights that are moved by one ulp; folder: for the traces.
    Raises UserError.
    """
    require_known(dtype, direction)
    assignment, given = Assignment(tuple(shape), classes, steps, lr, batch_size, seed, inputs), read_map(map_file)
    folder = Path(folder)
    with running({"torch": torch, "tf": tf}, assignment, folder) as sides:
        couple = coupled(sides, dtype, DIRECTIONS[direction], classes, given)
        optimizers = couple.trace()
        traces = Trace(folder / "torch"), Trace(folder / "tf")
        findings, covered, drawn = diagnose_operations(sides, couple.pairing, folder, couple.dtype, traces)
        if sensitivity:
            couple.trace_moved()
    (folder / WEIGHTS).unlink()
    notes = [
        *notes_on_type(couple.dtype, dtype),
        *notes_on_assignment(assignment, optimizers, direction, couple.giver),
        *notes_on_loss(couple.models, classes),
        *notes_on_models(couple.models, couple.pairing),
        *in_words(covered),
    ]
    rows = unmeasured(couple, findings, covered)
    band = band_of(traces[0], Trace(folder / AGAIN)) if sensitivity else None
    return StrangersResult(*traces, tuple(couple.pairing.pairs), tuple(notes), rows, tuple(findings), drawn, band)


def require_known(dtype: str, direction: str) -> None:
    """Raise RecipeError for a type or a direction that there is not."""
    for kind, word, known in (("dtype", dtype, ("float64", "float32")), ("direction", direction, DIRECTIONS)):
        if word not in known:
            raise RecipeError(unknown(kind, word, known))


def unmeasured(couple: Couple, findings: Sequence[Finding], covered: Sequence[Share]) -> tuple[Row, ...]:
    """Return the rows of what no array shows."""
    rows = [*lone_parameters(couple.pairing), *unlike_settings(couple.models, couple.pairing), *unreached(findings)]
    return (*rows, *(share.row for share in covered if share.low))


def without_mispairings(rows: Sequence[Row], outputs: Collection[str]) -> list[Row]:
    """Return rows without layers' outputs that differ, where the two agree in all that comes of them."""
    results = [row for row in rows if row.phase not in LAYERS or row.name in outputs]
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
