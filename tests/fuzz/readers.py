"""The readers of files that come from elsewhere, each as a function of one damaged file."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from ft.errors import UserError

Outcome = str  # "read", "refused", or what a reader promises to bear besides
CASE_SECONDS = 20
LIBRARY_SECONDS = 2


def prepare(folder: Path) -> None:
    """Put what files may refer to beside them."""
    from PIL import Image

    for i in range(4):
        Image.new("RGB", (9, 9), (i * 60, 0, 0)).save(folder / f"{i}.png")


def weights(path: Path) -> Outcome:
    """Read a .pth or safetensors file; a small one must not grow."""
    from ft.weights import read_weights

    tensors = read_weights(path)
    assert sum(tensor.nbytes for tensor in tensors.values()) <= 1 << 26, "grown"
    return "read"


def keras(path: Path) -> Outcome:
    """Read a Keras file as `read_keras` does: what the HDF5 library does to a process may only befall the first one."""
    from ft.weights.keras_file import import_h5py, inspect, opened, read_array

    import_h5py()  # once, not in every child
    inspected = path.with_suffix(".inspected")
    inspected.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code = 70
        try:
            signal.setitimer(signal.ITIMER_REAL, LIBRARY_SECONDS)
            plan = inspect(path)
            inspected.touch()
            with opened(path) as (root, _):
                for where, dtype in plan.values():
                    read_array(root[where], dtype)
            code = 0
        except UserError:
            code = 2
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    end = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert end >= 0 or not inspected.exists(), f"an inspected file ended the process by signal {-end}"
    assert end != 70, "no error of the project's own"
    return {0: "read", 2: "refused", -signal.SIGALRM: "library hangs"}.get(end, "library crashes")


def yaml(path: Path) -> Outcome:
    """Read a recipe."""
    from ft import recipe

    recipe.from_dict(recipe.load(path))
    return "read"


def csv(path: Path) -> Outcome:
    """Open a manifest."""
    from ft.data import open_dataset

    named = path.with_suffix(".csv")
    path.rename(named)
    open_dataset(str(named))
    return "read"


def image(path: Path) -> Outcome:
    """Decode an image."""
    from ft.data import decode

    pixels = decode(path, max_pixels=1 << 22)
    assert pixels.ndim == 3, pixels.shape
    return "read"


READERS: dict[str, Callable[[Path], Outcome]] = {
    "pth": weights,
    "keras": keras,
    "safetensors": weights,
    "yaml": yaml,
    "csv": csv,
    "image": image,
}
