"""What C++ code prints while a framework loads stays unseen, unless the loading fails."""

import os
import subprocess
import sys

import pytest

from ft.system.quiet import quiet_stderr


def test_the_descriptor_is_held_back(capfd):
    with quiet_stderr():
        os.write(2, b"from C++\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_what_is_at_hand_is_seen_all_the_same():
    code = (
        "import os\nfrom ft.system.progress import stages\nfrom ft.system.quiet import quiet_stderr\n"
        "with stages(2) as begin, quiet_stderr():\n    begin('building')\n    os.write(2, b'from C++')\n"
        "    begin('writing')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "building\nwriting\n"


def test_what_was_held_back_comes_with_the_error(capfd):
    def load():
        with quiet_stderr():
            os.write(2, b"why it failed\n")
            raise KeyError

    with pytest.raises(KeyError):
        load()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "why it failed\nafter\n"


def test_no_descriptor_is_left_open():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with quiet_stderr():
            pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_closed_stderr_is_no_error():
    code = "from ft.system.quiet import quiet_stderr\nwith quiet_stderr(): print('loaded')"
    done = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "loaded\n")
