"""Start-up times, medians of several processes, with a bare interpreter beside them: `python -m ft.bench.startup`."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FT = str(Path(sys.executable).with_name("ft"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import ft": [sys.executable, "-c", "import ft"],
    "ft --help": [FT, "--help"],
    "python -m ft_torch.train --help": [sys.executable, "-m", "ft_torch.train", "--help"],
    "python -m ft_tf.train --help": [sys.executable, "-m", "ft_tf.train", "--help"],
}
# the built-in recipe up to the end of its first training step: frameworks, data, weights and the pass of the base too
FIRST_STEP = """
import os, runpy, sys
from {wing}.learner import Learner

def first(self, *args, native=Learner.step, **options):
    self.fetch([native(self, *args, **options)])
    os._exit(0)

Learner.step = first
sys.argv = ["train", "--out", sys.argv[1] + "/run"]
runpy.run_module("{wing}.train", run_name="__main__")
"""


def seconds(command: list[str]) -> float:
    """Return how long a command takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def seconds_to_first_step(wing: str) -> float:
    """Return how long a wing takes from the start of Python to the end of the first step, with no features kept yet."""
    with tempfile.TemporaryDirectory() as folder:
        return seconds([sys.executable, "-c", FIRST_STEP.format(wing=wing), folder])


def main() -> None:
    """Measure and print. Nothing is asserted."""
    for name, command in COMMANDS.items():
        print(f"{name:<34} {statistics.median(seconds(command) for _ in range(7)):.3f} s")
    for wing in ("ft_torch", "ft_tf"):
        median = statistics.median(seconds_to_first_step(wing) for _ in range(3))
        print(f"{f'first step of {wing}.train':<34} {median:.3f} s")


if __name__ == "__main__":
    main()
