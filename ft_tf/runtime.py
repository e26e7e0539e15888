"""The state of the process that a run needs: where to compute, and whether to the last bit alike."""

import tensorflow as tf

from ft.errors import RecipeError


def prepare(*, device: str, deterministic: bool) -> str:
    """Set up TensorFlow for a run and return the device, "cpu" or "cuda".

    On a CPU the kernels of these networks are deterministic for a given number of threads; on a GPU they must be told.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cuda" and not gpus:
        raise RecipeError("device: no CUDA device is visible to TensorFlow; use --device cpu, or --device auto")
    chosen = "cuda" if device != "cpu" and gpus else "cpu"
    if chosen == "cuda" and deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.zeros(())  # creates the device context now, while its messages are held back
    return chosen


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether TensorFlow says that the device, or the machine, has no memory left."""
    return isinstance(error, tf.errors.ResourceExhaustedError)
