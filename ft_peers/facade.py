"""What the facade adds to a step: a hand-written step and this project's, interleaved: `python -m ft_peers.facade`.

Both train the whole network on the same batches in memory: forward, loss, backward, SGD with momentum. The hand-written
one (ft_peers/step_*.py) is what a person would write; the facade is `Training.run_step`, with its schedule, its probes
(the norms that the log holds), its log and its progress. Reported is the ratio of the medians and of the minima of a
step's seconds.
"""

import argparse
import json
import statistics
import tempfile
import time
from importlib import import_module
from pathlib import Path

import numpy as np

from ft.backend import contract as backend
from ft.data import Batch, Dataset, Sample
from ft.recipe import Recipe
from ft.runs.folder import Log
from ft.system import files
from ft.system.progress import Progress
from ft.system.signals import stop_requests
from ft.training.build import build_learner
from ft.training.job import Job
from ft.training.loop import Session, Training
from ft.training.position import Position
from ft.zoo import find_card

CLASSES = 10
FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument("--backend", choices=["torch", "tf"], default="torch")
FLAGS.add_argument("--model", default="resnet50")
FLAGS.add_argument("--batch", type=int, default=32)
FLAGS.add_argument("--size", type=int, default=224)
FLAGS.add_argument("--blocks", type=int, default=10, help="blocks of steps, one of each in turn")
FLAGS.add_argument("--steps", type=int, default=10, help="steps a block; the facade reads its probes every 10")
FLAGS.add_argument("--json", action="store_true")
LR, MOMENTUM = 1e-3, 0.9


class Constant:
    """The same batch again and again."""

    def __init__(self, args):
        rng = np.random.default_rng(0)
        images = rng.normal(size=(args.batch, args.size, args.size, 3)).astype("float32")
        self.batch = Batch.of(images, labels=np.arange(args.batch) % CLASSES)

    def __len__(self):
        return 1000

    def epoch(self, epoch, start=0, stop=None):
        yield self.batch


def training_of(args, source, wing, hold, log, stop):
    """Return the Training of a recipe that trains the whole network as the hand-written loops do."""
    pairs = zip(source.batch.inputs, source.batch.targets["labels"], strict=True)
    samples = tuple(Sample(str(i), int(label), image) for i, (image, label) in enumerate(pairs))
    card = find_card(args.model)
    recipe = Recipe(
        model=args.model, weights="none", freeze=(), lr=LR, momentum=MOMENTUM, batch_size=args.batch, dropout=None
    )
    dataset = Dataset("constant", tuple(str(i) for i in range(CLASSES)), samples, samples)
    job = Job(recipe, card, dataset, card.preprocess.at(args.size), None)
    device = wing.prepare(device="auto", deterministic=True)
    learner, plan = build_learner(job, wing, device=device)
    session = Session(
        job=job,
        learner=learner,
        train=source,
        val=source,
        hold=hold,
        log=log,
        progress=Progress(1, len(source), quiet=True),
        stop=stop,
        facts={},
        parameters=list(wing.parameters(learner.model)),
        began=time.perf_counter(),
    )
    return Training(session, Position(), plan)


def seconds_of(step, finish, count):
    """Return the mean seconds of `count` steps; the last one's result is waited for."""
    started = time.perf_counter()
    for _ in range(count):
        result = step()
    finish(result)
    return (time.perf_counter() - started) / count


def measure(args):
    """Return the seconds of the steps of each loop, block by block, one of each in turn."""
    wing = backend.load(args.backend)
    with (
        tempfile.TemporaryDirectory() as name,
        files.lock(Path(name)) as hold,
        Log(Path(name)) as log,
        stop_requests() as stop,
    ):
        source = Constant(args)
        training = training_of(args, source, wing, hold, log, stop)
        native = wing.build_model(args.model, num_classes=CLASSES, dtype="float32")
        peer = import_module(f"ft_peers.step_{args.backend}")
        batch = source.batch
        loops = {
            "native": peer.step_of(native, batch.inputs, batch.targets["labels"], lr=LR, momentum=MOMENTUM),
            "facade": (lambda: training.run_step(batch), lambda _: training.fetch()),
        }
        timings = {name: [] for name in loops}
        for step, finish in loops.values():  # the first steps trace graphs and choose kernels
            seconds_of(step, finish, 3)
        for block in range(args.blocks):
            for name in sorted(loops, reverse=block % 2 == 0):
                step, finish = loops[name]
                timings[name].append(seconds_of(step, finish, args.steps))
    return timings


def main(args):
    """Measure and print the ratios."""
    timings = measure(args)
    ratios = {
        "median": statistics.median(timings["facade"]) / statistics.median(timings["native"]),
        "minimum": min(timings["facade"]) / min(timings["native"]),
    }
    if args.json:
        print(json.dumps({**vars(args), "seconds": timings, "ratio": ratios}))
        return
    print(
        f"{args.model} ({args.backend}), batch {args.batch}, {args.size} px, {args.blocks} blocks of {args.steps} steps"
    )
    for name, seconds in timings.items():
        print(f"{name:<7} median {statistics.median(seconds) * 1e3:9.2f} ms   minimum {min(seconds) * 1e3:9.2f} ms")
    print(f"ratio   median {ratios['median']:9.4f}      minimum {ratios['minimum']:9.4f}")


if __name__ == "__main__":
    main(FLAGS.parse_args())
