"""The process of one model of the user's own: it answers compare.py in lines of JSON."""

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from ft.backend import contract as backend
from ft.backend.contract import Stranger, Wing
from ft.backend.description import Description
from ft.errors import UserError
from ft.parity.foreign.code import find_optimizer, make_model
from ft.parity.foreign.compare import AGAIN, WEIGHTS, Assignment
from ft.parity.sensitivity import moved_by_one_ulp
from ft.parity.trace import write_trace
from ft.system import files
from ft.system.quiet import quiet_stderr
from ft.weights import read_safetensors, write_safetensors


def serve() -> None:
    """Answer the hub until it closes the pipe."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the user's code prints is no answer
    first = json.loads(sys.stdin.readline())
    assignment = Assignment(**{**first["assignment"], "shape": tuple(first["assignment"]["shape"])})
    with quiet_stderr():
        wing = backend.load(first["side"])
        wing.prepare(device="cpu", deterministic=True)
    host = Host(wing, first["side"], first["target"], Path(first["folder"]), assignment)
    for line in sys.stdin:
        channel.write(host.answer(line) + "\n")
        channel.flush()


@dataclass
class Host:
    """What builds, describes and traces the model that `target` names."""

    wing: Wing
    side: str
    target: str
    folder: Path
    assignment: Assignment

    def answer(self, line: str) -> str:
        """Do what a request asks; a mistake of the user's is the answer's "error"."""
        request = json.loads(line)
        try:
            answer = self.describe(request) if request["do"] == "describe" else self.trace(request)
        except UserError as error:
            answer = {"error": str(error)}
        return json.dumps(files.plain(answer))

    def describe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Describe the model, built in the type that was asked for if its code can do that, else in float32."""
        self.model, description = self.built(request["dtype"])
        if request["save"]:
            self.model.share({p.name: p.name for p in description.parameters}, {}, None)
            with files.explained(self.folder):
                write_safetensors(self.folder / WEIGHTS, self.model.get_weights(), {})
        return description.to_dict()

    def built(self, dtype: str) -> tuple[Stranger, Description]:
        """Return the model and its description."""
        try:
            model = self.wing.Stranger(partial(make_model, self.target), dtype=dtype, seed=self.assignment.seed)
            description = model.describe(next(self.assignment.batches()).inputs["images"])
        except UserError:
            with suppress(UserError):
                if dtype != "float32":
                    return self.built("float32")
            raise
        return model, replace(description, own_optimizer=find_optimizer(self.target) is not None)

    def trace(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Take the common names and weights, and write the trace."""
        model, dtype = self.model, request["dtype"]
        model.share(request["names"], request["keys"], find_optimizer(self.target) if self.assignment.steps else None)
        weights = read_safetensors(self.folder / WEIGHTS)
        weights = moved_by_one_ulp(weights) if request["one_ulp"] else weights
        model.set_weights({name: weights[own] for name, own in request["source"].items()})
        batches = (
            replace(batch, inputs={k: x.astype(dtype) for k, x in batch.inputs.items()}, lr=model.lr or batch.lr)
            for batch in self.assignment.batches()
        )
        facts = {"backend": self.side, "dtype": dtype, **self.facts()}
        as_learner = cast(Any, model)  # as far as write_trace asks, it is a Learner and a Wing
        place = self.folder / (AGAIN if request["one_ulp"] else self.side)
        write_trace(place, as_learner, as_learner, batches, facts, update=self.assignment.steps > 0)
        return {"optimizer": model.optimizer_name}

    def facts(self) -> dict[str, Any]:
        """Return what the trace says of its origin."""
        packages = ("ft-parity", "numpy", *backend.FRAMEWORKS[self.side])
        return {
            "recipe": asdict(self.assignment),
            "data": f"drawn with seed {self.assignment.seed}",
            "classes": [str(i) for i in range(self.assignment.classes)],
            "versions": {package: version(package) for package in packages},
        }


if __name__ == "__main__":
    serve()
