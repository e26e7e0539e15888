"""`python -m tests.soak --backend torch|tf`: short fine-tunings in one process, until the time or --runs is over.

Flat means, from the first third of the runs to their end: no more open files and no more threads than then, and memory
that grows by less than 50 kB a run (the median slope over all pairs of runs): 2,000 runs stay within 100 MB.
"""

import argparse
import gc
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

import ft

KB_A_RUN = 50
RECIPE = {"model": "resnet18", "weights": "none", "image_size": 32, "batch_size": 16, "epochs": 1, "workers": 2}


def write_digits(folder: Path) -> None:
    """Write 48 digits to train on and 16 to validate on."""
    from PIL import Image

    from ft.data import read_digits

    for i, (pixels, label) in enumerate(zip(*read_digits(), strict=True)):
        if i < 64:
            place = folder / ("train" if i < 48 else "val") / str(label)
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / f"{i}.png")


def measure() -> tuple[float, int, int]:
    """Return the process's memory in kB, its open files and its threads."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 1024
    return memory, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def slope(values: list[float]) -> float:
    """Return the median slope over all pairs, at most 200 values apart evenly: one run's peak moves it little."""
    step = max(len(values) // 200, 1)
    points = list(enumerate(values))[::step]
    return statistics.median((b - a) / (j - i) for (i, a), (j, b) in combinations(points, 2))


def soak(backend: str, *, seconds: float, runs: int) -> dict:
    """Fine-tune again and again; return what was measured and what is not flat."""
    seen, end = [], time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_digits(root / "data")
        while len(seen) < runs and time.monotonic() < end:
            fields = {**RECIPE, "data": str(root / "data"), "seed": len(seen)}
            ft.finetune(**fields, backend=backend, out=root / "out", quiet=True)
            shutil.rmtree(root / "out")
            seen.append(measure())
    return {"backend": backend, "runs": len(seen), **judge(seen)}


def judge(seen: list[tuple[float, int, int]]) -> dict:
    """Return the figures of a series of measurements and what is not flat about them."""
    memory, files, threads = (list(values) for values in zip(*seen[len(seen) // 3 :], strict=True))
    growth, wrong = slope(memory), []
    if growth > KB_A_RUN:
        wrong.append(f"memory grows by {growth:.0f} kB a run")
    if files[-1] > files[0]:
        wrong.append(f"open files: {files[0]}, then {files[-1]}")
    if threads[-1] > threads[0]:
        wrong.append(f"threads: {threads[0]}, then {threads[-1]}")
    figures = {"MB": [round(memory[0] / 1024), round(memory[-1] / 1024)], "kB_a_run": round(growth, 1)}
    return {**figures, "files": [files[0], files[-1]], "threads": [threads[0], threads[-1]], "wrong": wrong}


def main() -> int:
    """Soak one wing, print the figures, and return 1 where something grows."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--backend", choices=["torch", "tf"], required=True)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--runs", type=int, default=2000)
    flags = parser.parse_args()
    figures = soak(flags.backend, seconds=flags.minutes * 60, runs=flags.runs)
    print(json.dumps(figures))
    return int(bool(figures["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
