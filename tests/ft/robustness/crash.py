"""`python -m tests.ft.robustness.crash WHAT [--every K]`: kill or fail at every change that the disk is asked for.

WHAT is "saves": four checkpoints of a run, with their pointers and pruning; or "runs": a whole fine-tuning by the hub,
with a wing of NumPy. After each strike the run goes on, as a user would have it: from a checkpoint no older than the
last one that was saved, and to the very same end. No framework is loaded: the process forks once for each strike.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from ft.errors import UserError
from ft.runs import checkpoint
from ft.runs.saving import Saver, Snapshot
from ft.system import files
from tests.ft.robustness.injection import KINDS, Injector, count_changes, watching
from tests.ft.robustness.plants import PLANTS

BEST = 2  # of the steps 1, 2, 3, 4
LAST = 4
Strike = tuple[str, int]


# what stands still: the last two steps share theirs, that of step 1 goes with it
FROZEN = {step: {"f": np.full(3000, float(step))} for step in (1, 2, 3)}
FROZEN[LAST] = FROZEN[LAST - 1]


def tensors(step: int) -> dict[str, np.ndarray]:
    """Return what trains at a step, and its slots: enough for several writes."""
    return {"w": np.full(5000, float(step)), "b": np.arange(3) + step}


def is_that_of_its_step(saved: checkpoint.Checkpoint) -> bool:
    """Tell whether a checkpoint holds the tensors of its step and no others."""
    expected = {"model": {**tensors(saved.step), **FROZEN[saved.step]}, "optimizer": tensors(saved.step)}
    return all(
        getattr(saved, part).keys() == wanted.keys()
        and all(np.array_equal(getattr(saved, part)[name], x) for name, x in wanted.items())
        for part, wanted in expected.items()
    )


def save_all(folder: Path, *, after: int = 0, saved: Callable[[int], None] = lambda step: None) -> None:
    """Save the steps beyond `after` as a training does; `saved` is told when a step is safe."""
    with Saver(folder, cast(Any, SimpleNamespace(sync=lambda: None))) as saver:
        if after:
            saver.name(after, best=after <= BEST, keep=())
        for step in range(after + 1, LAST + 1):
            state, best = {"facts": "x" * 300}, step <= BEST
            parts = {"model": tensors(step), "frozen": FROZEN[step], "optimizer": tensors(step)}
            saver.save(Snapshot(step=step, **parts, state=state, best=best, keep=frozenset()))
            saver.wait()
            saved(step)


def strike_saves(folder: Path, kind: str, at: int) -> str:
    """Strike one series of saves and return what is wrong afterwards; "" if nothing is."""
    notes = folder.with_suffix(".saved")

    def child() -> None:
        descriptor = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with watching(Injector(at, kind).before):
            save_all(folder, saved=lambda step: os.write(descriptor, b"%d\n" % step))

    end = in_child(child)
    promised = max(map(int, notes.read_text().split()), default=0) if notes.exists() else 0
    return wrong_end(end, kind) or wrong_saves(folder, promised)


def wrong_end(end: int, kind: str) -> str:
    """Return what is wrong with the way in which a struck child ended."""
    allowed = (-9,) if "kill" in kind else (0, 2)
    return "" if end in allowed else f"ended with {end}, expected one of {allowed}"


def wrong_saves(folder: Path, promised: int) -> str:
    """Resume a struck series of saves and return what is wrong."""
    folder.mkdir(exist_ok=True)
    if not all(checkpoint.is_whole(path) for path in checkpoint.steps(folder).values()):
        return "a checkpoint was there before it was whole"
    with files.lock(folder):
        good = checkpoint.last_good(folder)
        step = good.step if good else 0
        if step < promised:
            return f"step {promised} was saved, {step} was found"
        if good and not is_that_of_its_step(good):
            return f"the tensors of step {step} are not those that were saved"
        save_all(folder, after=step)
    left = sorted(name for name in os.listdir(folder / "checkpoints") if not name.startswith("frozen-"))
    shared = sorted(path.name for path in (folder / "checkpoints").glob("frozen-*"))
    named = [checkpoint.pointed(folder, name) for name in ("best", "last")]
    if named != [checkpoint.step_folder(folder, step) for step in (BEST, LAST)]:
        return f"best and last are {named}"
    if len(shared) != 4 or left != ["best.json", "last.json", f"step-{BEST:06d}", f"step-{LAST:06d}"]:
        return f"left are {left}, {shared}"
    return ""


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a fork and return its exit code: 2 for a UserError, 70 for anything else, -N for signal N."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            work()
            code = 0
        except UserError:
            code = 2
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fork(work: Callable[[], int], errors: Path) -> int:
    """Run `work` in a fork, its stderr in a file, and return the process's number."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            with open(errors, "w") as sys.stderr, open(os.devnull, "w") as sys.stdout:
                code = work()
        finally:
            os._exit(code)
    return child


