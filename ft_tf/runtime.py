"""The state of the process that a run needs: where to compute, and whether to the last bit alike."""

import contextlib
import os
from collections.abc import Iterable

import tensorflow as tf

from ft.errors import RecipeError


def prepare(*, device: str, deterministic: bool) -> str:
    """Set up TensorFlow for a run and return the device, "cpu" or "cuda"; "auto" takes a CUDA device or the CPU.

    On a CPU the kernels of these networks are deterministic for a given number of threads; on a GPU they must be told.
    Products of float32 are exact there: TF32, which TensorFlow takes by default, keeps 10 bits of mantissa. A GPU's
    memory is taken as it is needed, not all at once; the host's is kept for the next tensor, not given back.
    """
    keep_memory()
    gpus = tf.config.get_visible_devices("GPU")
    if device == "cpu" and gpus:
        hide_gpus()
    if device == "mps":
        raise RecipeError("device: mps is there in PyTorch only; use --backend torch, or --device cpu")
    if device == "cuda" and not gpus:
        raise RecipeError("device: no CUDA device is visible to TensorFlow; use --device cpu, or --device auto")
    chosen = "cuda" if device != "cpu" and gpus else "cpu"
    if chosen == "cuda":
        tf.config.experimental.enable_tensor_float_32_execution(False)
        grow_memory(gpus)
    if chosen == "cuda" and deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.zeros(())  # creates the device context now, while its messages are held back
    return chosen


def count_gpus() -> int:
    """Return how many GPUs this process may use, of which a training takes one."""
    return len(tf.config.get_visible_devices("GPU"))


def grow_memory(gpus: Iterable[tf.config.PhysicalDevice]) -> None:
    """Let TensorFlow take a GPU's memory as it is needed, unless it is in use already."""
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)


def hide_gpus() -> None:
    """Let TensorFlow see no GPU: it would place operations there whatever is chosen. RecipeError once it has."""
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        raise RecipeError(
            "device: TensorFlow has used a GPU in this process already, and cannot leave it; start another process"
        ) from None


def keep_memory() -> None:
    """Let TensorFlow keep what it took on the host, which saves a page fault for each 4 KB of each large tensor.

    No more than the machine has: beyond it is an error that can be told, where the system would kill the process.
    Without effect in a process that has computed something before.
    """
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
    if hasattr(os, "sysconf"):  # else TensorFlow takes 64 GB for the limit
        megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
        os.environ.setdefault("TF_CPU_BFC_MEM_LIMIT_IN_MB", str(megabytes))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether TensorFlow says that the device, or the machine, has no memory left."""
    return isinstance(error, tf.errors.ResourceExhaustedError)
