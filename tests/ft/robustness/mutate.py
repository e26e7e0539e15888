"""`python -m tests.ft.robustness.mutate [--every K]`: every key of every file that is read back, spoilt in every way.

A run, a trace and a folder of features are written once. For each spoilt file the commands that read it run in this
process, with a wing of NumPy, an alarm and a limit of memory: they may do their work or say one line (exit code 2), and
nothing else. Prints JSON.
"""

import argparse
import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ft.cli.dispatch import dispatch
from ft.cli.guard import guarded
from tests.ft.robustness.crash import Runs
from tests.ft.robustness.spoiling import (
    WHOLE,
    Case,
    kinds,
    of_file,
    written,
)
from tests.fuzz.__main__ import own_peak

SPARE_BYTES = 500 << 20
SECONDS = 300


class Bench:
    """A run, a trace and features on which every reader is tried."""

    def __init__(self, root: Path) -> None:
        self.root, self.runs = root, Runs(root)
        from ft.report.training import page

        page.plot_confusion = lambda *_, **__: None  # type: ignore[assignment] - takes longer than all the rest
        fields = {"freeze": "stem", "workers": 0, "cache": "off"}
        from ft.api.finetune import finetune

        recipe = {"model": "resnet18", "weights": "none", "image_size": 8, "batch_size": 4, "data": str(self.runs.data)}
        finetune(**recipe, **fields, epochs=2, out=root / "run", quiet=True)
        shutil.copytree(root / "run", root / "whole")
        steps = sorted((root / "run/checkpoints").glob("step-*"))
        self.last = steps[-1].relative_to(root)
        write_trace(root / "trace", "torch")
        write_trace(root / "twin", "tf")
        finetune(
            **recipe,
            **{**fields, "freeze": "base", "cache": "disk"},
            epochs=1,
            out=root / "kept",
            quiet=True,
            cache_dir=str(root / "cache"),
        )
        shutil.rmtree(root / "kept")
        self.image = next(self.runs.data.rglob("*.png"))
        self.features = next((root / "cache/features").glob("*.safetensors")).relative_to(root)

    def commands(self, file: str) -> list[list[str]]:
        """Return the commands that read a file."""
        run, whole, root = str(self.root / "run"), str(self.root / "whole"), self.root
        resume = ["train", "--resume", run, "--epochs", "3", "--quiet"]
        if "trace" in file:
            return [["compare", str(root / "trace"), str(root / "twin")]]
        if "cache" in file:
            train = ["train", "--model", "resnet18", "--weights", "none", "--image-size", "8", "--batch-size", "4"]
            train += [
                "--data",
                str(self.runs.data),
                "--workers",
                "0",
                "--freeze",
                "base",
                "--cache",
                "disk",
                "--epochs",
                "1",
            ]
            where = ["--cache-dir", str(root / "cache")]
            return [
                ["cache", *where],
                [*train, *where, "--quiet", "--out", str(root / "new")],
                ["cache", "clear", *where],
            ]
        if "checkpoints" in file or "recipe.yaml" in file:
            return [resume]
        if "log.jsonl" in file:
            return [["report", run], ["compare", run, whole], resume]
        if "predictions" in file:
            return [["report", run], ["compare", run, whole]]
        convert = ["convert", run, str(root / "new.safetensors")]
        every = [["evaluate", run], ["predict", run, str(self.image)], ["report", run], ["compare", whole, run]]
        return [*every, resume, convert] if file.endswith("model.json") else [*every[:2], every[3], convert]

    def cases(self, *, every: int, only: str) -> list[Case]:
        """Return a random share of all cases, one of `every`, of files whose name holds `only`."""
        files = ["run/model.json", "run/model.safetensors", "run/log.jsonl", "run/predictions.csv", "run/recipe.yaml"]
        files += ["run/checkpoints/last.json", "run/checkpoints/best.json", "trace/trace.json", str(self.features)]
        files += [f"{self.last}/{name}" for name in ("state.json", "model.safetensors", "optimizer.safetensors")]
        files += [f"trace/step-000-{phase}.safetensors" for phase in ("batch", "forward", "loss", "gradients", "slots")]
        cases: list[Case] = []
        draw = random.Random(0)
        for file in (file for file in files if only in file):
            cases.append((file, WHOLE, lambda place: None))
            for how, content in of_file(self.root / file):
                if draw.random() * every < 1:  # the contents of all would take gigabytes
                    cases.append((file, how, self.signed(file, written(content))))
            cases += [(file, how, spoil) for how, spoil in kinds(self.root / file) if draw.random() * every < 1]
        return cases

    def signed(self, file: str, spoil: Callable[[Path], None]) -> Callable[[Path], None]:
        """Return what spoils a file and, for a checkpoint's tensors, writes the hash that fits, as a forger would."""
        if "checkpoints/step" not in file or not file.endswith(".safetensors"):
            return spoil

        def spoil_and_sign(place: Path) -> None:
            import hashlib

            spoil(place)
            if place.is_file() and place.stat().st_size < 1 << 30:
                state = json.loads((place.parent / "state.json").read_bytes())
                state["sha256"][place.name] = hashlib.sha256(place.read_bytes()).hexdigest()
                (place.parent / "state.json").write_text(json.dumps(state))

        return spoil_and_sign

    def try_out(self, case: Case) -> Iterator[tuple[str, str]]:
        """Spoil a file, and yield how each command that reads it ends, and what is wrong with that."""
        file, how, spoil = case
        for command in self.commands(file):
            part = Path(file).parts[0]
            keep = self.root / f"{part}.keep"
            shutil.rmtree(keep, ignore_errors=True)
            shutil.copytree(self.root / part, keep, symlinks=True)
            try:
                spoil(self.root / file)
                code, said = quietly(command)
            finally:
                shutil.rmtree(self.root / part)
                keep.rename(self.root / part)
                for made in self.root.glob("new*"):
                    shutil.rmtree(made) if made.is_dir() else made.unlink()
            well = code in ((0, 1) if how == WHOLE else (0, 1, 2)) and is_line(code, said)
            yield command[0], "" if well else f"{code}: {said[-300:]}"


