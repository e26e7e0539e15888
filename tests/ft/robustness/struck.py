"""`python -m tests.ft.robustness.struck --backend torch [--kills N]`: whole runs of a wing, killed at named moments.

A run is killed with SIGKILL, goes on, is killed again, and after a few kills it must come to the very end of the run
that nobody disturbed. Where: before the N-th call of a function of MOMENTS, or before or in the middle of the N-th
change of the disk. The framework is imported once, each start is a fork; prints JSON.
"""

import argparse
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from ft.cli.train import train_command
from ft.runs import checkpoint
from ft.system import files
from ft.system.names import MODEL, PREDICTIONS, RESULT
from tests.ft.robustness.crash import fork, write_images
from tests.ft.robustness.injection import Injector, watching

RECIPE = ["--model", "resnet18", "--weights", "none", "--image-size", "32", "--batch-size", "4", "--epochs", "3"]
RECIPE += ["--freeze", "stem,layer1,layer2,layer3", "--augment", "crop-flip", "--result", "best", "--workers", "1"]
IN_A_ROW = 4  # kills of one run before it may end
MOMENTS = {  # what is about to happen -> the function that does it, and how often a run calls it at most
    "the folder is held": ("ft.api.finetune prepare_job", 1),
    "the network has no weights yet": ("ft.training.build starting_weights", 1),
    "the recipe is written": ("ft.api.session.recipes save", 1),
    "the log is trimmed": ("ft.runs.folder.Log trim", 1),
    "a line is logged": ("ft.runs.folder.Log write", 12),
    "the log is synced": ("ft.runs.folder.Log sync", 3),
    "a step is done": ("WING.Learner step", 9),
    "probes are read": ("WING.Learner fetch", 3),
    "an epoch is evaluated": ("ft.training.loop evaluate", 3),
    "a checkpoint is saved": ("ft.runs.checkpoint save", 3),
    "tensors are written": ("ft.runs.checkpoint write_tensors", 8),
    "a checkpoint is committed": ("ft.system.files publish_folder", 3),
    "a checkpoint is named": ("ft.runs.checkpoint point", 6),
    "the others are removed": ("ft.runs.checkpoint prune", 3),
    "something is synced": ("ft.system.files sync", 60),
    "the weights are chosen": ("ft.api.session final_weights", 1),
    "the result is evaluated": ("ft.api.result evaluate", 2),
    "the curves are drawn": ("ft.api.result plot_curves", 1),
    "the weights are written": ("ft.api.result write_safetensors", 1),
    "the page is written": ("ft.api.result write_training_report", 1),
    "model.json is written": ("ft.system.files write_json", 8),
}
CHANGES = 160  # of the disk, about, in a whole run


def plant(moment: str, at: int, wing: Any) -> None:
    """Let this process kill itself before call number `at` of a moment's function."""
    place, _, name = MOMENTS[moment][0].partition(" ")
    home, seen = wing.Learner if place == "WING.Learner" else target(place), []
    original = getattr(home, name)

    def struck(*arguments: Any, **options: Any) -> Any:
        seen.append(name)
        if len(seen) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)

    setattr(home, name, struck)


def target(place: str) -> Any:
    """Return the module, or what is in it, of a dotted name."""
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError:
        outer, _, name = place.rpartition(".")
        return getattr(target(outer), name)


def forked(work: Callable[[], int], errors: Path) -> int:
    """Run `work` in a fork, what it says in a file, and return its exit code: -N for signal N."""
    return os.waitstatus_to_exitcode(os.waitpid(fork(work, errors), 0)[1])


class Struck:
    """Whole runs of a wing in a folder of their own."""

    def __init__(self, root: Path, backend: str) -> None:
        self.root, self.backend, self.out = root, backend, root / "out"
        self.wing = importlib.import_module(f"ft_{backend}")
        _ = self.wing.Learner  # the framework, once; nothing is computed in this process
        importlib.import_module("ft.api.finetune")
        write_images(root / "pets")
        self.killed: Counter[str] = Counter()
        self.lost: list[str] = []

    def start(self, out: Path, strike: Callable[[Callable[[], int]], int] = lambda work: work()) -> int:
        """Begin a run, or go on with it, and return how that ended."""
        going_on = bool(out.exists() and (out / "recipe.yaml").exists() and checkpoint.steps(out))
        if not going_on:
            shutil.rmtree(out, ignore_errors=True)
        where = ["--resume", str(out)] if going_on else ["--out", str(out), "--data", str(self.root / "pets"), *RECIPE]
        return forked(
            lambda: strike(lambda: train_command([*where, "--quiet"], backend=self.backend)), self.root / "stderr"
        )

    def kill(self, random: Random) -> bool:
        """Start and kill; tell whether the moment came."""
        before = self.last_step()
        if random.random() < 0.5:
            moment = random.choice(list(MOMENTS))
            at = random.randint(1, MOMENTS[moment][1])

            def strike(work: Callable[[], int]) -> int:
                plant(moment, at, self.wing)
                return work()
        else:
            moment, at = random.choice(("kill", "torn kill")), random.randint(1, CHANGES)

            def strike(work: Callable[[], int]) -> int:
                with watching(Injector(at, moment).before):
                    return work()

        end = self.start(self.out, strike)
        said = f"{moment}, number {at}"
        if end not in (0, -signal.SIGKILL):
            self.lost.append(f"{said}: ended with {end}: {(self.root / 'stderr').read_text()[-300:]}")
        elif self.last_step() < before:
            self.lost.append(f"{said}: step {before} was saved, {self.last_step()} was found")
        if end == -signal.SIGKILL:
            self.killed[moment] += 1
        return end == -signal.SIGKILL

    def last_step(self) -> int:
        """Return the step of the last checkpoint, which must be whole."""
        if not self.out.exists():
            return 0
        with files.lock(self.out):
            saved = checkpoint.last_good(self.out)
        return saved.step if saved else 0

    def finish(self) -> None:
        """Let the run come to its end, which must be that of the run that nobody disturbed."""
        if not (self.out / RESULT).exists() and (end := self.start(self.out)):
            self.lost.append(f"the end: {end}: {(self.root / 'stderr').read_text()[-300:]}")
            return
        for name in (MODEL, PREDICTIONS):
            if (self.out / name).read_bytes() != (self.root / "whole" / name).read_bytes():
                self.lost.append(f"another {name} after {dict(self.killed)}")

    def run(self, kills: int, seed: int) -> int:
        """Kill so many times; return the number of runs."""
        random, runs = Random(seed), 0
        if self.start(self.root / "whole"):
            raise SystemExit((self.root / "stderr").read_text())
        while self.killed.total() < kills and len(self.lost) < 5:
            shutil.rmtree(self.out, ignore_errors=True)
            in_a_row, runs = 0, runs + 1
            while in_a_row < IN_A_ROW and self.killed.total() < kills and not (self.out / RESULT).exists():
                in_a_row += self.kill(random)
            self.finish()
        return runs


def main() -> int:
    """Kill, print the counts and whatever was lost, and return 1 if anything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=["torch", "tf"], required=True)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args()
    memory, began = "/dev/shm", time.monotonic()
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as temporary:
        struck = Struck(Path(temporary), flags.backend)
        runs = struck.run(flags.kills, flags.seed)
    counts = {"killed": struck.killed.total(), "runs": runs, "moments": struck.killed, "lost": struck.lost}
    print(json.dumps({"backend": flags.backend, **counts, "seconds": round(time.monotonic() - began)}))
    return int(bool(struck.lost))


if __name__ == "__main__":
    sys.exit(main())
