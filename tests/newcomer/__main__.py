"""`python -m tests.newcomer`: walks the README in a fresh folder, as it stands and then with the wings swapped.

Every command must end as the README says, every file that it names must come to be, every value that it shows must look
like that; a block of a kind that is not known here fails, too. Networks whose weights would be downloaded have
stand-ins, unless --download.
"""

import argparse
import itertools
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.newcomer.belongings import PROJECT, environment, lay_out
from tests.newcomer.readme import (
    Step,
    left_behind,
    missing_lines,
    named_commands,
    named_files,
    named_flags,
    program,
    steps_of,
    told_otherwise,
)

STAND_INS = {  # networks whose weights a package brings; a comparison takes any weights
    r"resnet50": "mobilenet_v2",
    r"(?<!--model )resnet18": "efficientnet_lite0",
    r"--model resnet18": "--model resnet18 --weights none",
}
LEFT = {"pip install": "this is installed already", "make test": "`make nightly` runs all tests before"}
ENDS = {"ft compare --torch": (0, 1)}  # exit codes that are right; elsewhere 0
WRITTEN = ("--out", "--html")  # flags that name a file which must come to be
OTHER = {"torch": "tf", "tf": "torch", "PyTorch": "Keras", "Keras": "PyTorch"}
PATIENCE = 1200  # seconds for one line


def swapped(text: str) -> str:
    """Return a line with the other wing in it."""
    place = r'(--backend +|backend="|runs/[\w-]+-(?=\w+-\d{3})|-m ft_|on photos, )(torch|tf|PyTorch|Keras)\b'
    return re.sub(place, lambda match: match[1] + OTHER[match[2]], text)


class Walk:
    """One walk through the README in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.output = folder, ""
        lay_out(folder)

    def run(self, *command: str) -> int:
        """Run a command in the folder, keep what it prints, return its exit code."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        self.output = done.stdout
        return done.returncode

    def wrong(self, step: Step) -> list[str]:
        """Do a step and return what is not as the README says."""
        return getattr(self, f"do_{step.kind}")(step.text)

    def do_command(self, line: str) -> list[str]:
        """Run a command: its exit code, and the files that its flags name."""
        words = shlex.split(line)
        if words[0] == "make":  # what is installed stays
            words[1:1] = ["--assume-old", ".venv/installed"]
        code = self.run(*words)
        expected = next((codes for start, codes in ENDS.items() if line.startswith(start)), (0,))
        complaints = (
            [] if code in expected else [f"exit code {code}, expected {expected}", *self.output.splitlines()[-15:]]
        )
        files = [name for flag, name in itertools.pairwise(words) if flag in WRITTEN]
        return complaints + [f"{name} is not there" for name in files if not (self.folder / name).exists()]

    def do_printed(self, block: str) -> list[str]:
        """Look for the lines in what the command before printed."""
        return [f"not printed: {line}" for line in missing_lines(block, self.output)]

    def do_folder(self, block: str) -> list[str]:
        """Look for what is to be there, of a run or of this project."""
        root = self.folder if block.startswith("runs/") else PROJECT
        return [f"{path} is not there" for path in left_behind(block) if not list(root.glob(path))]

    def do_python(self, block: str) -> list[str]:
        """Run a program and hold its values against the comments."""
        values = self.folder / "values.txt"
        (self.folder / "program.py").write_text(program(block, values))
        if self.run("python", "program.py"):
            return self.output.splitlines()[-15:]
        return told_otherwise(block, values.read_text())

    def do_unknown(self, block: str) -> list[str]:
        """Say that nobody has checked it."""
        return ["no kind of block that this script can check"]


def names(readme: str) -> Iterator[str]:
    """Yield the commands, flags and files that a README names and that are not there."""
    for command in named_commands(readme):
        done = subprocess.run([sys.executable, "-m", "ft", command, "--help"], capture_output=True, env=environment())
        if done.returncode:
            yield f"no command ft {command}"
    told = subprocess.run(
        [sys.executable, "-m", "ft", "train", "--help"], capture_output=True, text=True, env=environment()
    )
    yield from (f"no flag {flag} of ft train" for flag in named_flags(readme) if f"{flag}" not in told.stdout)
    yield from (f"no file {name}" for name in named_files(readme) if not (PROJECT / name).exists())


def plans(readme: str, *, download: bool) -> Iterator[list[Step]]:
    """Yield the steps of both walks; the second leaves out what it would not do otherwise."""
    for large, model in STAND_INS.items() if not download else ():
        readme = re.sub(large, model, readme)
    first = list(steps_of(readme))
    yield first
    second = [Step(step.kind, swapped(step.text)) for step in first]
    yield [step for step in second if step not in first or "runs/" in step.text]


def walk(steps: list[Step], folder: Path) -> int:
    """Do the steps, print each, and return how many are not as they should be."""
    taken, failed = Walk(folder), 0
    for step in steps:
        title = step.text.strip().splitlines()[0]
        if reason := next((reason for start, reason in LEFT.items() if title.startswith(start)), None):
            print(f"left     {title}: {reason}", flush=True)
            continue
        began = time.monotonic()
        wrong = taken.wrong(step)
        print(f"{'FAILED' if wrong else 'ok':6s} {time.monotonic() - began:4.0f} s  {title}", flush=True)
        for line in wrong:
            print(f"    {line}", flush=True)
        failed += bool(wrong)
    return failed


def main() -> int:
    """Walk twice and return 1 where something is not as the README says."""
    parser = argparse.ArgumentParser(prog="python -m tests.newcomer", description=__doc__)
    parser.add_argument("--readme", type=Path, default=PROJECT / "README.md")
    parser.add_argument("--download", action="store_true", help="run every line to the letter, with a network")
    flags = parser.parse_args()
    readme, wrong = flags.readme.read_text(), 0
    for missing in names(readme):
        print(f"FAILED  {missing}", flush=True)
        wrong += 1
    for steps in plans(readme, download=flags.download):
        with tempfile.TemporaryDirectory(prefix="newcomer-") as place:
            wrong += walk(steps, Path(place))
    print(f"{wrong} lines of the README are not so" if wrong else "every line does what the README says")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
