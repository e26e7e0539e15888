"""How many page faults large tensors cost in a process of its own: both frameworks read how memory is taken once."""

import subprocess
import sys

from ft.system import apart

PROGRAM = """
import resource
from {wing} import prepare
prepare(device="cpu", deterministic=True)
import {framework}
x = {framework}.ones((1 << 24,)) + 1
for i in range(32):
    if i == 16:  # by then there is room enough, between whatever else lies about
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    y = x + 1  # 64 MB
    del y
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(wing: str, framework: str, **environment: str) -> int:
    """Return the faults of 16 tensors of 64 MB after a wing's `prepare`."""
    program = PROGRAM.format(wing=wing, framework=framework)
    usual = apart.environment().items()
    inherited = {name: value for name, value in usual if not name.startswith(("MALLOC_", "GLIBC_TUNABLES", "TF_CPU_"))}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**inherited, **environment})
    return int(done.stdout)
