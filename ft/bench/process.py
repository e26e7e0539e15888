"""One timed process: its seconds from start to end, its peak memory with workers, what it printed last."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ft.bench.memory import PeakOfTree
from ft.errors import RunError, printable
from ft.system import apart


@dataclass(frozen=True)
class Finished:
    """What is known of a process that ended well.

    memory: peak bytes of the process with its workers, or of the process alone where that is more (between two looks)
    or where the system does not tell; never less than this process itself has.
    """

    seconds: float
    memory: int
    last_line: str

    def json(self) -> dict[str, Any]:
        """Return what the process reported in its last line."""
        return json.loads(self.last_line)


def run(module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Finished:
    """Run `python -m module ...` with these variables beside the usual ones; RunError where it fails."""
    command = apart.command(module, *arguments)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=apart.environment(environment))
        try:
            with PeakOfTree(process.pid) as tree:
                _, status, usage = os.wait4(process.pid, 0)  # Popen.wait does not tell the memory
        except BaseException:
            process.kill()
            raise
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        lines = out.read().decode(errors="replace").splitlines()
        if process.returncode:
            said = err.read().decode(errors="replace").splitlines() or ["nothing"]
            raise RunError(f"bench: python -m {module} ended with {process.returncode}: {printable(said[-1])}")
    scale = 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB
    return Finished(seconds, max(tree.peak, usage.ru_maxrss * scale), lines[-1] if lines else "")
