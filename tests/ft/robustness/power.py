"""`python -m tests.ft.robustness.power`: what a power loss can leave of a run's checkpoints; is it enough?

A disk promises little. What was written to a file is safe after fsync(file), a name in a folder after fsync(folder);
until then each change may be there or not, in any combination. `Disk` replays the changes that a series of saves made
up to some moment and forgets what was not synced: everything, nothing, only the contents, or at random. Whatever is
left must hold the newest checkpoint that was saved before that moment.
"""

import argparse
import builtins
import io
import json
import os
import random
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ft.runs import checkpoint
from tests.ft.robustness.crash import is_that_of_its_step, save_all
from tests.ft.robustness.injection import CHANGES
from tests.ft.robustness.plants import PLANTS

Operation = tuple[str, Any, Any]
Choice = Callable[[str], bool]  # kind of change that was not synced -> whether it is there all the same


@dataclass
class File:
    """A file: what it holds, and how much of that is safe."""

    content: bytes = b""
    safe: bytes = b""


@dataclass
class Folder:
    """A folder: what is in it, what safely is, and the changes in between."""

    entries: dict[str, Any] = field(default_factory=dict)
    safe: dict[str, Any] = field(default_factory=dict)
    changes: list[tuple[str, Any, str | None]] = field(default_factory=list)  # name, object (None: gone), old name

    def change(self, name: str, item: Any, old: str | None = None) -> None:
        """Put `item` under a name, taken from the old one, or remove the name."""
        apply(self.entries, name, item, old)
        self.changes.append((name, item, old))

    def sync(self) -> None:
        """Make all changes safe."""
        self.safe, self.changes = dict(self.entries), []


def apply(entries: dict[str, Any], name: str, item: Any, old: str | None) -> None:
    """Carry out one change of a folder."""
    if old is not None:
        entries.pop(old, None)
    if item is None:
        entries.pop(name, None)
    else:
        entries[name] = item


class Disk:
    """The files below one folder, as far as a program can know them. Paths are relative to it."""

    def __init__(self) -> None:
        self.root = Folder()

    def at(self, path: Path) -> Any:
        """Return the file or folder at a path."""
        item: Any = self.root
        for part in path.parts:
            item = item.entries[part]
        return item

    def do(self, name: str, path: Path, argument: Any) -> None:
        """Carry out one recorded change."""
        parent = self.at(path.parent) if path.parts else self.root
        if name == "create":
            parent.change(path.name, File())
        elif name == "write":
            self.at(path).content += argument
        elif name == "fsync":
            item = self.at(path)
            if isinstance(item, File):
                item.safe = item.content
            else:
                item.sync()
        elif name == "mkdir":
            parent.change(path.name, Folder())
        elif name == "rename":
            assert argument.parent == path.parent, "a rename leaves its folder"
            parent.change(argument.name, parent.entries[path.name], path.name)
        else:  # unlink, rmdir
            parent.change(path.name, None)

    def leave(self, target: Path, kept: Choice, folder: Folder | None = None) -> None:
        """Write what a power loss leaves: the safe state, and of the rest what `kept` says."""
        folder = folder or self.root
        entries = dict(folder.safe)
        for name, item, old in folder.changes:
            if kept("name"):
                apply(entries, name, item, old)
        target.mkdir()
        for name, item in entries.items():
            if isinstance(item, Folder):
                self.leave(target / name, kept, item)
            else:
                (target / name).write_bytes(item.content if kept("content") else item.safe)


