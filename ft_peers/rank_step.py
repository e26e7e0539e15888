"""What a step costs a process in processor time, which other work on the machine hardly changes: alone, and as a rank.

`python -m ft_peers.rank_step --backend torch`. Three ways, each process with one thread: "one" takes the whole batch;
"halves" are two processes that take half a batch each and know nothing of each other; "ranks" share the batch. What the
hub itself does for the ranks, before a step and in it, is counted apart.
"""

import argparse
import os
import resource
import statistics
import sys
import time
from dataclasses import replace
from itertools import islice

import numpy as np

WAYS = ("one", "halves", "ranks")
FLAGS = argparse.ArgumentParser(description=__doc__.split("\n")[0])
FLAGS.add_argument("--backend", choices=["torch", "tf"], default="torch")
FLAGS.add_argument("--model", default="resnet18")
FLAGS.add_argument("--freeze", default="none")
FLAGS.add_argument("--size", type=int, default=64)
FLAGS.add_argument("--batch", type=int, default=64)
FLAGS.add_argument("--steps", type=int, default=10)
FLAGS.add_argument("--kept", action="store_true", help="steps of a head on kept features; with --freeze base")
FLAGS.add_argument("--way", choices=WAYS, help="one of them alone")
FLAGS.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
WARM = 3  # steps


class Clock:
    """Processor time of this thread in functions, by name."""

    def __init__(self):
        self.seconds = {}

    def watch(self, owner, name):
        """Count what a function takes from here on."""
        function = getattr(owner, name)

        def timed(*arguments, **options):
            began = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.thread_time() - began

        setattr(owner, name, timed)


def measure(args):
    """Do the steps in this process and print what they took, in milliseconds."""
    from ft.backend import contract
    from ft.backend.ranks import ALONE
    from ft.training import ranks as meeting
    from ft.training.build import build_learner
    from ft.training.job import prepare_job, recipe_of

    ranks = meeting.connect(args.backend, {"device": "cpu"}) if args.way == "ranks" else ALONE
    batch = args.batch // 2 if args.way == "halves" else args.batch
    fields = {"model": args.model, "weights": "none", "freeze": args.freeze, "image_size": args.size}
    fields |= {"batch_size": batch, "workers": 0, "cache": "off"}
    job = replace(prepare_job(recipe_of(fields), quiet=True), ranks=ranks)
    learner, _ = build_learner(job, contract.load(args.backend), device="cpu")
    clock, taken = Clock(), []
    clock.watch(meeting, "meet")
    clock.watch(ranks, "sum")
    clock.watch(sys.modules[type(learner).__module__], "parts_of")
    for step, given in enumerate(islice(job.batches("train").epoch(0), WARM + args.steps)):
        if step == WARM:
            clock.seconds.clear()
        if args.kept:
            given = replace(given, inputs=learner.features(given.inputs))
        began = time.process_time()
        if ranks.size > 1:
            given, _ = meeting.meet(ranks, given, learner.objective, stop=None, error=None)
        learner.fetch([learner.step(given, step=step, lr=np.float64(0.001))])
        taken.append(time.process_time() - began)
    hub = {name: 1e3 * seconds / args.steps for name, seconds in clock.seconds.items()}
    own = hub.get("meet", 0.0) - hub.get("sum", 0.0) + hub.get("parts_of", 0.0)
    print(
        f"{args.backend} {args.model} {args.freeze} {args.size} px, {args.batch}, {args.way}: "
        f"{1e3 * statistics.median(taken[WARM:]):.1f} ms of processor time a step; of that the hub {own:.2f}, its sum "
        f"{hub.get('sum', 0.0):.2f}; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB",
        flush=True,
    )


def main(args):
    """Start the processes of each way, one after the other."""
    from ft.api.launch import environments
    from ft.system.together import run_together

    for way in (args.way,) if args.way else WAYS:
        command = [sys.executable, "-m", "ft_peers.rank_step", *sys.argv[1:], "--inside", "--way", way]
        places = [dict(os.environ)] if way == "one" else environments(2, args.backend)
        plain = dict.fromkeys(("WORLD_SIZE", "TF_CONFIG"), "") if way != "ranks" else {}
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1")
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"}
        if code := run_together(command, [{**place, **plain, **one_thread, **quiet} for place in places]):
            raise SystemExit(code)


if __name__ == "__main__":
    flags = FLAGS.parse_args()
    (measure if flags.inside else main)(flags)
