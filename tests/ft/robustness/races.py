"""`python -m tests.ft.robustness.races [--races N] [--processes K]`: K trainings start at once with one --out.

One wins and ends with a whole run, every other one ends with exit code 2 and has changed nothing. In every second race
the starts are spread over a whole training, in every third one of them fails before its first step: then nothing of it
stays, and no other loses anything. A wing of NumPy, forked once for each start; prints JSON.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ft.api import result
from ft.api import session as tuning
from ft.cli.train import train_command
from ft.errors import DataError
from ft.runs import checkpoint
from ft.runs import folder as runfolder
from ft.system import files
from tests.ft.robustness.crash import Runs, fork

SMALL = ["--model", "resnet18", "--weights", "none", "--image-size", "8", "--epochs", "2", "--batch-size", "4"]
SMALL += ["--workers", "0", "--freeze", "none", "--quiet"]
STEPS = 6
SPREAD = 0.1  # seconds: about what a training takes
REFUSED = "another process is writing to", "is in use (it holds"


def start(out: Path, data: Path, gate: tuple[int, int], *, wait: float, fail: bool) -> int:
    """Train in `out`, `wait` seconds after the gate was opened; return the exit code."""

    def build(*_: object, **__: object) -> None:
        raise DataError("planted")

    if fail:
        tuning.build_learner = build  # type: ignore[assignment]
    os.close(gate[1])
    os.read(gate[0], 1)
    time.sleep(wait)
    return train_command([*SMALL, "--data", str(data), "--out", str(out)], backend="torch")


def race(out: Path, data: Path, processes: int, number: int) -> str:
    """Hold one race and return what is wrong; "" if nothing is."""
    spread, fails = SPREAD * (number % 2), number % 3 == 2
    waits = [random.Random(1000 * number + i).uniform(0, spread) for i in range(processes)]
    said = [out.parent.with_suffix(f".{i}") for i in range(processes)]
    gate = os.pipe()

    def work(i: int) -> Callable[[], int]:
        return lambda: start(out, data, gate, wait=waits[i], fail=fails and i == 0)

    children = [fork(work(i), said[i]) for i in range(processes)]
    for end in gate:
        os.close(end)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return wrong_end(out, codes, [path.read_text() for path in said], may_fail=fails)


def wrong_end(out: Path, codes: list[int], said: list[str], *, may_fail: bool) -> str:
    """Return what is wrong with the ends of a race."""
    told = f"{codes} {said}"
    for code, line in zip(codes, said, strict=True):
        if code not in (0, 2) or (code == 2 and not any(words in line for words in (*REFUSED, "planted"))):
            return f"a start ended otherwise: {told}"
    if codes.count(0) != 1 and not (may_fail and not any(code == 0 for code in codes)):
        return f"not one winner: {told}"
    if 0 not in codes:
        left = sorted(os.listdir(out)) if out.exists() else []
        return "" if left in ([], [files.LOCK]) else f"left is {left}: {told}"
    return wrong_run(out)


def wrong_run(out: Path) -> str:
    """Return what is missing of a whole run, and whether its lock is there to be taken."""
    with files.lock(out):
        steps = [row["step"] for row in runfolder.read_log(out) if "lr" in row]
        good = checkpoint.last_good(out)
        runfolder.read_result(out)
    if steps != list(range(1, STEPS + 1)) or good is None or good.step != STEPS:
        return f"steps {steps}, checkpoint {good and good.step}"
    return ""


def main() -> int:
    """Hold the races, print the counts and whatever went wrong, and return 1 if anything did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=100)
    parser.add_argument("--processes", type=int, default=2)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        runs = Runs(Path(temporary))
        runs.warm_up(Path(temporary))
        result.write_training_report = lambda *_: None  # type: ignore[assignment] - takes longer than all the rest
        outs = [Path(temporary) / f"race-{number}" / "out" for number in range(flags.races)]
        ends = [race(out, runs.data, flags.processes, number) for number, out in enumerate(outs)]
    lost = [f"race {number}: {wrong}" for number, wrong in enumerate(ends) if wrong]
    print(json.dumps({"races": flags.races, "lost": lost}))
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