@contextmanager
def recording(root: Path, trace: list[Operation]) -> Iterator[None]:
    """Write down every change of the file system below `root`."""
    originals = {name: getattr(os, name) for name in (*CHANGES, "open", "close")}
    opened, descriptors = builtins.open, {}

    def inside(path: Any, dir_fd: int | None = None) -> Path | None:
        base = descriptors.get(dir_fd) if dir_fd is not None else None
        whole = root / base / os.fsdecode(path) if base is not None else Path(os.path.abspath(os.fsdecode(path)))
        return whole.relative_to(root) if whole.is_relative_to(root) else None

    def note(name: str, path: Any, argument: Any = None, dir_fd: int | None = None) -> None:
        if (place := inside(path, dir_fd)) is not None:
            trace.append((name, place, argument))

    def open_descriptor(path: Any, *arguments: Any, dir_fd: int | None = None, **options: Any) -> int:
        descriptor = originals["open"](path, *arguments, dir_fd=dir_fd, **options)
        if not isinstance(path, int) and (place := inside(path, dir_fd)) is not None:
            descriptors[descriptor] = place
        return descriptor

    def fsync(descriptor: int) -> None:
        originals["fsync"](descriptor)
        if descriptor in descriptors:
            trace.append(("fsync", descriptors[descriptor], None))

    def renamed(a: Any, b: Any, **options: Any) -> None:
        originals["rename"](a, b, **options)
        note("rename", a, inside(b))

    def noted(name: str) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            result = originals[name](path, *arguments, **options)
            note(name, path, dir_fd=options.get("dir_fd"))
            return result

        return call

    class Watched(io.FileIO):
        def write(self, data: Any) -> int:
            note("write", self.name, bytes(data))
            return super().write(data)

    def open_watched(file: Any, mode: str = "r", buffering: int = -1, *text: Any, **options: Any) -> Any:
        if isinstance(file, int) or not set(mode) & set("wax+") or inside(file) is None:
            return opened(file, mode, buffering, *text, **options)
        note("create", file)
        buffered = io.BufferedWriter(Watched(file, mode.replace("b", "")))
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *text, **options)

    replaced = {"open": open_descriptor, "fsync": fsync, "rename": renamed, "replace": renamed}
    replaced |= {name: noted(name) for name in ("mkdir", "unlink", "rmdir")}
    try:
        builtins.open = io.open = open_watched
        for name, function in replaced.items():
            setattr(os, name, function)
        yield
    finally:
        builtins.open = io.open = opened
        for name, original in originals.items():
            setattr(os, name, original)


def losses(draw: random.Random) -> dict[str, Choice]:
    """Return what may be left of the changes that were not synced."""
    return {
        "nothing": lambda kind: False,
        "everything": lambda kind: True,
        "names without contents": lambda kind: kind == "name",
        "contents without names": lambda kind: kind == "content",
        **{f"chance {i}": lambda kind: draw.random() < 0.5 for i in range(4)},
    }


def record(folder: Path) -> list[Operation]:
    """Save four checkpoints and return every change, with ("saved", step, None) where one has returned."""
    trace: list[Operation] = []
    with recording(folder.parent, trace):
        (folder.parent / folder.name).mkdir()
        os.fsync(os.open(folder.parent, os.O_RDONLY))
        save_all(folder, saved=lambda step: trace.append(("saved", step, None)))
    return trace


def main() -> int:
    """Lose power after every change, in every way, print the counts, and return 1 if a checkpoint is lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="lose power after every K-th change only")
    parser.add_argument("--plant", choices=PLANTS, help="make this mistake first: it must be found")
    flags = parser.parse_args()
    PLANTS.get(flags.plant, lambda: None)()
    warnings.simplefilter("ignore", UserWarning)
    memory, count, lost = Path("/dev/shm"), 0, []
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as temporary:
        root = Path(temporary).resolve()
        (root / "real").mkdir()
        trace = record(root / "real" / "run")
        disk, promised = Disk(), 0
        for number, (name, path, argument) in enumerate(trace):
            if name == "saved":
                promised = path
            else:
                disk.do(name, path, argument)
            if number % flags.every and name != "saved":
                continue
            for what, kept in losses(random.Random(number)).items():
                disk.leave(root / "left", kept)
                left = root / "left" / "run"
                whole = all(checkpoint.is_whole(path) for path in checkpoint.steps(left).values())
                good = checkpoint.last_good(left)
                step = good.step if good else 0
                whole &= not good or is_that_of_its_step(good)
                if step < promised or not whole:
                    lost.append(f"after change {number} ({name} {path}), {what}: {step}, expected {promised}")
                shutil.rmtree(root / "left")
                count += 1
    print(json.dumps({"changes": len(trace), "losses": count, "lost": lost}))
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
