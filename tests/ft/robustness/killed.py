"""A real training of one wing, killed with SIGKILL at random moments and resumed until it is finished."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from ft.runs import checkpoint
from ft.system.names import MODEL, PREDICTIONS, RESULT
from tests.ft.robustness.crash import write_images

ROOT = Path(__file__).parents[3]
RECIPE = ["--model", "resnet18", "--weights", "none", "--image-size", "32", "--batch-size", "4", "--epochs", "6"]
RECIPE += ["--freeze", "stem,layer1,layer2,layer3", "--augment", "crop-flip", "--data", "pets"]


def require_same_end_when_killed(folder: Path, *, wing: str, kills: int) -> None:
    """Assert that a run which is killed so many times ends with the very files of the one that is not."""
    write_images(folder / "pets")
    whole = start(folder, wing, "--out", "whole")
    assert whole.wait() == 0, (folder / "stderr").read_text()
    random, killed, steps = Random(1), 0, []
    while not (folder / "out" / RESULT).exists():
        where = ["--resume", "out"] if steps or checkpoint.steps(folder / "out") else ["--out", "out", *RECIPE]
        process = start(folder, wing, *where)
        if killed < kills:
            wait_for_step(folder / "out", beyond=max(steps, default=0))
            time.sleep(random.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
            good = checkpoint.last_good(folder / "out")
            steps.append(good.step if good else 0)
        else:
            assert process.wait() == 0, (folder / "stderr").read_text()
    assert steps == sorted(steps)
    print(f"{wing}: killed {killed} times, went on from the steps {steps}")
    for name in (MODEL, PREDICTIONS):
        assert (folder / "out" / name).read_bytes() == (folder / "whole" / name).read_bytes(), name


def start(folder: Path, wing: str, *arguments: str) -> subprocess.Popen:
    """Start the wing's training command."""
    recipe = [] if arguments[0] == "--resume" or "--model" in arguments else RECIPE
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with open(folder / "stderr", "w") as errors:
        command = [sys.executable, "-m", f"{wing}.train", *arguments, *recipe]
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors)


def wait_for_step(run: Path, *, beyond: int) -> None:
    """Wait until a checkpoint beyond this step is there, or the run is finished."""
    for _ in range(60_000):
        if max(checkpoint.steps(run), default=0) > beyond or (run / RESULT).exists():
            return
        time.sleep(0.02)
    raise AssertionError("no checkpoint in twenty minutes")
