"""The process of one model of the user's own: it answers compare.py in lines of JSON."""

import ctypes
import hashlib
import json
import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np

from ft.backend import contract as backend
from ft.backend.contract import Stranger, Wing
from ft.backend.description import Description
from ft.backend.forms import applied, whole_of
from ft.backend.operations import LOCAL, Graph
from ft.errors import RecipeError, UserError, listed, memory_is_exhausted
from ft.noise import generator
from ft.parity.foreign.assignment import AGAIN, EXACT, FORCED, OPERATIONS, WEIGHTS, Assignment, Feed
from ft.parity.foreign.code import (
    INPUTS,
    LOSS,
    blamed,
    find_inputs,
    find_loss,
    find_optimizer,
    make_model,
    require_numbers,
)
from ft.parity.foreign.common import InCommon, laid_out
from ft.parity.foreign.inputs import flattened
from ft.parity.foreign.process import BUG
from ft.parity.foreign.runtimes import OUTPUTS, FileHost, read_feed, wing_of
from ft.parity.foreign.sides import file_of, framework_of
from ft.parity.foreign.states import Side
from ft.parity.foreign.steady import alike, unsteady
from ft.parity.sensitivity import moved_by_one_ulp
from ft.parity.trace import FILES, write_trace
from ft.system import files
from ft.system.quiet import quiet_stderr
from ft.weights import read_safetensors, write_safetensors

GIVEN = "inputs-{}.safetensors"  # what a module's own function drew, by side


def serve() -> None:
    """Answer the hub until it closes the pipe."""
    requests, channel = (os.fdopen(os.dup(i), mode, encoding="utf-8") for i, mode in enumerate("rw"))
    os.dup2(2, 1)  # what the user's code prints is no answer, and no request is what it reads
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    first = json.loads(requests.readline())
    assignment = Assignment(**{**first["assignment"], "shape": tuple(first["assignment"]["shape"])})
    with quiet_stderr():
        if name := wing_of(framework_of(first["side"])):
            backend.load(name).prepare(device="cpu", deterministic=True)
    host = make_host(first["side"], first["target"], Path(first["folder"]), assignment)
    for line in requests:
        answer = answered(host, line)
        give_back_memory()
        channel.write(answer + "\n")
        channel.flush()


