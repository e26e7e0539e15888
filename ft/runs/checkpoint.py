"""Checkpoints: the whole state of a run at one step, in a folder that belongs to both wings.

    checkpoints/step-000120/{model.safetensors, optimizer.safetensors, state.json}
    checkpoints/frozen-0123456789abcdef-{a,b}.safetensors
    checkpoints/last.json, best.json     {"step": 120}

The folder appears with one rename, so it is there whole or not at all; the sha256 of each weight file in state.json
tells bit rot afterwards. Order is by step, never by time. `folder` is always the run's folder.

What does not change from one checkpoint to the next, a frozen base, is not written with each: it has a file of its own,
named by its sha256, and a copy of that, for all of them depend on it.
"""

import hashlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ft.errors import RunError, listed, printable
from ft.runs.tables import POINTER
from ft.runs.tables import STATE as STATE_TABLE
from ft.system import files, reading
from ft.system.names import CHECKPOINTS, FROZEN, MODEL, OPTIMIZER, STATE, STEP

FORMAT = 2  # 1: nothing is shared between checkpoints
MEND = "restore the checkpoint, or remove it to go on from the one before"
HEADERS = 1 << 18  # bytes of names and of state.json, generously
STEP_NAME = re.compile(rf"{STEP}(\d{{6,}})")

Tensors = dict[str, np.ndarray]


class BrokenCheckpoint(RunError):
    """A checkpoint that is incomplete or altered: an earlier one can take its place."""


@dataclass(frozen=True)
class Checkpoint:
    """What was saved at one step: canonical tensors, the plain state, and the folder that they came from."""

    model: Tensors
    optimizer: Tensors
    state: dict[str, Any]
    path: Path

    @property
    def step(self) -> int:
        """The number of updates that were done."""
        return self.state["step"]


def save(
    folder: Path, *, step: int, model: Tensors, optimizer: Tensors, state: dict[str, Any], frozen: str | None = None
) -> Path:
    """Write the checkpoint of `step` and return its folder; a whole one that is already there is left as it is.

    frozen: what `save_frozen` returned for the rest of the model. state: plain values; "format", "step", "sha256" and
    "frozen" are added. Non-finite floats become null, see `files.plain`.
    """
    target = step_folder(folder, step)
    if target.exists():
        if is_whole(target):
            return target
        files.remove_folder(target)
    contents, needed = {MODEL: model, OPTIMIZER: optimizer}, size_of(model, optimizer)
    with files.publishing(target, needed=needed) as temporary:
        files.make_folder(target.parent)
        files.require_room(target, needed)
        temporary.mkdir()
        digests = {name: write_tensors(temporary / name, tensors) for name, tensors in contents.items()}
        whole = {**state, "format": FORMAT, "step": step, "sha256": digests, "frozen": frozen}
        (temporary / STATE).write_text(files.json_text(whole), encoding="ascii")
    return target


def save_frozen(folder: Path, tensors: Tensors) -> str | None:
    """Write what the coming checkpoints share, twice, unless it is there; return its sha256, None for no tensors."""
    from ft.weights.safetensors_file import sha256_of_tensors

    if not tensors:
        return None
    sha256, needed = sha256_of_tensors(tensors), size_of(tensors, {})
    for path in frozen_files(folder, sha256):
        if not holds(path, sha256):
            with files.publishing(path, needed=needed) as temporary:
                files.make_folder(path.parent)
                files.require_room(path, needed)
                write_tensors(temporary, tensors)
    return sha256


def size_of(model: Tensors, optimizer: Tensors) -> int:
    """Return about how many bytes a checkpoint of these tensors takes."""
    return HEADERS + sum(tensor.nbytes for tensors in (model, optimizer) for tensor in tensors.values())


def require_room(folder: Path, model: Tensors, optimizer: Tensors) -> None:
    """Raise RunError unless a run's checkpoints (best, last, the next one) and its result fit on the disk."""
    held = sum(file.stat().st_size for file in place(folder).glob("**/*.safetensors"))
    needed = max(3 * size_of(model, optimizer) + size_of(model, {}) - held, 0)
    with files.explained(folder, needed=needed):
        files.require_room(folder / STATE, needed)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint folder and verify it. Raises RunError: missing, altered, or of a newer format."""
    path = Path(path)
    state = read_state(path)
    model, optimizer = (read_tensors(path, path / name, state["sha256"].get(name)) for name in (MODEL, OPTIMIZER))
    return Checkpoint({**read_frozen(path, state.get("frozen")), **model}, optimizer, state, path)


def point(folder: Path, name: Literal["last", "best"], step: int) -> None:
    """Make the checkpoint of `step` the run's last or best one."""
    files.write_json(pointer(folder, name), {"step": step})


def pointed(folder: Path, name: Literal["last", "best"]) -> Path | None:
    """Return the checkpoint that is called last or best; None where none was named or it is gone."""
    path = pointer(folder, name)
    try:
        target = step_folder(folder, reading.read_json(path, POINTER)["step"])
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; delete the file to go on without it") from None
    except RunError as error:
        raise RunError(f'{error}, a line like {{"step": 120}}, or delete the file to go on without it') from None
    return target if target.is_dir() else None


def last_good(folder: Path) -> Checkpoint | None:
    """Return the whole checkpoint with the highest step; None where there is none.

    A broken one is passed over with a UserWarning, a newer format raises RunError. Leftovers of an interrupted save
    are removed, so only the holder of the run's lock may call this.
    """
    for where in (folder, place(folder)):
        files.sweep(where)
    for _, path in sorted(steps(folder).items(), reverse=True):
        try:
            return load(path)
        except BrokenCheckpoint as error:
            warnings.warn(f"{printable(error)}; falling back to the one before", UserWarning, stacklevel=2)
    return None


