"""The parity tests need both wings: where a framework is missing they fail here, they never skip."""

import logging

import pytest
import tensorflow as tf

from ft.backend import contract as backend
from ft.system.quiet import quiet_stderr

with quiet_stderr():
    for name in ("torch", "tf"):
        backend.load(name).prepare(device="cpu", deterministic=True)

logging.getLogger("tensorflow").setLevel(logging.ERROR)  # a new Learner a test looks like retracing to TensorFlow


@pytest.fixture
def eager():
    """Run TensorFlow's steps operation by operation: tracing a network takes longer than the few steps of a test."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def say(record_property):
    """Note a figure that was measured; all are printed at the end, also of tests in several processes."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter):
    """Print the figures that the tests measured."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    figures = [value for report in reports for key, value in report.user_properties if key == "figure"]
    if figures:
        terminalreporter.section("measured")
        terminalreporter.write("\n".join(sorted(figures)) + "\n")
