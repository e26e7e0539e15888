"""Steps of Faster R-CNN beside torchvision's, each in processes of its own, in turn: `python -m ft_peers.detection`.

All train on the same two random pictures with boxes, in memory, by SGD with momentum: torchvision's own network with
its losses, this project in either wing, and its head on pictures and on kept features. Reported are ratios of the
medians of a step's seconds, of peak memory, and the share of a large step in which NumPy decides.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import time
from importlib import import_module

import numpy as np

from ft.backend import contract as backend
from ft.data import Batch, Dataset, Sample
from ft.recipe import Recipe
from ft.system import apart
from ft.training.build import build_learner
from ft.training.job import Job
from ft.zoo import find_card

MODEL, CLASSES, BOXES, LR, MOMENTUM = "fasterrcnn_resnet50_fpn", 10, 8, 1e-4, 0.9
SIDES = {  # wing, size, what is frozen; "stock" is torchvision's
    "torchvision": ("stock", 320, "none"),
    "torch": ("torch", 320, "none"),
    "tf": ("tf", 320, "none"),
    "head": ("torch", 320, "base"),
    "kept": ("torch", 320, "base"),
    "large": ("torch", 800, "none"),
}
FIGURES = (  # what, over what, at least or at most
    ("torch steps, of torchvision's", "torchvision", "torch", ">= 1.0"),
    ("tf steps, of torch's", "torch", "tf", ">= 0.7"),
    ("steps on kept features, of those on pictures", "head", "kept", ">= 3"),
)
FLAGS = argparse.ArgumentParser(description=__doc__.split("\n")[0])
FLAGS.add_argument("--model", default=MODEL, help=f"torchvision's side is {MODEL} [{MODEL}]")
FLAGS.add_argument("--rounds", type=int, default=2, help="processes of each side [2]")
FLAGS.add_argument("--steps", type=int, default=6, help="of a process, after two that are not counted [6]")
FLAGS.add_argument("--only", nargs="+", choices=SIDES, default=list(SIDES))
FLAGS.add_argument("--cpu", action="store_true", help="count the process's CPU seconds: for a machine in use")
FLAGS.add_argument("--side", choices=SIDES, help="measure this one here, and print it as JSON")


def batch_of(size):
    """Return two random pictures with boxes."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 0.6 * size, (2, BOXES, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.05, 0.4, (2, BOXES, 2)) * size], -1).astype("float32")
    images = rng.normal(size=(2, size, size, 3)).astype("float32")
    return Batch.of(images, boxes=boxes, box_labels=np.tile(np.arange(BOXES) % CLASSES, (2, 1)))


def ours(args, wing_name, size, frozen, kept):
    """Return what does a step of this project, and what waits for it."""
    wing, card, batch = backend.load(wing_name), find_card(args.model), batch_of(size)
    recipe = Recipe(
        model=args.model, weights="none", freeze=(frozen,), lr=LR, momentum=MOMENTUM, batch_size=2, image_size=size
    )
    samples = tuple(Sample(str(i), 0, image) for i, image in enumerate(batch.inputs))
    dataset = Dataset("constant", tuple(map(str, range(CLASSES))), samples, samples)
    job = Job(recipe, card, dataset, card.preprocess.at(size), None)
    learner, _ = build_learner(job, wing, device=wing.prepare(device="cpu", deterministic=True))
    inputs = learner.features(batch.inputs) if kept else batch.inputs
    given = Batch(inputs, batch.targets, batch.indices, batch.number)
    return lambda step: learner.step(given, step=step, lr=np.float64(LR)), lambda probes: learner.fetch([probes])


def stock(size):
    """Return what does a step of torchvision's network, and what waits for it."""
    import torch
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    body = resnet_fpn_backbone(backbone_name="resnet50", weights=None, trainable_layers=5)
    model = FasterRCNN(body, num_classes=CLASSES + 1, min_size=size, max_size=size).train()
    optimizer, batch = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM), batch_of(size)
    images = list(torch.from_numpy(batch.inputs).permute(0, 3, 1, 2).contiguous())
    rows = zip(*(torch.from_numpy(batch.targets[name]) for name in ("boxes", "box_labels")), strict=True)
    targets = [{"boxes": boxes, "labels": labels + 1} for boxes, labels in rows]

    def step(number):
        loss = sum(model(images, targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, lambda loss: loss.item()


def timed(module, names):
    """Replace functions of a module by such that add up what they take; return the sum, to be read later."""
    spent = [0.0]

    def noted(plain):
        def call(*given, **named):
            started = time.perf_counter()
            try:
                return plain(*given, **named)
            finally:
                spent[0] += time.perf_counter() - started

        return call

    for name in names:
        setattr(module, name, noted(getattr(module, name)))
    return spent


def measure(args):
    """Return the seconds of the steps of one side, the seconds of decisions in them, and the peak memory."""
    wing, size, frozen = SIDES[args.side]
    step, finish = stock(size) if wing == "stock" else ours(args, wing, size, frozen, args.side == "kept")
    spent = timed(import_module("ft_torch.layers.boxes"), ("lesson", "cuts")) if args.side == "large" else [0.0]
    seconds, decided, clock = [], [], time.process_time if args.cpu else time.perf_counter
    for number in range(2 + args.steps):
        started, before = clock(), spent[0]
        finish(step(number))
        seconds.append(clock() - started)
        decided.append(spent[0] - before)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds[2:], "decided": decided[2:], "peak": peak}


def main(args):
    """Measure all sides in turn, and print the figures."""
    if args.side:
        print(json.dumps(measure(args)))
        return
    found = {side: [] for side in args.only}
    for _ in range(args.rounds):
        for side, runs in found.items():
            flags = ["--side", side, "--steps", str(args.steps), "--model", args.model, *["--cpu"] * args.cpu]
            done = subprocess.run(
                apart.command("ft_peers.detection", *flags), env=apart.environment(), capture_output=True, check=True
            )
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    report(args, found)


def report(args, found):
    """Print medians, ratios and the load."""
    times = {side: statistics.median(x for run in runs for x in run["seconds"]) for side, runs in found.items()}
    peaks = {side: max(run["peak"] for run in runs) for side, runs in found.items()}
    for side in found:
        print(f"{side:<12} {times[side] * 1e3:8.0f} ms a step, peak {peaks[side] / 1e6:6.0f} MB")
    for title, base, other, wanted in FIGURES:
        if {base, other} <= found.keys():
            print(f"{title}: {times[base] / times[other]:.2f} ({wanted})")
    if {"torchvision", "torch"} <= found.keys():
        print(f"torch memory, of torchvision's: {peaks['torch'] / peaks['torchvision']:.2f} (<= 1.1)")
    if "large" in found:
        share = sum(sum(run["decided"]) for run in found["large"]) / sum(sum(run["seconds"]) for run in found["large"])
        print(f"decisions in NumPy, of a step at 800 px: {share:.1%} (<= 10 %)")
    print(f"{args.model}, {args.rounds} rounds of {args.steps} steps; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(FLAGS.parse_args())
