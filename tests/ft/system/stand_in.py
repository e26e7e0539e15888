"""A process of several that stands in for a training: `python stand_in.py FOLDER DEED DEED ...`, one for each place.

Deeds: `end CODE`, `say CODE` (after an error), `miss CODE` (when the other has died), `wait` (until a signal, which
ends it with 128 + number), `ignore` (SIGTERM), `hang` (SIGSTOP), `kill` (itself by SIGKILL), `finish` (at a signal,
with 0). Each writes the signals that it gets to FOLDER/RANK.
"""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path

from ft.system.follow import follow_starter

folder, deeds, rank = sys.argv[1], sys.argv[2:], int(os.environ["RANK"])
deed, _, value = deeds[rank].partition(" ")
log = Path(folder, str(rank))


def hear(number, frame):
    with log.open("a") as file:
        file.write(f"{signal.Signals(number).name}\n")
    if deed != "ignore":
        time.sleep(0.2)  # in which a second signal would come
        sys.exit(0 if deed == "finish" else 128 + number)


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, hear)
follow_starter(linger=0.8 if deed == "ignore" else 300)
print(f"out of {rank}", flush=True)
print(f"err of {rank}", file=sys.stderr, flush=True)
alive = open(f"{folder}.alive{rank}", "w")  # noqa: SIM115 - locked until this process has died
fcntl.flock(alive, fcntl.LOCK_EX)
log.write_text(f"{os.getpid()}\n")  # at work: what is asked of it comes from now on
while sum(os.path.exists(f"{folder}/{other}") for other in range(len(deeds))) < len(deeds):
    time.sleep(0.01)
if deed == "say":
    print(f"error: of {rank}", file=sys.stderr, flush=True)
if deed == "miss":
    with open(f"{folder}.alive{1 - rank}") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
if deed in ("end", "say", "miss"):
    sys.exit(int(value))
if deed in ("hang", "kill"):
    os.kill(os.getpid(), signal.SIGSTOP if deed == "hang" else signal.SIGKILL)
while True:
    time.sleep(0.05)