def write_images(folder: Path) -> None:
    """Write two classes of eight images."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for shade, label in enumerate(("cat", "dog")):
        (folder / label).mkdir(parents=True)
        for i in range(8):
            pixels = (rng.integers(0, 100, (8, 8, 3)) + 140 * shade).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i}.png")


class Runs:
    """Whole fine-tunings, struck at one change and resumed."""

    def __init__(self, root: Path) -> None:
        from ft.api import result
        from tests import numpy_wing

        numpy_wing.stand_in()
        result.plot_curves = lambda *_, **__: None  # takes longer than all the rest
        self.data = root / "data"
        write_images(self.data)
        self.expected: tuple[bytes, ...] = ()

    def warm_up(self, root: Path) -> None:
        """Train once in this process: what that imports is there in every fork, where it takes longer than to train."""
        self.train(root / "first")
        shutil.rmtree(root / "first")

    def train(self, folder: Path, **how: Any) -> None:
        """Train anew, or go on."""
        from ft.api.finetune import finetune

        recipe = {"model": "resnet18", "weights": "none", "image_size": 8, "epochs": 3, "batch_size": 4, "workers": 0}
        fields = {**recipe, "data": str(self.data), "result": "best", "freeze": "stem", "augment": "crop-flip"}
        finetune(**({"resume": folder, "workers": 2} if how.get("resume") else {**fields, "out": folder}), quiet=True)

    def results(self, folder: Path) -> tuple[bytes, ...]:
        """Return the bytes of what a run ends with."""
        return tuple((folder / name).read_bytes() for name in ("model.safetensors", "predictions.csv"))

    def strike(self, folder: Path, kind: str, at: int) -> str:
        """Strike one run, go on with it, and return what is wrong; "" if nothing is."""

        def child() -> None:
            with watching(Injector(at, kind).before):
                self.train(folder)

        def go_on() -> None:
            try:
                self.train(folder, resume=True)
            except UserError as error:
                told = ("no checkpoint to go on from", "no recipe.yaml", "is finished")
                if not any(words in str(error) for words in told):
                    raise RuntimeError(error) from error
                if told[2] not in str(error):
                    shutil.rmtree(folder, ignore_errors=True)
                    self.train(folder)

        end = in_child(child)
        if wrong := wrong_end(end, kind):
            return wrong
        resumed = in_child(go_on)
        if resumed:
            return f"the resumed run ended with {resumed}"
        return "" if self.results(folder) == self.expected else "the resumed run came to another end"


def main() -> int:
    """Strike everywhere, print the counts and each strike that lost something, and return 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["saves", "runs"])
    parser.add_argument("--every", type=int, default=1, help="strike at every K-th change only")
    parser.add_argument("--plant", choices=PLANTS, help="make this mistake first: it must be found")
    flags = parser.parse_args()
    PLANTS.get(flags.plant, lambda: None)()
    warnings.simplefilter("ignore", UserWarning)  # a broken checkpoint is passed over: that is the point
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as temporary:
        root = Path(temporary)
        if flags.what == "saves":
            work, strike = save_all, strike_saves
        else:
            runs = Runs(root)
            runs.warm_up(root)
            work, strike = runs.train, runs.strike

        def count() -> None:
            (root / "changes").write_text(str(count_changes(work, root / "whole")))

        if in_child(count):
            raise SystemExit("the undisturbed work failed")
        changes = int((root / "changes").read_text())
        if flags.what == "runs":
            runs.expected = runs.results(root / "whole")
        struck, lost = Counter(), []
        for kind in KINDS:
            for at in range(1, changes + 1, flags.every):
                wrong = strike(root / f"{kind} {at}", kind, at)
                struck[kind] += 1
                lost += [f"{kind} at change {at}: {wrong}"] if wrong else []
                shutil.rmtree(root / f"{kind} {at}", ignore_errors=True)
    print(json.dumps({"changes": changes, "struck": struck, "total": struck.total(), "lost": lost}))
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
