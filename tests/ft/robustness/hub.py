"""`python -m tests.ft.robustness.hub FLAGS`: the training command with a wing of NumPy, in a process of its own.

FT_FAULT="WHAT N" makes update number N (from 0) end in a fault: nan, memory, sigint, sigterm, sighup, twice (SIGINT two
times), hangups (SIGHUP two times), shutdown (SIGTERM, SIGHUP); "start SIGNAL" sends one before the first step,
"evaluate N" sends SIGINT in evaluation N, "hang NAME" makes the third reading of a file of that name hang.
"""

import os
import signal
import sys
import threading
from typing import Any

import numpy as np

from ft.api import result
from ft.api import session as tuning
from ft.cli.train import train_command
from ft.data.batches import images as batches
from tests import numpy_wing

SIGNALS = {
    "sigint": [signal.SIGINT],
    "sigterm": [signal.SIGTERM],
    "sighup": [signal.SIGHUP],
    "twice": [signal.SIGINT, signal.SIGINT],
    "hangups": [signal.SIGHUP, signal.SIGHUP],
    "shutdown": [signal.SIGTERM, signal.SIGHUP],
}


def main() -> int:
    """Plant the fault and train."""
    numpy_wing.stand_in()
    result.plot_curves = result.write_training_report = lambda *_, **__: None  # take longer than all the rest
    what, _, where = os.environ.get("FT_FAULT", " ").partition(" ")
    if what == "hang":
        plant_hang(where)
    elif what == "start":
        tuning.build_learner = lambda *_, **__: os.kill(os.getpid(), SIGNALS[where][0])  # type: ignore[assignment]
    elif what == "evaluate":
        plant_signal_in_evaluation(int(where))
    elif what:
        plant_fault(what, int(where))
    return train_command(sys.argv[1:], backend="torch", prog="hub")


def plant_fault(what: str, at: int) -> None:
    """Let something happen in the middle of an update."""

    def before_step(step: int) -> None:
        if step == at:
            for number in SIGNALS.get(what, ()):
                os.kill(os.getpid(), number)
            if what == "memory":
                np.empty(1 << 62, np.uint8)

    numpy_wing.Learner.before_step = staticmethod(before_step)
    fetch = numpy_wing.Learner.fetch

    def poisoned(self: numpy_wing.Learner, probes: Any) -> np.ndarray:
        values = fetch(self, probes)
        poisoned.done += len(values)  # type: ignore[attr-defined]
        if what == "nan" and poisoned.done > at:  # type: ignore[attr-defined]
            values[at - poisoned.done, 0] = np.nan  # type: ignore[attr-defined]
        return values

    poisoned.done = 0  # type: ignore[attr-defined]
    numpy_wing.Learner.fetch = poisoned  # type: ignore[method-assign]


def plant_hang(name: str) -> None:
    """Let the third reading of a file never end, as a network file system does."""
    decode, times = batches.decode, []

    def hanging(source: Any, **options: Any) -> np.ndarray:
        if getattr(source, "name", None) == name:
            times.append(name)
            if len(times) == 3:
                threading.Event().wait()
        return decode(source, **options)

    batches.decode = hanging


def plant_signal_in_evaluation(at: int) -> None:
    """Send a SIGINT while a batch is evaluated."""
    outputs, calls = numpy_wing.Learner.outputs, []

    def struck(self: numpy_wing.Learner, inputs: np.ndarray) -> dict[str, np.ndarray]:
        if sys._getframe(1).f_code.co_name == "evaluate":
            calls.append(1)
            if len(calls) == at:
                os.kill(os.getpid(), signal.SIGINT)
        return outputs(self, inputs)

    numpy_wing.Learner.outputs = struck  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main())
