"""A file as a side: both models give their outputs in inference, with their own weights, and these are compared."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ft.errors import RecipeError
from ft.parity.arrays import BARS, gap
from ft.parity.foreign.agreement import same_outputs
from ft.parity.foreign.assignment import Assignment
from ft.parity.foreign.common import laid_out, taken_back
from ft.parity.foreign.host import GIVEN
from ft.parity.foreign.process import ModelProcess, ask, running
from ft.parity.foreign.runtimes import FEED, OUTPUTS, write_feed
from ft.parity.foreign.sides import file_of, framework_of, labels_of
from ft.parity.trace import FACTS, FILES, FORMAT, Trace, file_name
from ft.parity.verdict import Verdict, compare_arrays
from ft.system import files
from ft.weights import read_safetensors, write_safetensors

COVERED = (
    "compared: the outputs of one inference pass; a file shows no gradients, no training and no operation inside: "
    "these were not compared"
)
NOISE, FLOOR = 16, 2.0**-20  # times a model's own rounding in float32, and the least that is called rounding


@dataclass(frozen=True)
class OutputsResult:
    """What both sides gave, as traces of an inference pass alone, how far apart that may be, and what to know of it."""

    one: Trace
    other: Trace
    bar: float
    notes: tuple[str, ...]

    def verdict(self) -> Verdict:
        """Compare the outputs."""
        arrays = [trace.arrays(None, "inference") for trace in (self.one, self.other)]
        one, other = arrays
        return Verdict(tuple(compare_arrays(None, "inference", n, one[n], other[n], self.bar)[0] for n in one))


def compare_outputs(
    sides: Sequence[tuple[str, str]],
    *,
    inputs: str = "",
    dtype: str = "float64",
    batch_size: int = 8,
    seed: int = 0,
    folder: Path,
) -> OutputsResult:
    """Compare what two models give, of which one is a file at least.

    sides: a kind, "torch", "tf", "onnx" or "saved-model", and a function or a path, each; dtype: of two files and of
    models; a file that computes in float32 decides. Raises UserError.
    """
    assignment, folder = Assignment((3, 64, 64), None, 0, 0.0, batch_size, seed, inputs), Path(folder)
    labels = labels_of((sides[0][0], sides[1][0]))
    targets = {label: target for label, (_, target) in zip(labels, sides, strict=True)}
    with running(targets, assignment, folder) as processes:
        used, remarks = type_of(processes, dtype)
        giver = draw(processes, assignment, folder)
        request = {"do": "outputs", "dtype": used, "maps": [] if giver else assignment.maps}
        exact = exact_outputs(processes, request, folder) if used == "float32" else {}
        answers = ask(processes, dict.fromkeys(processes, request))
    gives = {label: read_safetensors(folder / OUTPUTS.format(file_of(label))) for label in labels}
    common, bar = paired(gives), bar_for(used, exact, gives)
    facts = {"dtype": used, "recipe": asdict(assignment), "data": f"drawn with seed {seed}"}
    feed = read_safetensors(folder / FEED)
    for label in labels:
        said = {**facts, "backend": framework_of(label), "label": label, "versions": answers[label]["versions"]}
        write(folder / file_of(label), said, feed, common[label])
        (folder / OUTPUTS.format(file_of(label))).unlink()
    (folder / FEED).unlink()
    inputs_from = f"those of {giver}'s module" if giver else f"drawn from a normal distribution with seed {seed}"
    notes = [COVERED, "weights: each side's own", f"{batch_size} samples, {inputs_from}"]
    if used != dtype or remarks:
        notes.insert(0, f"{'; '.join(remarks) or f'a file computes in {used}'}: both were compared in {used}")
    one, other = (Trace(folder / file_of(label)) for label in labels)
    return OutputsResult(one, other, bar, tuple(notes))


def exact_outputs(
    processes: Mapping[str, ModelProcess], request: Mapping[str, Any], folder: Path
) -> dict[str, dict[str, np.ndarray]]:
    """Return by side what a model whose code is there gives in float64; none where it does not compute in that."""
    exact = {}
    for label, side in processes.items():
        if framework_of(label) not in FILES:
            with suppress(RecipeError):
                ask({label: side}, {label: {**request, "dtype": "float64"}})
                exact[label] = read_safetensors(folder / OUTPUTS.format(file_of(label)))
    return exact


def bar_for(dtype: str, exact: Mapping[str, Any], gives: Mapping[str, Any]) -> float:
    """Return how far apart outputs may be: in float32 some times as far as a model is from itself in float64."""
    bars = BARS[dtype]
    gaps = [gap(gives[label][name], x).relative for label, outputs in exact.items() for name, x in outputs.items()]
    return min(bars["export"], max(NOISE * max(gaps), FLOOR)) if gaps else bars.get("export", bars["step"])


def type_of(processes: Mapping[str, ModelProcess], dtype: str) -> tuple[str, list[str]]:
    """Return the type that both can compute in, and remarks on that; RecipeError for one that is not compared."""
    asked = {label: side for label, side in processes.items() if framework_of(label) in FILES}
    answers = ask(asked, {label: {"do": "opened"} for label in asked}).values()
    kinds = [answer["dtype"] for answer in answers]
    if any(kind not in BARS for kind in kinds) or len(set(kinds)) > 1:
        words = " and ".join(dict.fromkeys(kinds))
        raise RecipeError(f"compare: files compute in {words}; expected float32 or float64, and one of them")
    return kinds[0] if kinds else dtype, [answer["remark"] for answer in answers if answer["remark"]]


def draw(processes: Mapping[str, ModelProcess], assignment: Assignment, folder: Path) -> str:
    """Write the inputs of both; return the side whose module gave them, "" where they were drawn."""
    code = {label: side for label, side in processes.items() if framework_of(label) not in FILES}
    answers = ask(code, {label: {"do": "inputs"} for label in code})
    giver = next((label for label, answer in answers.items() if answer["inputs"]), "")
    inputs = next(assignment.batches()).inputs
    if giver:
        place = folder / GIVEN.format(file_of(giver))
        given = {name: x for name, x in read_safetensors(place).items() if name[:1] == "0"}
        inputs = {name[2:]: x.astype(bool) if name[1] == "?" else x for name, x in given.items()}
        place.unlink()
    write_feed(folder, inputs)
    return giver


def paired(gives: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
    """Return the outputs of both sides under the first one's names and in its layout; RecipeError where none fit."""
    (one, first), (other, second) = gives.items()
    names = dict(zip(first, first if set(first) == set(second) else second, strict=False))
    fit = len(first) == len(second) and all(
        same_outputs(first[a].shape, second[b].shape) or same_outputs(second[b].shape, first[a].shape)
        for a, b in names.items()
    )
    if not fit:
        words = [", ".join(f"{name} {x.shape}" for name, x in outputs.items()) for outputs in (first, second)]
        raise RecipeError(f"outputs: {one} gives {words[0]}, {other} gives {words[1]}; both models must give the same")
    return {one: dict(first), other: {a: as_beside(second[b], first[a].shape) for a, b in names.items()}}


def as_beside(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return an output in the layout of the other side's."""
    turned = x.ndim > 2 and np.moveaxis(x, 1, -1).shape == shape
    return (laid_out if turned else taken_back)(x, shape)


def write(folder: Path, facts: Mapping[str, Any], feed: Mapping[str, np.ndarray], outputs: Mapping[str, Any]) -> None:
    """Write a trace of an inference pass alone."""
    with files.explained(folder):
        files.make_folder(folder)
        write_safetensors(folder / file_name(0, "batch"), feed, {})
        write_safetensors(folder / file_name(None, "inference"), outputs, {})
    layers: dict[str, Any] = {"inference": {}, "forward": {}}
    more = {"steps": 1, "update": False, "lr": [0.0], "layers": layers, "outputs": list(outputs), "parameters": []}
    files.write_json(folder / FACTS, {"format": FORMAT, **facts, **more, "inference_only": True, "classes": []})
