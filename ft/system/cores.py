"""How many images pass through a network at a time where no layer needs the whole batch: on a CPU, to save memory."""

import os

PIXELS = 4 * 224 * 224  # for each thread, in float32: fewer cost time, more cost memory; measured, see docs/speed.md
BYTES = {"bfloat16": 2, "float32": 4, "float64": 8}


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def images_at_a_time(height: int, width: int, *, precision: str, threads: int | None = None) -> int:
    """Return how many images of that size are enough for the threads of a CPU; None or 0: one for each usable core."""
    return max(1, PIXELS * BYTES["float32"] * (threads or usable_cores()) // (BYTES[precision] * height * width))
