"""The named arrays of a few training steps, written by one wing and read with NumPy alone.

    TRACE/ trace.json  weights.safetensors  inference.safetensors  step-000-forward.safetensors ...

Phases, in the order of computation: the starting `weights`, and an `inference` pass with them over the first batch;
then for every step its `batch`, the `forward` pass, BatchNorm's `statistics` after it, the `loss`, the `gradients` from
the output back to the input, the `updates` (what was subtracted from each
weight) and the optimizer's `slots`. The outputs of
layers have the axes that the framework gives them, and trace.json says which; all else is in canonical layout.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from string import ascii_letters as LETTERS
from typing import Any

import numpy as np

from ft.backend.calls import Call, Calls, map_axes
from ft.backend.contract import Learner, Wing
from ft.data import Batch, Padded, TokenIds
from ft.data.targets import Targets
from ft.errors import RunError, printable
from ft.system import files, reading
from ft.system.reading import FLAG, OBJECT, items, named, number, one_of, optional, table, text, whole
from ft.weights import write_safetensors
from ft.weights.safetensors_file import DTYPES

FORMAT, FACTS = 2, "trace.json"
TYPES = set(DTYPES) - {"BF16"}
FILES = ("onnx", "saved-model")  # what a model may be that is no code
UNSAID = 1  # the format of traces that do not say the axes of their arrays
EITHER_WAY = ("layernorm", "linear")  # in PyTorch their maps may have the channels first or last
BEFORE = ("weights", "inference")
EACH_STEP = ("batch", "forward", "statistics", "loss", "gradients", "updates", "slots")
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
ON_DISK = {"shares": "labels"}  # a target -> its name in a trace, where labels of both kinds bear one name
NAMES = items(text())
AXES = reading.Check("a letter each axis", lambda x: isinstance(x, str) and not x.strip(LETTERS) and is_set(x))
CALL = table(
    {
        "kind": text(100),
        "path": text(),
        "inputs": items(reading.Check("text", lambda x: isinstance(x, str))),
        "settings": OBJECT,
        "axes": optional(AXES),
        "input_axes": optional(items(AXES)),
    },
    others=None,
)
RECORD = table(
    {
        "format": one_of(UNSAID, FORMAT),
        "backend": one_of("torch", "tf", *FILES),
        "inference_only": optional(FLAG),
        "dtype": one_of("float32", "float64"),
        "steps": whole(1, 10**6),
        "update": FLAG,
        "lr": items(number()),
        "recipe": optional(OBJECT),
        "classes": optional(NAMES),
        "versions": optional(named(text(200))),
        "label": optional(text(100)),
        "layers": table({"inference": named(CALL), "forward": named(CALL)}, others=None),
        "parameters": NAMES,
    }
)


@dataclass(frozen=True)
class TraceBatch:
    """What one step is fed: inputs by name, "images" (N, H, W, 3) or those of `TokenIds`, targets, and its rate."""

    inputs: dict[str, np.ndarray]
    targets: Targets
    lr: np.float64

    @property
    def batch(self) -> Batch:
        """The batch that a learner takes."""
        if "sizes" in self.inputs:
            return Batch.of(Padded(self.inputs["images"], self.inputs["sizes"]), **self.targets)
        inputs = self.inputs["images"] if "images" in self.inputs else TokenIds(self.inputs)
        return Batch.of(inputs, **self.targets)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Inputs and targets under their names in a trace."""
        return {**self.inputs, **{ON_DISK.get(name, name): array for name, array in self.targets.items()}}


def write_trace(
    folder: Path, learner: Learner, wing: Wing, batches: Iterable[TraceBatch], facts: Mapping[str, Any], *, update: bool
) -> None:
    """Run a learner through batches and write what it does to `folder`, which must be empty or new.

    update: False leaves out the updates, for a comparison of inference, loss and gradients alone. Each phase is written
    as soon as it is over: memory holds one phase.
    """
    with files.explained(folder):
        files.make_folder(folder)
    layers: dict[str, dict[str, Call]] = {}
    outputs: dict[str, np.ndarray] = {}

    def write(step: int | None, phase: str, arrays: Mapping[str, np.ndarray]) -> None:
        with files.explained(folder):
            write_safetensors(folder / file_name(step, phase), arrays, {})

    rates: list[float] = []
    for step, batch in enumerate(batches):
        if step == 0:
            write(None, "weights", learner.get_weights())
            with wing.recording(learner.model) as calls:
                outputs = learner.outputs(batch.batch.inputs)
            write(None, "inference", {**calls.arrays, **outputs})
            layers["inference"] = calls.calls
        rates.append(float(batch.lr))
        write(step, "batch", batch.arrays)
        layers["forward"] = trace_step(learner, wing, batch, step, write, update=update).calls
    order = {phase: {key: asdict(call) for key, call in calls.items()} for phase, calls in layers.items()}
    parameters = list(wing.parameters(learner.model))
    record = {"format": FORMAT, **facts, "steps": len(rates), "update": update, "lr": rates}
    files.write_json(folder / FACTS, {**record, "layers": order, "outputs": list(outputs), "parameters": parameters})


def trace_step(
    learner: Learner,
    wing: Wing,
    batch: TraceBatch,
    step: int,
    write: Any,
    *,
    update: bool,
) -> Calls:
    """Write the phases of one step and return its layer calls."""
    with wing.recording(learner.model) as calls:
        loss, outputs, gradients = learner.gradients(batch.batch, step=step)
    write(step, "forward", {**calls.arrays, **outputs})
    calls.arrays.clear()
    write(step, "loss", {"loss": np.array(loss)})
    write(step, "gradients", gradients)
    statistics = {name: x for name, x in learner.get_weights().items() if name.rpartition(".")[2] in STATISTICS}
    write(step, "statistics", statistics)
    if update:
        write(step, "updates", learner.update(gradients, lr=batch.lr))
        write(step, "slots", learner.get_slots())
    return calls


