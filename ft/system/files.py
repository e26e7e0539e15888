"""Files that are there whole or not at all: the one module that writes durably.

A file is written under a temporary name beside its target, synced, and renamed; then the folder is synced, for a rename
lives in the folder. A crash or a power loss at any moment leaves the old content or the new, never a mixture, and at
worst a leftover named `.tmp-...`, which `sweep` removes. A folder is published in the same way, by the same function.
"""

import errno
import fcntl
import json
import math
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ft.errors import RunError

TEMPORARY = ".tmp-"
LOCK = ".lock"
ENDING = 16  # characters of a name that a temporary one keeps
MENDS = {
    errno.ENOSPC: "free some space or choose another --out",
    errno.EDQUOT: "free some space of your quota or choose another --out",
    errno.EFBIG: "raise the limit of the file size (ulimit -f) or choose another --out",
    errno.EACCES: "choose an --out that you may write to",
    errno.EPERM: "choose an --out that you may write to",
    errno.EROFS: "choose an --out that you may write to",
}


def write_bytes(path: Path | str, data: bytes) -> None:
    """Replace the file `path` by `data`, durably and at once. Raises RunError where the disk refuses."""
    with publishing(Path(path), needed=len(data)) as temporary:
        write_new(temporary, data)


@contextmanager
def publishing(target: Path, *, needed: int | None = None, flag: str = "--out") -> Iterator[Path]:
    """Give a name beside `target` to write a file or a folder at, to take the target's place unless the block fails.

    Raises RunError where the disk refuses, inside the block as well; needed: bytes, where known; flag: what the user
    chose the place by. The name has the target's ending, by which some writers tell what to write.
    """
    temporary = temporary_name(target)
    with explained(target, needed=needed, flag=flag):
        try:
            yield temporary
            commit(temporary, target)
        except BaseException as error:  # Ctrl-C as well
            discard(temporary)
            if isinstance(error, RuntimeError) and isinstance(error.__context__, OSError):
                raise error.__context__ from None  # PyTorch's zip writer hides the disk's error in its own
            raise


def commit(temporary: Path, target: Path) -> None:
    """Sync a file, or a folder with all its files, then rename it to `target`, whose old content goes.

    Files of a folder take the permissions of the folder, which mkdir made by the umask: what wrote them may leave 0600.
    """
    if temporary.is_dir():
        sync_tree(temporary)
        if target.is_dir():
            remove_folder(target)
    else:
        sync(temporary)
    os.replace(temporary, target)
    sync(target.parent)


def sync_tree(temporary: Path) -> None:
    """Sync a folder and all that is in it, and give its files the folder's permissions."""
    mode = temporary.stat().st_mode & 0o666
    for folder, _, names in os.walk(temporary, topdown=False):
        for name in names:
            os.chmod(Path(folder, name), mode)
            sync(Path(folder, name))
        sync(Path(folder))


