"""`python -m tests.fuzz READER --minutes M`: damaged files for one reader; only the project's own errors may come out.

A worker process damages whole files, one after the other, under a limit of memory, and an alarm that ends it where one
file takes too long. What else ends it is a finding: the file is kept in --keep, and the next worker goes on behind it.
"""

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from random import Random

from ft.errors import UserError
from tests.ft.robustness.spoiling import MARK, TEXTS, VALUES, drop, places, put, spoilt
from tests.fuzz.readers import CASE_SECONDS, READERS, prepare, require_line
from tests.fuzz.seeds import SEEDS, WORDS

SPARE_BYTES = 1 << 30  # of address space, beyond what the worker has when it begins


def damage(content: bytes, random: Random, words: list[bytes]) -> bytes:
    """Change a few places: set a byte, flip a bit, cut out, repeat, overwrite, put in a word, truncate."""
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        at, size = random.randrange(len(content) + 1), random.randint(1, 8)
        before, here, after = content[:at], content[at : at + size] or b"\0", content[at + size :]
        content = random.choice(
            (
                before + random.randbytes(1) + content[at + 1 :],
                before + bytes([here[0] ^ 1 << random.randrange(8)]) + content[at + 1 :],
                before + after,
                before + here * random.randint(2, 40) + after,
                before + random.choice((b"\xff", b"\0", b"\x7f")) * size + after,
                before + random.choice(words) + content[at:],
                before + random.choice(words) + after,
                content if random.random() < 0.8 else before,
            )
        )
    return content


def damage_json(content: bytes, random: Random) -> bytes:
    """Drop a value of JSON, or put another one into its place."""
    value = json.loads(content)
    path = random.choice([*places(value)])
    if random.random() < 0.2:
        name, text = MARK, random.choice([*TEXTS.values()])
        return json.dumps(spoilt(value, path, put(name))).replace(f'"{name}"', text).encode()
    return json.dumps(spoilt(value, path, random.choice([drop, *map(put, VALUES.values())]))).encode()


def damage_inside(content: bytes, random: Random, words: list[bytes]) -> bytes:
    """Damage one entry of an archive that is whole, or one value of JSON: no checksum stands before the reader."""
    import io
    import zipfile

    if content.startswith(b"{") and content.count(b"\n") < 2:
        return damage_json(content, random)
    if not content.startswith(b"PK"):
        return damage(content, random, words)
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        spoilt = random.choice(old.namelist())
        for name in old.namelist():
            entry = old.read(name)
            new.writestr(name, damage(entry, random, words) if name == spoilt else entry)
    return stream.getvalue()


def work(reader: str, folder: Path, seed: int, seconds: float, first: int, cases: int) -> None:
    """Read damaged files, numbered from `first`, and keep the count of outcomes in a file."""
    prepare(folder)
    wholes = [path.read_bytes() for path in sorted(folder.glob("seed-*"))]
    for number, whole in enumerate(wholes):  # imports everything, and shows that whole files are read
        (folder / "whole").write_bytes(whole)
        assert READERS[reader](folder / "whole") == "read", number
    limit_memory()
    warnings.simplefilter("ignore")
    outcomes, end, number = Counter(), time.monotonic() + seconds, first
    while time.monotonic() < end and number < cases:
        random = Random(f"{seed} {number}")
        spoil = random.choice((damage, damage_inside))
        content = spoil(random.choice(wholes), random, WORDS[reader])
        (folder / "case").write_bytes(content)
        shutil.copyfile(folder / "case", folder / "current")
        signal.setitimer(signal.ITIMER_REAL, CASE_SECONDS)
        try:
            outcomes[READERS[reader](folder / "case")] += 1
        except UserError as error:
            outcomes["refused"] += 1
            require_line(str(error))
        signal.setitimer(signal.ITIMER_REAL, 0)
        number += 1
        peak = own_peak()
        (folder / "counts").write_text(json.dumps({"next": number, "outcomes": outcomes, "peak_MB": peak}))


def own_peak() -> int:
    """Return the largest memory of this program in MB; getrusage begins with that of the one that forked it."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) // 1024


def limit_memory() -> None:
    """Let the process have a gigabyte more address space than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def fuzz(reader: str, *, seconds: float, seed: int, keep: Path, cases: int = sys.maxsize) -> dict:
    """Run workers until the time, or the number of cases, is over; return the counts and the findings."""
    wholes, memory = SEEDS[reader](), "/dev/shm"
    end, first, outcomes, findings, peak = time.monotonic() + seconds, 0, Counter(), [], 0
    while time.monotonic() < end and first < cases and len(findings) < 20:
        with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as temporary:
            folder = Path(temporary)
            for number, whole in enumerate(wholes):
                (folder / f"seed-{number}").write_bytes(whole)
            left = end - time.monotonic()
            command = [sys.executable, "-m", "tests.fuzz", reader, "--worker", str(folder), "--seed", str(seed)]
            command += ["--minutes", str(left / 60), "--first", str(first), "--cases", str(cases)]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
            counts = {"next": first, "outcomes": {}, "peak_MB": 0}
            if (folder / "counts").exists():
                counts = json.loads((folder / "counts").read_text())
            outcomes.update(counts["outcomes"])
            first, peak = counts["next"], max(peak, counts["peak_MB"])
            if done.returncode:
                keep.mkdir(parents=True, exist_ok=True)
                if (folder / "current").exists():
                    shutil.copyfile(folder / "current", keep / f"{reader}-{seed}-{first}")
                last = (done.stderr.strip().splitlines() or [""])[-1][:300]
                findings.append(f"case {first}: exit {done.returncode}: {last}")
                first += 1
    return {"reader": reader, "cases": first, "outcomes": outcomes, "peak_MB": peak, "findings": findings}


def main() -> int:
    """Fuzz one reader, print the counts, and return 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--cases", type=int, default=sys.maxsize, help="at most so many files")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="folder for files that were too much")
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.worker:
        try:
            work(flags.reader, flags.worker, flags.seed, flags.minutes * 60, flags.first, flags.cases)
        except BaseException:
            sys.stdout.flush()
            traceback.print_exc()
            os._exit(70)
        return 0
    counts = fuzz(flags.reader, seconds=flags.minutes * 60, seed=flags.seed, keep=flags.keep, cases=flags.cases)
    print(json.dumps({"seed": flags.seed, **counts}))
    return int(bool(counts["findings"]))


if __name__ == "__main__":
    sys.exit(main())
