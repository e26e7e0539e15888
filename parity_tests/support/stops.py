"""Runs that are stopped: a signal after a step, as a person or a scheduler would send it."""

import signal

from ft.training import loop as train


def interrupt_after(steps, patch):
    """Send this process a SIGINT when so many steps are done."""
    original = train.Training.run_step

    def run_step(self, batch):
        original(self, batch)
        if self.position.step == steps:
            signal.raise_signal(signal.SIGINT)

    patch.setattr(train.Training, "run_step", run_step)
