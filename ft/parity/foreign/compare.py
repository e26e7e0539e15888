"""Two models of the user's own, one in each framework: paired, given the same weights, and traced.

Each runs in a process of its own (host.py), with one framework in it, that the hub asks twice: describe yourself;
then, when the pairing is known, trace. Arrays go through files.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from ft.backend import contract as backend
from ft.backend.description import Description
from ft.errors import RecipeError, listed, unknown
from ft.noise import generator
from ft.parity.foreign.code import OPTIMIZER
from ft.parity.foreign.pairing import SIDES, Pair, Pairing, pair_calls, pair_parameters
from ft.parity.sensitivity import Band, band_of
from ft.parity.trace import Trace, TraceBatch
from ft.system import apart, files

DIRECTIONS = {"torch-to-tf": "torch", "tf-to-torch": "tf"}  # whose weights both take
WEIGHTS = "weights.safetensors"  # the file of these
AGAIN = "torch-one-ulp"  # the trace from moved weights
MOMENTUM = 0.9


@dataclass(frozen=True)
class Assignment:
    """What both sides are told: what the models take and give, and what to do with them."""

    shape: tuple[int, ...]
    classes: int
    steps: int
    lr: float
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise RecipeError(f"input: got {'x'.join(map(str, self.shape))}; expected CxHxW, such as 3x64x64")
        for name, least in (("classes", 1), ("steps", 0), ("batch_size", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise RecipeError(f"{name}: got {getattr(self, name)}; it must be at least {least}")

    def batches(self) -> Iterator[TraceBatch]:
        """Yield the batches of all steps, at least one: images (N, H, W, C) and labels, drawn from the seed."""
        channels, height, width = self.shape
        for step in range(max(self.steps, 1)):
            rng = generator(self.seed, "stranger", step)
            images = rng.normal(size=(self.batch_size, height, width, channels))
            labels = rng.integers(0, self.classes, self.batch_size)
            yield TraceBatch({"images": images}, {"labels": labels}, np.float64(self.lr))


@dataclass(frozen=True)
class StrangersResult:
    """The traces of both models, which parameters were paired by which rule, and what the user should know."""

    torch: Trace
    tf: Trace
    pairing: tuple[Pair, ...]
    notes: tuple[str, ...]
    band: Band | None = None


def compare_models(
    *,
    torch: str,
    tf: str,
    shape: tuple[int, int, int],
    classes: int,
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

    shape: of an image, (C, H, W); steps: 0 for inference, loss and gradients alone; map_file: YAML that corrects the
    pairing, `torch name: keras path`; direction: whose weights both take; sensitivity: trace the first model once more,
    from weights that are moved by one ulp; folder: for the traces. Raises UserError.
    """
    for kind, word, known in (("dtype", dtype, ("float64", "float32")), ("direction", direction, DIRECTIONS)):
        if word not in known:
            raise RecipeError(unknown(kind, word, known))
    assignment, given = Assignment(tuple(shape), classes, steps, lr, batch_size, seed), read_map(map_file)
    with running({"torch": torch, "tf": tf}, assignment, Path(folder)) as sides:
        models = describe(sides, dtype, DIRECTIONS[direction])
        used = dtype if {model.dtype for model in models.values()} == {dtype} else "float32"
        if used != dtype:  # the other one could do better: it starts again
            models = describe(sides, used, DIRECTIONS[direction])
        require_alike(models, classes, used)
        pairing = pair_parameters(models["torch"], models["tf"], given)
        optimizers = trace(sides, models, pairing, DIRECTIONS[direction])
        if sensitivity:
            first = SIDES[0]
            requests = {first: {"do": "describe", "dtype": used, "save": False}}  # built anew: it has been trained
            ask({first: sides[first]}, requests)
            trace({first: sides[first]}, models, pairing, DIRECTIONS[direction], one_ulp=True)
    (Path(folder) / WEIGHTS).unlink()
    notes = [*notes_on_assignment(assignment, optimizers, direction), *notes_on_models(models, pairing)]
    if used != dtype:
        notes.insert(0, f"a model stays {used} where {dtype} was asked for: both were compared in {used}")
    traces = Trace(Path(folder) / "torch"), Trace(Path(folder) / "tf")
    band = band_of(traces[0], Trace(Path(folder) / AGAIN)) if sensitivity else None
    return StrangersResult(*traces, tuple(pairing.pairs), tuple(notes), band)