def discard(temporary: Path) -> None:
    """Remove what was not published."""
    if temporary.is_dir():
        shutil.rmtree(temporary, ignore_errors=True)
    else:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Replace the file `path` by `text` in UTF-8; what UTF-8 cannot hold (a file name's stray bytes) is escaped."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path | str, value: Any) -> None:
    """Replace the file `path` by `value` as indented JSON, see `plain`."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Return `value` as indented JSON, see `plain`."""
    return json.dumps(plain(value), indent=2, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """Return `value` in the types of JSON: arrays as lists, NaN and infinities as null: JSON has no word for them."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, durably: a new folder's own name lives in its parent, which is synced."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        make_one(place)
        sync(place.parent)


def make_one(folder: Path) -> None:
    """Make a folder where there is none, also where another process makes and removes it at the same time.

    mkdir(exist_ok=True) fails there: it is told that the folder exists, looks, and finds nothing.
    """
    while True:
        try:
            return folder.mkdir()
        except FileExistsError:
            with suppress(FileNotFoundError):  # removed since: make it again
                if stat.S_ISDIR(os.lstat(folder).st_mode):
                    return None
                raise


def require_room(path: Path, needed: int) -> None:
    """Raise OSError, the one of a full disk, unless `needed` bytes are free where `path` is to be."""
    if shutil.disk_usage(existing(path)).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def existing(path: Path) -> Path:
    """Return the nearest folder around `path` that exists."""
    return next(place for place in path.absolute().parents if place.is_dir())


def own(folder: Path, path: Path) -> Path:
    """Return `path`, a place in `folder`; RunError where a link leads out of it, or to what is no file and no folder.

    To be asked before anything below a stranger's folder is opened, written or removed.
    """
    real = os.path.realpath(path)
    if not Path(real).is_relative_to(os.path.realpath(folder)):
        raise RunError(f"{path} is a link that leads out of {folder}, expected the run's own; put a copy in its place")
    if os.path.lexists(real) and not (os.path.isfile(real) or os.path.isdir(real)):
        raise RunError(f"{path} is no regular file, expected one that a run wrote; remove it")
    return path


def remove_folder(folder: Path) -> None:
    """Delete a folder: renamed first, so that a half-deleted one is never taken for a whole one."""
    with explained(folder):
        temporary = temporary_name(folder)
        os.rename(folder, temporary)
        sync(folder.parent)
        shutil.rmtree(temporary)


def empty_folder(folder: Path, pattern: str = "*", *, but: str = LOCK) -> None:
    """Delete what is in a folder and fits the pattern, not the folder, and never its lock. but: a pattern to keep."""
    for entry in folder.glob(pattern):
        if entry.name != LOCK and not entry.match(but):
            with explained(entry):
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders that a crash left in `folder`. Only for the holder of its run's lock."""
    empty_folder(folder, f"{TEMPORARY}*")


class Hold:
    """The lock of a folder: who holds it may write and remove there, and nobody else.

    `used`: by now there is something to lose in the folder. Folder and lock stay open, so that their numbers are not
    given to another file while somebody removes or replaces them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.used = folder, False
        self.descriptors: dict[str, int] = {}  # of the lock, and by the name "" of the folder

    def take(self) -> None:
        """Open the folder and take its lock. Raises OSError, or RunError where another process has it."""
        self.descriptors[""] = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        self.claim()

    def claim(self, *, new: bool = False) -> None:
        """Open and take the lock, which no link may stand for; new: it must not exist."""
        path, flags = self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | (os.O_EXCL if new else 0)
        try:
            self.descriptors[LOCK] = os.open(path, flags, 0o666)
            fcntl.flock(self.descriptors[LOCK], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"another process is writing to {self.folder}; wait for it to end, or choose another --out"
            ) from None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise RunError(f"{path} is a link, expected a file of the run's own; remove it") from None

    def stands(self, name: str = LOCK) -> bool:
        """Tell whether the lock, or by the name "" the folder, is held and still in its place."""
        try:
            return os.path.samestat(
                os.fstat(self.descriptors[name]), os.stat(self.folder / name, follow_symlinks=not name)
            )
        except (OSError, KeyError):
            return False

    def check(self) -> str | None:
        """Take the lock again where it was removed, and return a line that says so; None where nothing happened.

        Raises RunError where the folder is no longer this process's: removed, moved, or in other hands.
        """
        if self.stands():
            return None
        if not self.stands("") or os.path.lexists(self.folder / LOCK):
            raise RunError(
                f"{self.folder} or its {LOCK} was moved, removed or replaced while this run wrote to it; nothing more "
                "is written there; what it had saved goes on with --resume"
            )
        os.close(self.descriptors.pop(LOCK))
        with explained(self.folder / LOCK):
            self.claim(new=True)
        return f"{self.folder / LOCK} was removed while this run wrote to its folder; it is held again"

    def release(self) -> None:
        """Let go of the lock, which the kernel does for a process that ends."""
        while self.descriptors:
            os.close(self.descriptors.popitem()[1])


class NoHold(Hold):
    """Stands for the hold of a folder that another process writes."""

    def check(self) -> None:
        """Find nothing: it is the other's to look after."""


@contextmanager
def lock(folder: Path, *, make: bool = False) -> Iterator[Hold]:
    """Hold `folder/.lock` for as long as the block runs. Raises RunError where another process holds it.

    make: make the folder where it is missing. A killed run leaves nothing to clear; the empty file stays.
    """
    hold = Hold(folder)
    try:
        while not hold.stands():  # the holder before may have removed the folder with the lock that was waited for
            hold.release()
            with explained(folder), suppress(FileNotFoundError) if make else nullcontext():
                if make:
                    make_folder(folder)
                hold.take()
        yield hold
    finally:
        hold.release()


@contextmanager
def explained(path: Path, *, needed: int | None = None, flag: str = "--out") -> Iterator[None]:
    """Turn an OSError of writing `path` (`needed` bytes, where known) into a RunError that says what to do.

    flag: what the user chose the place by.

    The OSError stays its `__cause__`, for callers that go on after a full disk but not after anything else.
    """
    try:
        yield
    except OSError as error:
        mend = MENDS.get(error.errno or 0, "check the disk or choose another --out").replace("--out", flag)
        raise RunError(f"cannot write {path}: {error.strerror or error}{room(path, error, needed)}; {mend}") from error


def room(path: Path, error: OSError, needed: int | None) -> str:
    """Return " (N bytes needed, M free)" for an error that is about space, else nothing."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ""
    free = f"{shutil.disk_usage(existing(path)).free} free"
    return f" ({free})" if needed is None else f" ({needed} bytes needed, {free})"


def temporary_name(target: Path) -> Path:
    """Return a new name beside `target`: on the same device, for a rename can reach it, short, and of its ending."""
    return target.parent / f"{TEMPORARY}{secrets.token_hex(8)}{''.join(target.suffixes[-2:])[-ENDING:]}"


def write_new(path: Path, data: bytes) -> None:
    """Create `path`, which must not exist, with the permissions that the umask allows, and write `data`."""
    with open(path, "xb") as file:
        file.write(data)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