def is_line(code: int, said: str) -> bool:
    """Tell whether a refusal is one line (warnings beside it), short enough to be read, and not of the memory."""
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    return code != 2 or (len(errors) == 1 and len(errors[0]) < 3000 and "out of memory" not in said)


class Slow(BaseException):
    """A command took too long; no `except Exception` takes it for its own."""


def too_slow(*_: object) -> None:
    raise Slow


def quietly(command: Sequence[str]) -> tuple[int, str]:
    """Run a command in this process, under its alarm; return its exit code, 99 for a hang, and what it said."""
    said = io.StringIO()
    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = guarded(lambda: dispatch(command))
    except Slow:
        code = 99
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        signal.alarm(0)
    return code, said.getvalue()


def write_trace(folder: Path, backend: str) -> None:
    """Write a trace of one convolution and one step by hand."""
    from ft.weights import write_safetensors

    folder.mkdir()
    rng = np.random.default_rng(0)
    maps = {"conv": rng.normal(size=(2, 4, 5, 6)), "conv<0": rng.normal(size=(2, 3, 5, 6))}
    logits, weight = rng.normal(size=(2, 3)), {"conv.weight": rng.normal(size=(4, 3, 3, 3))}
    if backend == "tf":
        maps = {name: np.moveaxis(x, 1, -1) for name, x in maps.items()}
        maps["conv"] = maps["conv"] + 1e-3  # so that the probes look for a reason
    axes = "NHWC" if backend == "tf" else "NCHW"
    content = {
        "weights": weight,
        "inference": {**maps, "logits": logits},
        "step-000-batch": {"images": rng.normal(size=(2, 5, 6, 3)), "labels": np.array([0, 1])},
        "step-000-forward": {**maps, "logits": logits},
        "step-000-statistics": {},
        "step-000-loss": {"loss": np.array(1.5)},
        "step-000-gradients": weight,
        "step-000-updates": weight,
        "step-000-slots": {"conv.weight.momentum_buffer": weight["conv.weight"]},
    }
    for name, arrays in content.items():
        write_safetensors(folder / f"{name}.safetensors", arrays, {})
    settings = {"stride": [1, 1], "padding": 1}
    call = {"kind": "conv", "path": "conv", "inputs": [""], "settings": settings, "axes": axes, "input_axes": [axes]}
    layers = {phase: {"conv": call} for phase in ("inference", "forward")}
    from ft import recipe as recipes
    from ft.recipe import Recipe

    facts = {"format": 2, "backend": backend, "dtype": "float64", "recipe": recipes.to_dict(Recipe()), "classes": ["a"]}
    facts |= {"data": "x", "versions": {"numpy": "2"}, "steps": 1, "update": True, "lr": [0.1], "layers": layers}
    (folder / "trace.json").write_text(json.dumps({**facts, "parameters": ["conv.weight"]}))


def limit_memory() -> None:
    """Let this process have 500 MB more address space than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> int:
    """Try every case, print the counts and what was wrong, and return 1 if anything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="one of K cases only")
    parser.add_argument("--only", default="", help="cases of files whose name holds this")
    flags = parser.parse_args()
    memory, began = "/dev/shm", time.monotonic()
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as temporary:
        bench = Bench(Path(temporary))
        cases = bench.cases(every=flags.every, only=flags.only)
        limit_memory()
        before = own_peak()
        files, commands, wrongs = Counter(), Counter(), []
        for case in cases:
            if case[1] != WHOLE:
                files[Path(case[0]).name if "features" not in case[0] else "features"] += 1
            for command, wrong in bench.try_out(case):
                commands[command] += 1
                wrongs += [f"{case[0]}: {case[1]}: {command}: {wrong}"] if wrong else []
    counts = {"mutated": files.total(), "files": files, "commands": commands, "total": commands.total()}
    grown = own_peak() - before
    print(json.dumps({**counts, "grown_MB": grown, "seconds": round(time.monotonic() - began), "lost": wrongs}))
    return int(bool(wrongs))


if __name__ == "__main__":
    sys.exit(main())