def give_back_memory() -> None:
    """Give what is free back to the system, where the C library can: three processes share its memory."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def make_host(side: str, target: str, folder: Path, assignment: Assignment) -> Any:
    """Return what answers for a side: its framework is imported here."""
    kind = framework_of(side)
    if kind in FILES:
        return FileHost(kind, target, side, folder)
    return Host(backend.load(kind), side, target, folder, assignment)


def answered(host: Any, line: str) -> str:
    """Do what a request asks; a mistake of the user's is the answer's "error"."""
    request = json.loads(line)
    try:
        answer = getattr(host, request["do"])(request)
    except UserError as error:
        answer = {"error": str(error)}
    except Exception as error:
        if not memory_is_exhausted(error, backend.loaded()):
            raise
        answer = {"error": "out of memory; try a smaller --input or --batch-size"}
    return json.dumps(files.plain(answer))


@dataclass
class Host:
    """What builds, describes and traces the model that `target` names."""

    wing: Wing
    side: str
    target: str
    folder: Path
    assignment: Assignment
    giver: str = ""
    lead: bool = False
    prints: dict[str, bytes] = field(default_factory=dict)

    def inputs(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Say whether the module has inputs of its own; they are drawn, and written for the other side."""
        make = find_inputs(self.target)
        if make is not None:
            feeds = list(self.given(make))
            arrays = {
                f"{step}{'?' if x.dtype == bool else '.'}{name}": x.view(np.uint8) if x.dtype == bool else x
                for step, feed in enumerate(feeds)
                for name, x in feed.inputs.items()
            }
            with files.explained(self.folder):
                write_safetensors(self.folder / GIVEN.format(file_of(self.side)), arrays, {})
        return {"inputs": make is not None}

    def given(self, make: Callable[[Any], Any]) -> Iterator[Feed]:
        """Yield the batches of what `make_inputs(rng)` returns."""
        for step, feed in enumerate(self.assignment.batches()):
            with blamed(f"{INPUTS}(rng) failed"):
                made = make(generator(self.assignment.seed, "stranger inputs", step))
                parts = flattened(made, lambda x: hasattr(x, "__array__"))
                arrays = {"inputs" if name == "logits" else name: np.array(x, order="C") for name, x in parts.items()}
            if not arrays or any(x.dtype.kind not in "fiub" for x in arrays.values()):
                raise RecipeError(f"{INPUTS}(rng) returns a {type(made).__name__}; expected arrays of numbers")
            if odd := [name for name, x in arrays.items() if x.dtype.kind == "f" and np.isnan(x).any()]:
                raise RecipeError(f"{INPUTS}(rng) returns NaN in {listed(odd)}; expected numbers: nothing equals NaN")
            yield replace(feed, inputs=arrays)

    def feeds(self) -> Iterator[Feed]:
        """Yield what the model is fed, step by step."""
        if not self.giver:
            yield from self.assignment.batches()
            return
        side = self.side if self.giver == "both" else self.giver
        arrays = read_safetensors(self.folder / GIVEN.format(file_of(side)))
        for step, feed in enumerate(self.assignment.batches()):
            marks = {f"{step}.": None, f"{step}?": bool}  # a file has no truth values
            own = {
                name.removeprefix(mark): x if kind is None else x.astype(kind)
                for mark, kind in marks.items()
                for name, x in arrays.items()
                if name.startswith(mark)
            }
            yield replace(feed, inputs=own)

    def describe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Describe the model, built in the type that was asked for if its code can do that, else in float32."""
        self.giver, self.lead = request["inputs"], request["lead"]
        self.model, description = self.built(request["dtype"])
        if request["save"]:
            self.model.share({p.name: p.name for p in description.parameters}, {}, None)
            with files.explained(self.folder):
                write_safetensors(self.folder / WEIGHTS, self.model.get_weights(), {})
        return description.to_dict()

    def built(self, dtype: str) -> tuple[Stranger, Description]:
        """Return the model and its description."""
        try:
            maps = () if self.giver else self.assignment.maps
            seed = self.assignment.seed
            make = partial(make_model, self.target)
            model = self.wing.Stranger(make, dtype=dtype, seed=seed, maps=maps, lead=self.lead)
            description = model.describe(next(self.feeds()).inputs)
        except UserError:
            with suppress(UserError):
                if dtype != "float32":
                    return self.built("float32")
            raise
        own = {"own_optimizer": find_optimizer(self.target), "own_loss": find_loss(self.target)}
        return model, replace(description, **{name: function is not None for name, function in own.items()})

    def uses(self, request: Mapping[str, Any]) -> dict[str, int]:
        """Say in how many operations of a pass that outputs depend on each parameter meets the input."""
        feed = next(self.feeds())
        graph = self.model.operations({name: typed(x, request["dtype"]) for name, x in feed.inputs.items()}, {})
        side = Side(graph)
        needed = side.leading(set(graph.results.values()))
        return Counter(name for number, names in side.meeting if number in needed for name in names)

    def rounded(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Say which functions of a pass have derivatives that the framework rounds, where, and what is rounded."""
        feed, words = next(self.feeds()), self.model.rounded
        graph = self.model.operations({name: typed(x, request["dtype"]) for name, x in feed.inputs.items()}, {})
        return {"places": [[op.name, op.path, words[op.name]] for op in graph.operations if op.name in words]}

    def adopt(self, request: Mapping[str, Any], optimizer: Callable[[Any], Any] | None = None) -> dict[str, Any]:
        """Take the common names and weights."""
        self.model.share(request["names"], request["keys"], optimizer, request["shapes"])
        self.model.settle(request["neutral"])
        self.common = self.weights(request)
        self.model.set_weights(moved_by_one_ulp(self.common) if request["one_ulp"] else self.common)
        return {}

    def outputs(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Write what the model gives, with its own weights, for the inputs of both."""
        self.lead = False
        seed, make = self.assignment.seed, partial(make_model, self.target)
        model = self.wing.Stranger(make, dtype=request["dtype"], seed=seed, maps=request["maps"])
        inputs = read_feed(self.folder, request["dtype"])
        dtype = model.describe(inputs).dtype
        if dtype != request["dtype"]:
            raise RecipeError(f"the model computes in {dtype}, and what it is compared with in {request['dtype']}")
        outputs = cast(Any, model).outputs(inputs)
        require_numbers(outputs)
        write_safetensors(self.folder / OUTPUTS.format(file_of(self.side)), outputs, {})
        return {"versions": self.facts()["versions"]}

    def trace(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Take the common names and weights, and write the trace."""
        model, dtype = self.model, request["dtype"]
        self.adopt(request, find_optimizer(self.target) if self.assignment.steps else None)
        self.agree(request)
        batches = (
            replace(batch, inputs={k: typed(x, dtype) for k, x in batch.inputs.items()}, lr=model.lr or batch.lr)
            for batch in self.feeds()
        )
        facts = {"backend": framework_of(self.side), "label": self.side, "dtype": dtype, **self.facts()}
        learner = cast(Any, InCommon(model, request["own"], request["outputs"], request["still"]))
        self.model.exact = request["exact"]
        name = EXACT if request["exact"] else AGAIN if request["one_ulp"] else "{}"
        place = self.folder / name.format(file_of(self.side))
        # as far as write_trace asks, the model is a Wing
        write_trace(place, learner, cast(Any, model), batches, facts, update=self.assignment.steps > 0)
        return {"optimizer": model.optimizer_name}

    def weights(self, request: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return the weights that both sides start from, by their common names."""
        arrays, weights = read_safetensors(self.folder / WEIGHTS), {}
        for name, own in request["source"].items():
            whole, piece = whole_of(own)
            weights[name] = applied(arrays[whole], piece).reshape(request["shapes"][name])
        return weights

    def agree(self, request: Mapping[str, Any]) -> None:
        """Take the loss that both sides have in common."""
        if request["loss"] == "own":
            with blamed(f"{LOSS}(model) failed"):
                self.model.loss = cast(Any, find_loss(self.target))(cast(Any, self.model).model)
        elif self.assignment.classes is None:
            common = self.assignment.cotangents({name: tuple(shape) for name, shape in request["outputs"].items()})
            gives = self.model.gives
            self.model.cotangents = {
                own: laid_out(common[name], gives[own]).astype(request["dtype"]) for own, name in request["own"].items()
            }

    def operations(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Record an inference pass over the first batch. forced: a file of other outputs; amplitude: of the inputs.

        whole: whether later passes leave out what is as in this one. Weights are the common ones, but that none is
        constant: a fresh norm would do as good as nothing.
        """
        forced = read_safetensors(self.folder / FORCED) if request["forced"] else {}
        if not forced:  # later passes find them in place
            self.model.set_weights(self.assignment.moved(self.common))
        feed = next(self.feeds())
        inputs = {name: typed(x, request["dtype"], request["amplitude"]) for name, x in feed.inputs.items()}
        graph = self.model.operations(inputs, {int(number): x for number, x in forced.items()})
        if not forced:
            self.require_steady(graph, inputs)
        with files.explained(self.folder):
            as_before = self.written(graph, whole=request["whole"])
        return {**graph.to_dict(), "as_before": as_before, "whole": request["whole"]}

    def written(self, graph: Graph, *, whole: bool) -> list[str]:
        """Write the arrays of a pass but those of the last whole one; return the names of these."""
        arrays = graph.tensors()
        prints = {name: fingerprint(x) for name, x in arrays.items()}
        others = {name: x for name, x in arrays.items() if self.prints.get(name) != prints[name]}
        write_safetensors(self.folder / OPERATIONS.format(file_of(self.side)), others, {})
        if whole:
            self.prints = {name: own for name, own in prints.items() if not name.startswith(LOCAL)}
        return [name for name in arrays if name not in others]

    def require_steady(self, graph: Graph, inputs: Mapping[str, np.ndarray]) -> None:
        """Raise RecipeError where the model gives something else the next time, with the first operation that does."""
        outputs, results = cast(Any, self.model).outputs(inputs), graph.results
        if outputs.keys() == results.keys() and all(alike(graph.arrays[n], outputs[m]) for m, n in results.items()):
            return
        first = unsteady(graph, self.model.operations(inputs, {}))
        raise RecipeError(f"the model gives another output each time{first}; make it repeat")

    def steady(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Raise RecipeError where the model gives something else the next time in training, with the first layer."""
        model, feed, passes = cast(Any, self.model), next(self.feeds()), []
        inputs = {name: typed(x, request["dtype"]) for name, x in feed.inputs.items()}
        for _ in range(2):
            with model.recording(model.model) as calls:
                _, outputs, _ = model.gradients(replace(feed, inputs=inputs).batch, step=0)
            passes.append({**calls.arrays, **outputs})
        one, two = passes
        if first := next((name for name in one if name not in two or not alike(one[name], two[name])), ""):
            raise RecipeError(f"the model gives another output each time in training, first in {first}; make it repeat")
        return {}

    def facts(self) -> dict[str, Any]:
        """Return what the trace says of its origin."""
        packages = ("ft-parity", "numpy", *backend.FRAMEWORKS[framework_of(self.side)])
        return {
            "recipe": asdict(self.assignment),
            "data": f"drawn with seed {self.assignment.seed}",
            "classes": [str(i) for i in range(self.assignment.classes or 0)],
            "versions": {package: version(package) for package in packages},
        }


def fingerprint(array: np.ndarray) -> bytes:
    """Return a few bytes that another array has not."""
    return hashlib.blake2b(array.tobytes(), digest_size=16).digest() + f"{array.dtype}{array.shape}".encode()


def typed(array: np.ndarray, dtype: str, amplitude: float = 1.0) -> np.ndarray:
    """Return an input in the type that is computed in; whole numbers and truth values stay what they are."""
    return (amplitude * array).astype(dtype) if array.dtype.kind == "f" else array


if __name__ == "__main__":
    try:
        serve()
    except Exception as error:  # of the user's code it would be an answer
        traceback.print_exc()
        sys.exit(1 if isinstance(error, UserError) else BUG)
