"""Start-up times: the median of several processes, with a bare interpreter beside them. Reported, not asserted."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 7
FT = str(Path(sys.executable).with_name("ft"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import ft": [sys.executable, "-c", "import ft"],
    "ft --help": [FT, "--help"],
    "python -m ft_torch.train --help": [sys.executable, "-m", "ft_torch.train", "--help"],
    "python -m ft_tf.train --help": [sys.executable, "-m", "ft_tf.train", "--help"],
}


def seconds(command: list[str]) -> float:
    """Return how long a command takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    for name, command in COMMANDS.items():
        print(f"{name:<34} {statistics.median(seconds(command) for _ in range(RUNS)):.3f} s")
