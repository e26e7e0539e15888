"""The process of one model of the user's own, as the hub talks to it: a line of JSON for a line of JSON."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from ft.backend import contract as backend
from ft.errors import RecipeError
from ft.parity.foreign.assignment import Assignment
from ft.parity.foreign.runtimes import wing_of
from ft.parity.foreign.sides import file_of, framework_of
from ft.parity.trace import FILES
from ft.system import apart, files

BOTH = 2  # processes at once
BUG = 70  # the exit code of a process in which this project's own code failed


class ModelProcess:
    """The process of one model as the hub talks to it. What it prints goes to a log beside the traces."""

    def __init__(self, name: str, target: str, assignment: Assignment, folder: Path) -> None:
        self.name, self.target, self.log = name, target, folder / f"{file_of(name)}.log"
        # both run at once, on half of the cores each: threads that wait for one another on a busy core cost 50 times as
        # much; and not on a GPU: a CPU's kernels repeat themselves to the last bit
        threads = str(max((os.cpu_count() or 2) // BOTH, 1))
        thrifty = {"TF_CPU_ALLOCATOR_USE_BFC": "0"}  # its own allocator gives nothing back, see host.py
        defaults = {"OMP_NUM_THREADS": threads, "TF_NUM_INTRAOP_THREADS": threads, **thrifty}
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
        """Return the answer. Raises RecipeError for a mistake of the user's, RuntimeError for one of this project's."""
        line = cast(Any, self.process.stdout).readline()
        answer = json.loads(line) if line else {"error": self.ended()}
        if "error" in answer:
            raise RecipeError(f"--{framework_of(self.name)} {self.target}: {answer['error']}")
        return answer

    def ended(self) -> str:
        """Return how the process ended that does not answer; RuntimeError where no code of the user's ended it."""
        code = self.process.wait()
        said = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["nothing said"]
        if code == BUG:
            raise RuntimeError(f"the {self.name} process failed: {said[-1]}")
        if code == -signal.SIGKILL:
            return "its process was killed, as happens where memory runs out; try a smaller --input or --batch-size"
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"its process {how}, the last words: {said[-1][:300]}"

    def end(self) -> None:
        """End the process, which has nothing left to do."""
        self.process.kill()
        self.process.communicate()


@contextmanager
def running(targets: Mapping[str, str], assignment: Assignment, folder: Path) -> Iterator[dict[str, ModelProcess]]:
    """Run the processes of both models while the block runs."""
    for name, target in targets.items():
        kind = framework_of(name)
        if wing := wing_of(kind):
            backend.require(wing)
        if kind not in FILES and not re.fullmatch(r"[^:\s]+:[^:\s]+", target):
            option = f"--{framework_of(name)}"
            raise RecipeError(f"{option}: got '{target}'; expected MODULE:FUNCTION, such as mymodels:make_model")
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
