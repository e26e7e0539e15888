"""The pair of programs of a difference, run, and what they print."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from ft.differences import Entry
from ft.parity.arrays import gap

PACKAGES = {"torch": "torch", "tf": "keras"}  # what a half of a pair imports


NAMES = {"torch": "PyTorch", "tf": "Keras"}


TIMEOUT = 180  # seconds; TensorFlow alone may need 20 to be imported on a busy machine


QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}


NO_PAIR = "the runnable pair is not here: examples/ comes with a checkout of the sources, not with the package"


COMPARED = ("default", "mended")


@dataclass(frozen=True)
class Half:
    """What one program of a pair printed, its numbers in a row; or in `trouble` why there are none.

    besides: figures that are not compared, such as a time, by name.
    """

    default: np.ndarray | None = None
    mended: np.ndarray | None = None
    besides: dict[str, str] = field(default_factory=dict)
    trouble: str = ""


@dataclass(frozen=True)
class Measured:
    """Both halves of a pair."""

    torch: Half
    tf: Half

    @property
    def halves(self) -> dict[str, Half]:
        """The halves by wing."""
        return {"torch": self.torch, "tf": self.tf}

    @property
    def default(self) -> float | None:
        """The largest relative difference between the frameworks as they come; None where one has not run."""
        return apart(self.torch.default, self.tf.default)

    @property
    def mended(self) -> float | None:
        """The same with the mend."""
        return apart(self.torch.mended, self.tf.mended)


def measure(entry: Entry) -> Measured:
    """Run both programs of a pair at once, each in a process of its own."""
    with ThreadPoolExecutor() as pool:
        return Measured(*pool.map(lambda wing: run_half(entry, wing), PACKAGES))


def run_half(entry: Entry, wing: str) -> Half:
    """Run one program of a pair; whatever goes wrong is told, never raised."""
    program = entry.example / f"with_{wing}.py"
    if not program.is_file():
        return Half(trouble=f"{NAMES[wing]}: {NO_PAIR}")
    if installed(PACKAGES[wing]) is None:
        return Half(trouble=f'{NAMES[wing]} is not installed, its half was not run; pip install "ft-parity[{wing}]"')
    try:
        done = subprocess.run(
            [sys.executable, program], capture_output=True, text=True, timeout=TIMEOUT, env={**os.environ, **QUIET}
        )
    except subprocess.TimeoutExpired:
        return Half(trouble=f"{program.name} was still running after {TIMEOUT} s and was stopped")
    if done.returncode:
        return Half(trouble=f"{program.name} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return read_half(done.stdout, program.name)


def read_half(output: str, program: str) -> Half:
    """Return the numbers in the last line that a program printed."""
    line = (output.strip().splitlines() or [""])[-1]
    try:
        printed = json.loads(line)
        default, mended = (np.array(list(numbers(printed[key])), np.float64) for key in COMPARED)
        return Half(default, mended, {key: str(value) for key, value in printed.items() if key not in COMPARED})
    except (ValueError, KeyError, TypeError):
        return Half(trouble=f'{program} printed {line[:60]!r}, not {{"default": numbers, "mended": numbers}}')


def numbers(value: Any) -> Iterator[float]:
    """Yield the numbers of nested lists and dictionaries in order; null is NaN."""
    if isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers(item)
    else:
        yield float("nan") if value is None else float(value)


def apart(x: np.ndarray | None, y: np.ndarray | None) -> float | None:
    """Return the relative gap between two rows of numbers, None where one is not there."""
    return None if x is None or y is None else gap(x, y).relative


def installed(package: str) -> str | None:
    """Return the version of a package without importing it, None where it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions() -> str:
    """Return the installed versions of the frameworks in words."""
    there = {package: installed(package) for package in ("torch", "keras", "tensorflow")}
    return ", ".join(f"{package} {number}" for package, number in there.items() if number) or "no framework"
