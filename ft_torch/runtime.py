"""The state of the process that a run needs: where to compute, and whether to the last bit alike."""

import ctypes
import os
import sys

import torch

from ft.errors import RecipeError
from ft_torch.layers.pool import repeat_adaptive_pooling


def prepare(*, device: str, deterministic: bool) -> str:
    """Set up PyTorch for a run and return the device, "cpu", "cuda" or "mps"; "auto" takes a CUDA device or the CPU.

    On a CPU PyTorch's kernels are deterministic for a given number of threads; on a GPU cuBLAS and cuDNN must be told,
    and a gradient is ours.
    Products of float32 are exact there: TF32, which cuDNN takes by default, keeps 10 bits of mantissa. The host's
    memory is kept for the next tensor, not given back.
    """
    keep_memory()
    if device == "cuda" and not torch.cuda.is_available():
        raise RecipeError("device: no CUDA device is visible to PyTorch; use --device cpu, or --device auto")
    if device == "mps" and not torch.backends.mps.is_available():
        raise RecipeError("device: PyTorch sees no Apple GPU here; use --device cpu, or --device auto")
    if device == "mps":  # named only: it has no float64, and no promise to repeat itself to the bit
        return device
    chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    if chosen == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    if chosen == "cuda" and deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        repeat_adaptive_pooling()
    return chosen


def count_gpus() -> int:
    """Return how many GPUs this process may use, of which a training takes one."""
    return torch.cuda.device_count()


def keep_memory() -> None:
    """Let glibc's malloc keep what it took, which saves a page fault for each 4 KB of each large tensor.

    Up to 2 GB that no tensor has. Without effect where the environment says how malloc is to work (MALLOC_MMAP_MAX_ and
    its like, GLIBC_TUNABLES), and with other C libraries.
    """
    told = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if sys.platform == "linux" and not told and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_max = -1, -4  # as malloc.h numbers them
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether PyTorch says that the device, or the machine, has no memory left."""
    on_host = isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)  # no class of its own
    return on_host or isinstance(error, torch.OutOfMemoryError)
