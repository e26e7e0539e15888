"""Mistakes of a program that saves: each must be found by the harness that looks for it, or the harness is none."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ft.runs import checkpoint, saving
from ft.system import files
from ft.weights.safetensors_file import sha256_of_tensors


def sync_only(wanted: Callable[[Path], bool]) -> Callable[[], None]:
    """Return what makes `files.sync` leave out the paths that are not `wanted`."""

    def plant() -> None:
        sync = files.sync
        files.sync = lambda path: sync(path) if wanted(path) else None

    return plant


def rename_first() -> None:
    """Rename what was written into place, and sync it afterwards."""

    def commit(temporary: Path, target: Path) -> None:
        os.replace(temporary, target)
        for path in (*(target.iterdir() if target.is_dir() else ()), target, target.parent):
            files.sync(path)

    files.commit = commit


def write_in_place() -> None:
    """Write a checkpoint into its own folder."""
    careful = files.publishing

    @contextmanager
    def publishing(target: Path, *, needed: int | None = None) -> Iterator[Path]:
        if checkpoint.STEP_NAME.fullmatch(target.name):
            with files.explained(target):
                yield target
        else:
            with careful(target, needed=needed) as temporary:
                yield temporary

    files.publishing = publishing


def prune_first() -> None:
    """Make room for a checkpoint before it is written."""
    save = checkpoint.save

    def pruned(folder: Path, **contents: Any) -> Path:
        for path in checkpoint.steps(folder).values():
            files.remove_folder(path)
        return save(folder, **contents)

    checkpoint.save = pruned


def share_last() -> None:
    """Write what checkpoints share after the first that needs it."""
    save, share = checkpoint.save, checkpoint.save_frozen
    later: list[tuple[Path, checkpoint.Tensors]] = []

    def promise(folder: Path, tensors: checkpoint.Tensors) -> str:
        later.append((folder, tensors))
        return sha256_of_tensors(tensors)

    def saved(folder: Path, **contents: Any) -> Path:
        path = save(folder, **contents)
        while later:
            share(*later.pop())
        return path

    checkpoint.save_frozen, checkpoint.save = promise, saved


def forget_names() -> None:
    """Resume without looking whether the last checkpoint has its name already."""
    write, name = saving.Saver.write, saving.Saver.name

    def named_on_save(self: saving.Saver, snapshot: saving.Snapshot) -> None:
        self.named = True  # type: ignore[attr-defined]
        write(self, snapshot)

    saving.Saver.write = named_on_save
    saving.Saver.name = lambda self, *a, **k: name(self, *a, **k) if hasattr(self, "named") else None


PLANTS: dict[str, Callable[[], None]] = {
    "files are not synced": sync_only(lambda path: path.is_dir()),
    "folders are not synced": sync_only(lambda path: not path.is_dir()),
    "the folder of the checkpoints is not synced": sync_only(lambda path: path.name != "checkpoints"),
    "new folders are not synced": sync_only(lambda path: path.name != "run"),
    "renamed before it is synced": rename_first,
    "written in place": write_in_place,
    "pruned before it is saved": prune_first,
    "what is shared comes last": share_last,
    "names are not mended": forget_names,
}
