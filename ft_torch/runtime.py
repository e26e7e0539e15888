"""The state of the process that a run needs: where to compute, and whether to the last bit alike."""

import os

import torch

from ft.errors import RecipeError


def prepare(*, device: str, deterministic: bool) -> str:
    """Set up PyTorch for a run and return the device, "cpu", "cuda" or "mps"; "auto" takes a CUDA device or the CPU.

    On a CPU PyTorch's kernels are deterministic for a given number of threads; on a GPU cuBLAS and cuDNN must be told.
    Products of float32 are exact there: TF32, which cuDNN takes by default, keeps 10 bits of mantissa. On a CPU large
    tensors lie in huge pages, where Linux has them and no tensor was there before.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # read at the first tensor: a pass has 512 times fewer faults
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
    return chosen


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether PyTorch says that the device, or the machine, has no memory left."""
    on_host = isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)  # no class of its own
    return on_host or isinstance(error, torch.OutOfMemoryError)
