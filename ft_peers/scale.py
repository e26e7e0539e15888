"""Two processes of one thread beside one process of two, in turn: images per second, and the memory of a process.

`python -m ft_peers.scale --backend torch`. Small random images, ResNet-18: the whole network, a head alone on a base
that runs in every epoch, and a head alone on kept features.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import threading
from pathlib import Path

import numpy as np
from PIL import Image

from ft.bench.memory import PROC, tree
from ft.runs.folder import read_log
from ft.system import apart

FLAGS = argparse.ArgumentParser(description=__doc__.split("\n")[0])
FLAGS.add_argument("--backend", choices=["torch", "tf"], default="torch")
FLAGS.add_argument("--model", default="resnet18")
FLAGS.add_argument("--size", type=int, default=64)
FLAGS.add_argument("--batch", type=int, default=64)
FLAGS.add_argument("--images", type=int, default=640, help="of which nine tenths train [640]")
FLAGS.add_argument("--repeat", type=int, default=2)
FLAGS.add_argument("--only", default="", help="kinds whose name begins so")
FLAGS.add_argument("--out", default="scale.json")
KINDS = {
    "whole": ["--freeze", "none", "--epochs", "1"],
    "head": ["--freeze", "base", "--cache", "off", "--epochs", "1"],
    "head on kept features": ["--freeze", "base", "--cache", "memory", "--epochs", "20"],
}
WAYS = {"one process": (1, "2"), "two processes": (2, "1")}  # how many, with how many threads
UNCOUNTED = 0.25  # of the steps: the first ones make graphs and choose kernels


class Peaks:
    """A context in which the peak memory of each process of a tree is looked at; `peaks`: bytes by process."""

    def __init__(self, pid):
        self.pid, self.peaks, self.ended = pid, {}, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.ended.set()
        self.thread.join()

    def watch(self):
        while not self.ended.wait(0.2):
            for pid in tree(self.pid):
                try:
                    lines = (PROC / str(pid) / "status").read_text().splitlines()
                except OSError:
                    continue
                peak = [1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
                self.peaks[pid] = max([self.peaks.get(pid, 0), *peak])


def write_images(folder, count, size):
    """Write random images of two classes."""
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for i in range(count // 2):
            Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)).save(folder / label / f"{i:04d}.png")


def train(args, kind, way, folder):
    """Train once; return images per second of the steps, and the largest memory of a process."""
    processes, threads = WAYS[way]
    flags = ["--model", args.model, "--weights", "none", "--data", str(folder / "data")]
    flags += [
        "--image-size",
        str(args.size),
        "--val-fraction",
        "0.1",
        "--batch-size",
        str(args.batch),
        "--out",
        str(folder / "run"),
        "--quiet",
        *KINDS[kind],
    ]
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    environment = apart.environment(dict.fromkeys(names, threads))
    command = apart.command("ft", "launch", "--processes", str(processes), "--backend", args.backend, *flags)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    with Peaks(process.pid) as memory:
        code = process.wait()
    if code:
        raise SystemExit(f"{kind}, {way}: exit code {code}")
    rows = [row for row in read_log(folder / "run") if "loss" in row and "images_per_second" in row]
    rates = [row["images_per_second"] for row in rows if not row.get("epoch_end")]
    return statistics.median(rates[int(UNCOUNTED * len(rates)) :]), max(memory.peaks.values())


def main(args):
    """Measure all, in turn, and print medians and their ratios."""
    found = {}
    for kind in (kind for kind in KINDS if kind.startswith(args.only)):
        runs = {way: [] for way in WAYS}
        for _ in range(args.repeat):
            for way in WAYS:
                with tempfile.TemporaryDirectory() as name:
                    write_images(Path(name) / "data", args.images, args.size)
                    runs[way].append(train(args, kind, way, Path(name)))
        rates = {way: statistics.median(rate for rate, _ in runs[way]) for way in WAYS}
        memory = {way: max(peak for _, peak in runs[way]) for way in WAYS}
        found[kind] = {"runs": runs, "load": os.getloadavg()[0]}
        one, two = WAYS
        print(
            f"{args.backend} {args.model} {args.size} px, {kind}: {rates[two]:.1f} images/s by two, {rates[one]:.1f} "
            f"by one: {rates[two] / rates[one]:.3f}; memory of a rank {memory[two] / 1e6:.0f} MB, of one "
            f"{memory[one] / 1e6:.0f}; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    Path(args.out).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(FLAGS.parse_args())