def file_name(step: int | None, phase: str) -> str:
    """Return the name of the file that holds a phase."""
    return f"{phase}.safetensors" if step is None else f"step-{step:03d}-{phase}.safetensors"


class MissingArray(RunError, KeyError):
    """A name that a file of arrays lacks: a user's mistake where the name must be there, a KeyError for `get`."""

    def __str__(self) -> str:
        return str(self.args[0])


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of one phase, read from the file one at a time."""

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = path
        try:
            self.file = safe_open(path, framework="numpy")
        except (SafetensorError, OSError) as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else ascii(str(error))[1:-1][:120]
            raise RunError(f"{path}: {reason}; the trace is not whole, write it again with ft trace") from None
        self.names = dict.fromkeys(sorted(self.file.keys()))
        odd = [name for name in self.names if self.file.get_slice(name).get_dtype() not in TYPES]
        if odd:
            raise RunError(
                f"{path}: {printable(odd[0])} is of no type that a trace holds; write it again with ft trace"
            )

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.names:
            raise MissingArray(f"{self.path} lacks {printable(name)}; write the trace again with ft trace")
        return self.file.get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class Trace:
    """A trace on disk. Raises RunError where it is none, is of another version, or lacks a file."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.opened: dict[tuple[int | None, str], Arrays] = {}
        if not (self.folder / FACTS).is_file():
            raise RunError(f"{folder} is no trace (no {FACTS}); write one with ft trace --out {folder}")
        self.facts = read_facts(self.folder / FACTS)
        for step, phase in self.phases():
            if not (self.folder / file_name(step, phase)).is_file():
                raise RunError(f"{folder} lacks {file_name(step, phase)}; write the trace again with ft trace")

    @property
    def backend(self) -> str:
        """The wing that wrote it."""
        return self.facts["backend"]

    @property
    def label(self) -> str:
        """What to call its side: the wing, and which of two where both have one."""
        return self.facts.get("label", self.backend)

    @property
    def dtype(self) -> str:
        """The type in which it was computed."""
        return self.facts["dtype"]

    def phases(self) -> list[tuple[int | None, str]]:
        """Return (step, phase) in the order of computation; step None comes before the first."""
        if self.facts.get("inference_only"):
            return [(0, "batch"), (None, "inference")]
        each = EACH_STEP if self.facts["update"] else EACH_STEP[:-2]
        steps = [(step, phase) for step in range(self.facts["steps"]) for phase in each]
        return [(None, "weights"), *steps[:1], (None, "inference"), *steps[1:]]  # inference is over the first batch

    def arrays(self, step: int | None, phase: str) -> Arrays:
        """Return the arrays of one phase."""
        if (step, phase) not in self.opened:
            self.opened[step, phase] = Arrays(self.folder / file_name(step, phase))
        return self.opened[step, phase]

    def close(self, step: int | None, phase: str) -> None:
        """Give the memory of a phase's file back until it is read again."""
        self.opened.pop((step, phase), None)

    @cached_property
    def calls(self) -> dict[str, dict[str, Call]]:
        """The layer calls of the phases "inference" and "forward", by key, in the order of computation."""
        return {
            phase: {key: Call.from_dict(call) for key, call in calls.items()}
            for phase, calls in self.facts["layers"].items()
        }

    def axes(self, phase: str, name: str, rank: int) -> str:
        """Return the axes of an array as its wing says them, "" for one that is no layer's: in canonical layout.

        Where the trace does not say them, a map has its channels where the framework has them; RunError where that is
        not sure.
        """
        key, _, number = name.partition("<")
        call = self.calls.get(phase, {}).get(key)
        if call is None:
            return ""
        if self.facts["format"] == UNSAID:
            if self.backend == "torch" and rank == 4 and call.kind in EITHER_WAY:
                raise RunError(
                    f"{self.folder} is a trace of format {UNSAID}, which does not say the axes of {key}; write it again"
                )
            return map_axes(rank, first=self.backend == "torch" and rank != 3)
        axes = said(call.input_axes, number) if number else call.axes
        if len(axes) not in (0, rank):
            raise RunError(f"{self.folder}: found axes '{axes}' of {printable(name)}, expected {rank}; write it again")
        return axes

    def order(self, phase: str) -> list[str]:
        """Return the names of a phase's arrays in the order in which they are computed, as far as it is known."""
        if phase in self.calls:
            return [*self.calls[phase], *self.facts.get("outputs", ["logits"])]
        names = self.facts["parameters"]
        return names[::-1] if phase == "gradients" else names


def read_facts(path: Path) -> dict[str, Any]:
    """Return the content of trace.json, checked."""
    try:
        facts = reading.read_json(path, OBJECT)
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; the trace is not whole, write it again with ft trace") from None
    version = facts.get("format")
    if type(version) is not int or version not in (UNSAID, FORMAT):
        raise RunError(f"{path.parent} is a trace of format {reading.shown(version)}, not {FORMAT}; write it again")
    reading.require(facts, RECORD, path)
    if len(facts["lr"]) != facts["steps"]:
        raise reading.unfit(path, "steps", facts["steps"], f"the number of rates in lr, {len(facts['lr'])}")
    return facts


def is_set(letters: str) -> bool:
    """Tell whether each letter stands once."""
    return len(set(letters)) == len(letters)


def said(axes: Sequence[str], number: str) -> str:
    """Return the axes of an input by its number, "" where there is none of it."""
    return axes[int(number)] if number.isdecimal() and int(number) < len(axes) else ""