def describe(sides: Mapping[str, "ModelProcess"], dtype: str, source: str) -> dict[str, Description]:
    """Have both models built in a type and described, and the weights of the side `source` written."""
    requests = {name: {"do": "describe", "dtype": dtype, "save": name == source} for name in SIDES}
    return {name: Description.from_dict(answer) for name, answer in ask(sides, requests).items()}


def trace(
    sides: Mapping[str, "ModelProcess"],
    models: Mapping[str, Description],
    pairing: Pairing,
    source: str,
    *,
    one_ulp: bool = False,
) -> dict[str, str]:
    """Have models traced under PyTorch's names; return the names of their optimizers. one_ulp: from moved weights."""
    torch, tf = models["torch"], models["tf"]
    names = {"torch": {p.torch: p.torch for p in pairing.pairs}, "tf": {p.keras: p.torch for p in pairing.pairs}}
    alone = {key: f"{key} (keras)" for key in tf.calls if key in torch.calls}  # alike in name only
    keys = {"torch": {}, "tf": alone | pair_calls(torch, tf, pairing.pairs)}
    common = {"do": "trace", "dtype": torch.dtype, "source": {name: own for own, name in names[source].items()}}
    common |= {"one_ulp": one_ulp}
    answers = ask(sides, {name: {**common, "names": names[name], "keys": keys[name]} for name in sides})
    return {name: answer["optimizer"] for name, answer in answers.items()}


def require_alike(models: Mapping[str, Description], classes: int, dtype: str) -> None:
    """Raise RecipeError unless both models give an output a class, in the same type, and have or lack an optimizer."""
    for name, model in models.items():
        if model.outputs[1:] != (classes,):
            raise RecipeError(
                f"--{name}: the model gives outputs of shape {model.outputs}; expected (N, {classes}), see --classes"
            )
        if model.dtype != dtype:
            raise RecipeError(
                f"--{name}: the model computes in {model.dtype}, not in {dtype}; expected float64 or float32"
            )
    having = [name for name, model in models.items() if model.own_optimizer]
    if len(having) == 1:
        raise RecipeError(f"only the module of --{having[0]} has {OPTIMIZER}; give one to both modules, or to neither")


def notes_on_assignment(assignment: Assignment, optimizers: Mapping[str, str], direction: str) -> Iterator[str]:
    """Yield what was done the same for any two models."""
    yield f"{assignment.batch_size} images a step, drawn from a normal distribution with seed {assignment.seed}"
    yield f"weights: copied {direction.replace('-', ' ')}"
    yield "loss: cross-entropy of the outputs, taken as logits, mean over the batch"
    if assignment.steps and all(optimizers.values()):
        yield "optimizers: your own, " + ", ".join(f"{name} {word}" for name, word in optimizers.items())
    elif assignment.steps:
        numbers = f"lr {assignment.lr:g}, momentum {MOMENTUM:g}"
        yield f"optimizer: SGD in PyTorch's form, {numbers}; no {OPTIMIZER} in your modules"


def notes_on_models(models: Mapping[str, Description], pairing: Pairing) -> Iterator[str]:
    """Yield what is particular to these models."""
    for (name, model), left in zip(models.items(), pairing.left, strict=True):
        if model.silenced:
            yield f"{name}: dropout and other noise set to 0: {listed(model.silenced)}"
        if left:
            yield f"{name}: constants without a partner, left as they are: {listed(p.name for p in left)}"
        yield from (f"{name}: {remark}" for remark in model.remarks)
    trained = [{p.name for p in model.parameters if p.trained} for model in models.values()]
    odd = [pair.torch for pair in pairing.pairs if (pair.torch in trained[0]) != (pair.keras in trained[1])]
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
        folder.mkdir(parents=True, exist_ok=True)
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
