"""Two models of the user's own, one in each framework: paired, given the same weights, and traced.

Each runs in a process of its own (host.py), with one framework in it, that the hub asks twice: describe yourself;
then, when the pairing is known, trace. Arrays go through files.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from ft.backend import contract as backend
from ft.backend.description import Description, Parameter
from ft.backend.forms import squeezed, whole_of
from ft.backend.operations import Graph
from ft.errors import RecipeError, listed, unknown
from ft.noise import generator
from ft.parity.arrays import BARS
from ft.parity.evidence import Finding
from ft.parity.foreign.code import INPUTS, LOSS, OPTIMIZER
from ft.parity.foreign.explain import coverage, explained, stopped
from ft.parity.foreign.forcing import Difference, Search
from ft.parity.foreign.inputs import IMAGES, Spec, read_inputs
from ft.parity.foreign.pairing import NEUTRAL, SIDES, Pair, Pairing, pair_calls, pair_parameters
from ft.parity.foreign.picture import Picture, picture
from ft.parity.sensitivity import Band, band_of
from ft.parity.trace import Trace, TraceBatch
from ft.parity.verdict import PARAMETERS, SETTINGS, Row, Verdict, compare_traces
from ft.system import apart, files
from ft.weights import read_safetensors, write_safetensors

DIRECTIONS = {"torch-to-tf": "torch", "tf-to-torch": "tf"}  # whose weights both take
WEIGHTS = "weights.safetensors"  # the file of these
AGAIN = "torch-one-ulp"  # the trace from moved weights
MOMENTUM = 0.9
OPERATIONS, FORCED = "operations-{}.safetensors", "forced.safetensors"  # arrays of a recorded pass, and for one
LARGE = 10.0  # times the inputs, for limits that the first ones do not reach
FINER = (0.1, 0.001)  # of what counts as the same function: how near values must be to be the same
LAYERS = ("inference", "forward")  # phases whose rows are mostly those of layers


@dataclass(frozen=True)
class Assignment:
    """What both sides are told: what the models take and give, and what to do with them.

    inputs: as `--input` has them, else images of `shape`; classes: None where the loss needs no labels.
    """

    shape: tuple[int, ...]
    classes: int | None
    steps: int
    lr: float
    batch_size: int
    seed: int
    inputs: str = ""

    def __post_init__(self) -> None:
        if not self.inputs and (len(self.shape) != 3 or min(self.shape) < 1):
            raise RecipeError(f"input: got {'x'.join(map(str, self.shape))}; expected CxHxW, such as 3x64x64")
        for name, least in (("classes", 1), ("steps", 0), ("batch_size", 1), ("seed", 0)):
            if (value := getattr(self, name)) is not None and value < least:
                raise RecipeError(f"{name}: got {value}; it must be at least {least}")
        self.specs  # noqa: B018, what cannot be read is told now

    @property
    def specs(self) -> tuple[Spec, ...]:
        """What the models take."""
        return read_inputs(self.inputs) if self.inputs else (Spec(IMAGES, "map", tuple(self.shape)),)

    @property
    def maps(self) -> tuple[str, ...]:
        """The inputs that have channels."""
        return tuple(spec.name for spec in self.specs if spec.type == "map")

    def batches(self) -> Iterator["Feed"]:
        """Yield the batches of all steps, at least one: inputs, maps with their channels last, and labels if any."""
        for step in range(max(self.steps, 1)):
            rng = generator(self.seed, "stranger", step)
            inputs = {spec.name: spec.draw(rng, self.batch_size) for spec in self.specs}
            labels = {} if self.classes is None else {"labels": rng.integers(0, self.classes, self.batch_size)}
            yield Feed(inputs, labels, np.float64(self.lr))

    def moved(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return weights of which none is the same number everywhere, as those of a fresh norm are."""
        rng = generator(self.seed, "stranger weights")
        found = {}
        for name, x in weights.items():
            fresh = x.size > 1 and bool(np.all(x == x.flat[0]))
            noise = rng.uniform(0.5, 1.5, x.shape) - 1.0
            found[name] = (x + noise).astype(x.dtype) if fresh else x
        return found

    def cotangents(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        """Return the numbers that outputs of these shapes are multiplied with to give a loss."""
        rng = generator(self.seed, "stranger loss")
        return {name: rng.normal(size=shape) / np.sqrt(max(np.prod(shape), 1)) for name, shape in shapes.items()}


class Feed(TraceBatch):
    """What one step of a model of the user's own is fed."""

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Inputs and targets under their names in a trace, which has no truth values."""
        return {name: x.view(np.uint8) if x.dtype == bool else x for name, x in super().arrays.items()}

    @property
    def batch(self) -> Any:
        """What its learner takes: this itself."""
        return self


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
    for kind, word, known in (("dtype", dtype, ("float64", "float32")), ("direction", direction, DIRECTIONS)):
        if word not in known:
            raise RecipeError(unknown(kind, word, known))
    assignment, given = Assignment(tuple(shape), classes, steps, lr, batch_size, seed, inputs), read_map(map_file)
    with running({"torch": torch, "tf": tf}, assignment, Path(folder)) as sides:
        giver = find_giver(sides)
        models = describe(sides, dtype, DIRECTIONS[direction], giver)
        used = dtype if {model.dtype for model in models.values()} == {dtype} else "float32"
        if used != dtype:  # the other one could do better: it starts again
            models = describe(sides, used, DIRECTIONS[direction], giver)
        require_alike(models, classes, used)
        outputs = pair_outputs(models)
        pairing = pair_parameters(models["torch"], models["tf"], given)
        optimizers = trace(sides, models, pairing, outputs, DIRECTIONS[direction])
        traces = Trace(Path(folder) / "torch"), Trace(Path(folder) / "tf")
        findings, covered, drawn = diagnose_operations(sides, pairing, Path(folder), used, traces)
        if sensitivity:
            first = SIDES[0]
            describe({first: sides[first]}, used, "", giver)  # built anew: it has been trained
            trace({first: sides[first]}, models, pairing, outputs, DIRECTIONS[direction], one_ulp=True)
    (Path(folder) / WEIGHTS).unlink()
    notes = [
        *notes_on_assignment(assignment, optimizers, direction, giver),
        *notes_on_loss(models, classes),
        *notes_on_models(models, pairing),
    ]
    if used != dtype:
        notes.insert(0, f"a model stays {used} where {dtype} was asked for: both were compared in {used}")
    notes.append(covered)
    rows = [*lone_parameters(pairing), *unlike_settings(models, pairing), *unreached(findings)]
    band = band_of(traces[0], Trace(Path(folder) / AGAIN)) if sensitivity else None
    return StrangersResult(*traces, tuple(pairing.pairs), tuple(notes), tuple(rows), tuple(findings), drawn, band)


def without_mispairings(rows: Sequence[Row], outputs: Collection[str]) -> list[Row]:
    """Return rows without layers' outputs that differ, where the two agree in all that comes of them."""
    results = [row for row in rows if row.phase not in LAYERS or row.name in outputs]
    if any(row.differs for row in results):
        return list(rows)
    return [row for row in rows if not row.differs]


def find_giver(sides: Mapping[str, "ModelProcess"]) -> str:
    """Return the side whose module alone has a function for the inputs, "" where both have one, or neither."""
    answers = ask(sides, {name: {"do": "inputs"} for name in SIDES})
    having = [name for name, answer in answers.items() if answer.get("inputs")]
    return having[0] if len(having) == 1 else "both" if having else ""


def describe(sides: Mapping[str, "ModelProcess"], dtype: str, source: str, giver: str) -> dict[str, Description]:
    """Have both models built in a type and described, and the weights of the side `source` written."""
    requests = {name: {"do": "describe", "dtype": dtype, "save": name == source, "inputs": giver} for name in sides}
    return {name: Description.from_dict(answer) for name, answer in ask(sides, requests).items()}


def trace(
    sides: Mapping[str, "ModelProcess"],
    models: Mapping[str, Description],
    pairing: Pairing,
    outputs: Mapping[str, str],
    source: str,
    *,
    one_ulp: bool = False,
) -> dict[str, str]:
    """Have models traced under PyTorch's names; return the names of their optimizers.

    outputs: Keras's name of an output -> the common one; one_ulp: from moved weights.
    """
    torch, tf = models["torch"], models["tf"]
    names = {"torch": {p.torch: p.torch for p in pairing.pairs}, "tf": {p.keras: p.torch for p in pairing.pairs}}
    alone = {key: f"{key} (keras)" for key in tf.calls if key in torch.calls}  # alike in name only
    keys: dict[str, dict[str, str]] = {"torch": {}, "tf": alone | pair_calls(torch, tf, pairing.pairs)}
    common = {
        "do": "trace",
        "dtype": torch.dtype,
        "source": {name: own for own, name in names[source].items()},
        "shapes": {p.torch: p.shape for p in pairing.pairs},
        "outputs": {output_name(name, torch): torch.gives[name] for name in outputs.values()},
        "loss": "own" if torch.own_loss else "",
        "still": still(models, pairing),
        "one_ulp": one_ulp,
    }
    own = {
        "torch": {name: output_name(name, torch) for name in outputs.values()},
        "tf": {name: output_name(common, torch) for name, common in outputs.items()},
    }
    neutral = [{p.name: neutral_value(p) for p in left} for left in pairing.neutral]
    settled: dict[str, dict[str, float]] = dict(zip(SIDES, neutral, strict=True))
    answers = ask(
        sides,
        {
            name: {**common, "names": names[name], "keys": keys[name], "own": own[name], "neutral": settled[name]}
            for name in sides
        },
    )
    return {name: answer["optimizer"] for name, answer in answers.items()}


def diagnose_operations(
    sides: Mapping[str, "ModelProcess"], pairing: Pairing, folder: Path, dtype: str, traces: tuple[Trace, Trace]
) -> tuple[list[Finding], str, Picture]:
    """Return the operations that differ, what share of all was compared, in words, and all of them."""
    parameters: dict[str, dict[int, np.ndarray]] = {}

    def recorded(name: str, forced: Mapping[int, np.ndarray], amplitude: float = 1.0) -> Graph:
        if forced:
            write_safetensors(folder / FORCED, {str(number): x for number, x in forced.items()}, {})
        request = {"do": "operations", "forced": bool(forced), "dtype": dtype, "amplitude": amplitude}
        answer = ask({name: sides[name]}, {name: request})[name]
        graph = Graph.from_dict(answer, read_safetensors(folder / OPERATIONS.format(name)))
        if not forced:
            parameters[name] = {n: graph.arrays[n] for n, leaf in graph.leaves.items() if leaf.startswith("parameter ")}
        graph.arrays |= parameters[name]
        return graph

    names: dict[str, frozenset[str]] = {}
    for pair in pairing.pairs:
        own = whole_of(pair.torch)[0]
        names[own] = names.get(own, frozenset()) | {whole_of(pair.keras)[0].partition("#")[0]}
    tf, verdict = recorded("tf", {}), compare_traces(*traces)
    parted = {row.phase for row in verdict.rows if row.differs and (row.phase != "inference" or is_output(row, traces))}
    found: list[Finding] = []
    for finer in FINER:
        search = Search(lambda forced: recorded("torch", forced), tf, names, BARS[dtype]["cause"] * finer)
        differences = search.differences()
        found = explained(differences, BARS[dtype]["cause"])
        if found or "inference" not in parted:
            break
    if (found and not search.last.parted) or not (found or parted - {"statistics"}):
        known = search.forced.keys() | {difference.number for difference in differences}
        further = [d for d in shown_by_large(recorded, search, BARS[dtype]["cause"] / 10) if d.number not in known]
        words = f"; it shows only with {LARGE:g} times as large inputs"
        told = explained(further, BARS[dtype]["cause"])
        found += [replace(f, phase=SETTINGS, detail=f.detail + words) for f in told]
    if "gradients" in parted:
        alone = not found  # else what is found may be why gradients differ
        found += [replace(f, certain=alone) for f in stopped(search.plain.torch.graph, tf, search)]
    for file in (FORCED, *(OPERATIONS.format(name) for name in SIDES)):
        (folder / file).unlink(missing_ok=True)
    return found, coverage(search), picture(search)


def shown_by_large(recorded: Callable[..., Graph], search: Search, close: float) -> list[Difference]:
    """Return what differs with larger inputs; what a search has found is in place, and nothing hides behind it."""
    run, tf = partial(recorded, "torch", amplitude=LARGE), recorded("tf", {}, LARGE)
    further = Search(run, tf, search.names, close, search.partners)
    before, now = (search.plain.torch.graph, search.tf.graph), (run({}), tf)
    if search.partners and [graph.steps for graph in before] != [graph.steps for graph in now]:
        return []  # the models took another way
    return further.differences()


def is_output(row: Row, traces: Sequence[Trace]) -> bool:
    """Tell whether a row is of what the model gives."""
    return row.name in traces[0].facts["outputs"]


def unreached(findings: Sequence[Finding]) -> Iterator[Row]:
    """Yield a row for every operation that differs only with larger inputs."""
    yield from (setting(f.name, f.detail) for f in findings if f.phase == SETTINGS)


def unlike_settings(models: Mapping[str, Description], pairing: Pairing) -> Iterator[Row]:
    """Yield a row for every setting that differs and that no array shows: it was not exercised."""
    strengths = [sorted(re.findall(r"\(\w+ ([\d.e-]+)", " ".join(model.silenced))) for model in models.values()]
    if strengths[0] != strengths[1]:
        words = [" ".join(found) or "none" for found in strengths]
        yield setting("dropout", f"torch {words[0]}, tf {words[1]}")
    trained = [{p.name for p in model.parameters if p.trained} for model in models.values()]
    for pair in pairing.pairs:
        has = whole_of(pair.torch)[0] in trained[0], whole_of(pair.keras)[0] in trained[1]
        if has[0] != has[1]:
            yield setting(pair.torch, f"trained in {SIDES[has[1]]} only")
    for who, model in models.items():
        yield from (setting(words, f"in {who} only") for words in model.settings)


def setting(name: str, words: str) -> Row:
    """Return the row of a setting that differs."""
    return Row(None, SETTINGS, name, np.inf, np.inf, 0, 0, 0.0, f"{words}; differs, not exercised")


def lone_parameters(pairing: Pairing) -> Iterator[Row]:
    """Yield a row for every kind of parameter that one side has alone: the comparison goes on without them."""
    for who, left in zip(SIDES, pairing.neutral, strict=True):
        kinds: dict[tuple[str, str], list[str]] = {}
        for p in left:
            kinds.setdefault((p.kind, p.leaf), []).append(p.name)
        for (kind, leaf), names in kinds.items():
            fault = f"{leaf} of {len(names)} {kind} layer{'s' * (len(names) > 1)} in {who} only: {listed(names)}"
            # with the count: once accepted, it lets no other pass
            name = names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            yield Row(None, PARAMETERS, name, np.inf, np.inf, 0, 0, 0.0, f"{fault}; taken as what changes nothing")


def neutral_value(parameter: Parameter) -> float:
    """Return the value of a parameter with which its layer does what it does without."""
    return NEUTRAL.get(parameter.leaf, 0.0)


def pair_outputs(models: Mapping[str, Description]) -> dict[str, str]:
    """Return Keras's name of every output -> PyTorch's: by name, else by place. RecipeError where they do not fit."""
    torch, tf = models["torch"].gives, models["tf"].gives
    names = dict(zip(tf, tf if set(tf) == set(torch) else torch, strict=False))
    words = [", ".join(f"{name} {shape}" for name, shape in gives.items()) for gives in (torch, tf)]
    if len(torch) != len(tf) or not all(same_outputs(torch[b], tf[a]) for a, b in names.items()):
        raise RecipeError(f"outputs: torch gives {words[0]}, tf gives {words[1]}; both models must give the same")
    return names


def still(models: Mapping[str, Description], pairing: Pairing) -> list[str]:
    """Return the common names of the parameters that one model or both do not train."""
    trained = [{p.name for p in model.parameters if p.trained} for model in models.values()]
    pairs = ((pair, whole_of(pair.torch)[0], whole_of(pair.keras)[0]) for pair in pairing.pairs)
    return [pair.torch for pair, torch, tf in pairs if torch not in trained[0] or tf not in trained[1]]


def output_name(name: str, model: Description) -> str:
    """Return the name of an output in a trace, where no layer has it."""
    return name if len(model.gives) == 1 else f"output {name}"


def same_outputs(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether two outputs can be one: in the same shape, with channels last, or but for axes of size 1."""
    return other in (shape, (*shape[:1], *shape[2:], *shape[1:2])) or squeezed(shape) == squeezed(other)


def require_alike(models: Mapping[str, Description], classes: int | None, dtype: str) -> None:
    """Raise RecipeError unless both models give what the loss takes, in the same type, and have or lack the same."""
    for name, model in models.items():
        if classes is not None and len(model.gives) > 1:
            raise RecipeError(
                f"--{name}: the model gives {len(model.gives)} outputs; --classes is for one, leave it out"
            )
        if classes is not None and model.outputs[1:] != (classes,):
            raise RecipeError(
                f"--{name}: the model gives outputs of shape {model.outputs}; expected (N, {classes}), see --classes"
            )
        if model.dtype != dtype:
            raise RecipeError(
                f"--{name}: the model computes in {model.dtype}, not in {dtype}; expected float64 or float32"
            )
    for function, has in ((OPTIMIZER, "own_optimizer"), (LOSS, "own_loss")):
        having = [name for name, model in models.items() if getattr(model, has)]
        if len(having) == 1:
            raise RecipeError(
                f"only the module of --{having[0]} has {function}; give one to both modules, or to neither"
            )


def notes_on_assignment(
    assignment: Assignment, optimizers: Mapping[str, str], direction: str, giver: str
) -> Iterator[str]:
    """Yield what was done the same for any two models."""
    what = "samples" if assignment.inputs else "images"
    if giver:
        yield f"inputs: those of {INPUTS} of {'each module' if giver == 'both' else f'the module of --{giver}'}"
    else:
        yield f"{assignment.batch_size} {what} a step, drawn from a normal distribution with seed {assignment.seed}"
    yield f"weights: copied {direction.replace('-', ' ')}"
    if assignment.steps and all(optimizers.values()):
        yield "optimizers: your own, " + ", ".join(f"{name} {word}" for name, word in optimizers.items())
    elif assignment.steps:
        numbers = f"lr {assignment.lr:g}, momentum {MOMENTUM:g}"
        yield f"optimizer: SGD in PyTorch's form, {numbers}; no {OPTIMIZER} in your modules"


def notes_on_loss(models: Mapping[str, Description], classes: int | None) -> Iterator[str]:
    """Yield what the loss is."""
    if models["torch"].own_loss:
        yield f"loss: your own, of {LOSS}"
    elif classes is None:
        yield "loss: the product of the outputs with numbers drawn from the seed"
    else:
        yield "loss: cross-entropy of the outputs, taken as logits, mean over the batch"


def notes_on_models(models: Mapping[str, Description], pairing: Pairing) -> Iterator[str]:
    """Yield what is particular to these models."""
    for (name, model), left in zip(models.items(), pairing.left, strict=True):
        if model.silenced:
            yield f"{name}: dropout and other noise set to 0: {listed(model.silenced)}"
        if left:
            yield f"{name}: constants without a partner, left as they are: {listed(p.name for p in left)}"
        yield from (f"{name}: {remark}" for remark in model.remarks)
    trained = [{p.name for p in model.parameters if p.trained} for model in models.values()]
    odd = [
        p.torch for p in pairing.pairs if (whole_of(p.torch)[0] in trained[0]) != (whole_of(p.keras)[0] in trained[1])
    ]
    if odd:
        yield f"trained in one model only: {listed(odd)}"


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


class ModelProcess:
    """The process of one model as the hub talks to it. What it prints goes to a log beside the traces."""

    def __init__(self, name: str, target: str, assignment: Assignment, folder: Path) -> None:
        self.name, self.target, self.log = name, target, folder / f"{name}.log"
        # both run at once, on half of the cores each: threads that wait for one another on a busy core cost 50 times as
        # much; and not on a GPU: a CPU's kernels repeat themselves to the last bit
        threads = str(max((os.cpu_count() or 2) // len(SIDES), 1))
        defaults = {"OMP_NUM_THREADS": threads, "TF_NUM_INTRAOP_THREADS": threads}
        path = {"PYTHONPATH": apart.path_with_current_folder_last()}
        environment = {**defaults, **os.environ, **path, "CUDA_VISIBLE_DEVICES": "-1"}
        with files.explained(self.log), open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                apart.command("ft.parity.foreign.host"),
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.send({"side": name, "target": target, "folder": str(folder), "assignment": asdict(assignment)})

    def send(self, request: Mapping[str, Any]) -> None:
        """Send a request; where nobody is left to read it, `receive` says why."""
        pipe = cast(Any, self.process.stdin)
        try:
            pipe.write(json.dumps(request) + "\n")
            pipe.flush()
        except BrokenPipeError:
            return

    def receive(self) -> dict[str, Any]:
        """Return the answer. Raises RecipeError for a mistake of the user's, RuntimeError where the process ended."""
        line = cast(Any, self.process.stdout).readline()
        if not line:
            said = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["nothing said"]
            raise RuntimeError(f"the {self.name} process ended with code {self.process.wait()}: {said[-1]}")
        answer = json.loads(line)
        if "error" in answer:
            raise RecipeError(f"--{self.name} {self.target}: {answer['error']}")
        return answer

    def end(self) -> None:
        """End the process, which has nothing left to do."""
        self.process.kill()
        self.process.communicate()


@contextmanager
def running(targets: Mapping[str, str], assignment: Assignment, folder: Path) -> Iterator[dict[str, ModelProcess]]:
    """Run the processes of both models while the block runs."""
    for name, target in targets.items():
        backend.require(name)
        if not re.fullmatch(r"[^:\s]+:[^:\s]+", target):
            raise RecipeError(f"--{name}: got '{target}'; expected MODULE:FUNCTION, such as mymodels:make_model")
    with files.explained(folder):
        files.make_folder(folder)
    with ExitStack() as stack:
        sides = {}
        for name, target in targets.items():
            sides[name] = ModelProcess(name, target, assignment, folder)
            stack.callback(sides[name].end)
        yield sides


def ask(sides: Mapping[str, ModelProcess], requests: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Ask both sides at once and return their answers."""
    for name, side in sides.items():
        side.send(requests[name])
    return {name: side.receive() for name, side in sides.items()}