def prune(folder: Path, keep: set[int]) -> None:
    """Delete the checkpoints of all other steps, whole or broken, and then what only these shared."""
    for step, path in steps(folder).items():
        if step not in keep:
            files.remove_folder(path)
    try:
        needed = {read_state(path).get("frozen") for path in steps(folder).values()}
    except RunError:  # a broken one does not tell what it shares
        return
    files_needed = {file for sha256 in needed for file in frozen_files(folder, sha256)}
    for file in set(place(folder).glob(f"{FROZEN}*")) - files_needed:
        with files.explained(file):
            file.unlink()


def place(folder: Path) -> Path:
    """Return where a run's checkpoints live; RunError where a link leads to another place."""
    return files.own(folder, folder / CHECKPOINTS)


def steps(folder: Path) -> dict[int, Path]:
    """Return the step folders of a run by step."""
    paths = [files.own(folder, path) for path in place(folder).glob(f"{STEP}*")]
    return {int(match[1]): path for path in paths if (match := STEP_NAME.fullmatch(path.name)) and path.is_dir()}


def step_folder(folder: Path, step: int) -> Path:
    """Return where the checkpoint of `step` lives."""
    return files.own(folder, place(folder) / f"{STEP}{step:06d}")


def frozen_files(folder: Path, sha256: str | None) -> list[Path]:
    """Return where the two copies of what checkpoints share live."""
    names = [f"{FROZEN}{sha256[:16]}-{copy}.safetensors" for copy in "ab"] if sha256 else []
    return [files.own(folder, place(folder) / name) for name in names]


def has_frozen(folder: Path, sha256: str | None) -> bool:
    """Tell whether both copies of what checkpoints share are there."""
    return all(path.exists() for path in frozen_files(folder, sha256))


def pointer(folder: Path, name: str) -> Path:
    """Return the file that names the last or the best checkpoint."""
    return files.own(folder, place(folder) / f"{name}.json")


def is_whole(path: Path) -> bool:
    """Tell whether a checkpoint reads and verifies."""
    try:
        load(path)
    except BrokenCheckpoint:
        return False
    return True


def read_state(path: Path) -> dict[str, Any]:
    """Read state.json and check that this version understands it."""
    file = files.own(path.parent, path / STATE)
    try:
        state = reading.read_json(file, reading.OBJECT)
    except OSError as error:
        raise BrokenCheckpoint(f"checkpoint {path} is broken: {STATE}: {error.strerror}") from None
    except RunError as error:
        raise BrokenCheckpoint(f"checkpoint {path} is broken: {error}") from None
    version = state.get("format")
    if type(version) is int and version > FORMAT:
        raise RunError(
            f"checkpoint {path} has format {reading.shown(version)}, this version reads up to {FORMAT}; "
            "update ft-parity"
        )
    try:
        return reading.require(state, STATE_TABLE, path / STATE)
    except RunError as error:
        raise BrokenCheckpoint(f"checkpoint {path} is broken: {error}") from None


def require_tensors(tensors: Tensors, wanted: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Raise RunError where a tensor of a checkpoint is missing or has another shape. wanted: name -> shape."""
    missing = [name for name in wanted if name not in tensors]
    if missing:
        raise RunError(
            f"{path}: found no tensor {listed(map(printable, missing), 3)}, expected one of every name; {MEND}"
        )
    for name, shape in wanted.items():
        tensor = tensors[name]
        if tensor.shape != tuple(shape) or tensor.dtype.kind not in "fiuV":
            what = f"{printable(name)} {tensor.shape} of {tensor.dtype}"
            raise RunError(f"{path}: found the tensor {what}, expected numbers of shape {tuple(shape)}; {MEND}")


def write_tensors(path: Path, tensors: Tensors) -> str:
    """Write a .safetensors file and return its sha256."""
    from ft.weights.safetensors_file import write_safetensors

    return write_safetensors(path, tensors, {})


def read_tensors(path: Path, file: Path, sha256: str | None) -> Tensors:
    """Read a .safetensors file of the checkpoint `path`, which must have this sha256."""
    from ft.weights.read import read_weights

    try:
        require_whole(files.own(path.parent, file))
        digest = sha256_of(file)
    except OSError as error:
        raise BrokenCheckpoint(f"checkpoint {path} is broken: {file.name}: {error.strerror}") from None
    if digest != sha256:
        raise BrokenCheckpoint(f"checkpoint {path} is broken: {file.name} was altered (its sha256 differs)")
    return read_weights(file)


def read_frozen(path: Path, sha256: str | None) -> Tensors:
    """Read what the checkpoint `path` shares with others, from the copy where the first file is broken."""
    if sha256 is None:
        return {}
    first, copy = frozen_files(path.parent.parent, sha256)
    try:
        return read_tensors(path, first, sha256)
    except BrokenCheckpoint as error:
        tensors = read_tensors(path, copy, sha256)
        warnings.warn(f"{printable(error)}; its copy {copy.name} takes its place", UserWarning, stacklevel=3)
        return tensors


def require_whole(file: Path) -> None:
    """Raise BrokenCheckpoint where a file is not as long as its header says, before all of it is read."""
    from safetensors import SafetensorError, safe_open

    file.stat()  # an OSError that says why, where there is none
    try:
        with safe_open(file, framework="numpy"):
            pass
    except SafetensorError:
        raise BrokenCheckpoint(
            f"checkpoint {file.parent} is broken: {file.name} was altered (its header does not fit its size)"
        ) from None


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def holds(path: Path, sha256: str) -> bool:
    """Tell whether a file is there and has this sha256."""
    try:
        return sha256_of(path) == sha256
    except OSError:
        return False
