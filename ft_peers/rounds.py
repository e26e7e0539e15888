"""Programs of a comparison, each in a process of its own, one after the other, round after round."""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time


def flags_of(doc, **numbers):
    """Return the flags that comparisons have in common; numbers: more of them, with their usual value and a help."""
    flags = argparse.ArgumentParser(description=doc)
    flags.add_argument("what", choices=["head", "whole"])
    flags.add_argument("--rounds", type=int, default=3)
    for name, (usual, text) in numbers.items():
        flags.add_argument(f"--{name}", type=int, default=usual, help=f"{text} [{usual}]")
    flags.add_argument("--only", nargs="+", help="of the programs")
    flags.add_argument("--program", help=argparse.SUPPRESS)
    return flags


def started():
    """Return what both clocks show."""
    return time.perf_counter(), time.process_time()


def elapsed(clock, factor=1.0):
    """Return the seconds since then by both clocks, scaled."""
    return [factor * (now - then) for now, then in zip(started(), clock, strict=True)]


def compare(module, args, programs, names):
    """Measure the programs of these names in turn and print their medians; in a process of its own run the one."""
    if args.program:
        seconds = programs[args.program](args)
        print(json.dumps([*seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
        return
    names = [name for name in names if not args.only or name in args.only]
    timings = {name: [] for name in names}
    for turn in range(args.rounds):
        for name in names if turn % 2 == 0 else names[::-1]:
            timings[name].append(measured(module, name))
            print(told(name, timings[name][-1]), flush=True)
    print(f"medians of {args.rounds}, OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'unset')}")
    for name, seconds in timings.items():
        print(told(name, [statistics.median(each) for each in zip(*seconds, strict=True)]))


def measured(module, program):
    """Return the seconds and the megabytes of a program in a process of its own, with the flags of this one."""
    command = [sys.executable, "-m", module, *sys.argv[1:], "--program", program]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def told(name, measured):
    """Return one line of the table."""
    wall, processor, megabytes = measured
    return f"{name:18} {wall:8.2f} s  {processor:8.2f} s of the processor  {megabytes:6.0f} MB at most"
