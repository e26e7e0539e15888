"""The memory of a process and of what it starts."""

import os
import subprocess
import sys
import time

import pytest

from ft.bench import memory
from ft.bench.memory import PROC, PeakOfTree, proportional_size, tree

CHILD = "import time; held = b'x' * (60 << 20); print(flush=True); time.sleep({seconds})"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD.format(seconds=600)!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print(flush=True)
sys.stdin.readline()
child.kill()
"""


@pytest.mark.skipif(not (PROC / "self/smaps_rollup").exists(), reason="needs Linux's /proc")
def test_a_workers_memory_counts(monkeypatch):
    monkeypatch.setattr(memory, "SECONDS", 0.01)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", PARENT], text=True, **pipes) as parent:
        with PeakOfTree(parent.pid) as watched:
            parent.stdout.readline()
            assert len(tree(parent.pid)) == 2
            deadline = time.monotonic() + 300
            while watched.peak < 60 << 20 and time.monotonic() < deadline:
                time.sleep(0.01)
        assert watched.peak >= 60 << 20
        assert proportional_size(parent.pid) < 60 << 20
        parent.stdin.write("\n")


def test_what_has_ended_has_no_memory():
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert proportional_size(ended.pid) == 0
    assert tree(ended.pid) == [ended.pid]
    assert os.getpid() not in tree(ended.pid)
