"""One door for weights files: what a file is follows from its bytes, never from its name."""

from pathlib import Path

import numpy as np

from ft.errors import WeightsError
from ft.weights.folders import of_folder
from ft.weights.safetensors_file import parse_safetensors
from ft.weights.torch_file import LEGACY_MAGIC, read_torch_legacy, read_torch_zip

EXPECTED = "expected .safetensors, or .pth from torch.save(model.state_dict(), path)"
LIKENESSES = {
    b"<": "a web page",
    b"version https://git-lfs": "a Git LFS pointer; run `git lfs pull`",
    b"{": "JSON",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file (.h5)",
    b"\x1f\x8b": "a gzip file; unpack it",
    b"\x93NUMPY": "a NumPy array (.npy)",
    b"\x80": "a pickle that torch.save did not write",
    b"PK": "a zip archive",
}


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Return the tensors of a .safetensors or .pth file by name, in the file's types and layouts.

    A .pth file may nest its state dict under "state_dict", "model" or "model_state". Raises WeightsError, one line that
    names the file and the reason, for every other kind of file and for anything but plain tensors; nothing in a file
    is ever run.
    """
    path = Path(path)
    try:
        head = read_head(path)
        if head.startswith(b"PK\x03\x04"):
            return read_torch_zip(path)
        if head.startswith(LEGACY_MAGIC):
            return read_torch_legacy(path)
        if head[8:9] == b"{":
            return parse_safetensors(path.read_bytes())
        raise WeightsError(f"looks like {describe(head)}; {EXPECTED}")
    except OSError as error:
        raise WeightsError(f"weights {path}: {error.strerror or error}; {EXPECTED}") from None
    except WeightsError as error:
        raise WeightsError(f"weights {path}: {error}") from None


def read_head(path: Path) -> bytes:
    """Return the first bytes of a regular file; a pipe or device is never opened, for it could block."""
    if path.exists() and not path.is_file():
        raise WeightsError(of_folder(path) if path.is_dir() else f"is no regular file; {EXPECTED}")
    with open(path, "rb") as file:
        return file.read(512)


def describe(head: bytes) -> str:
    """Say in words what a file that starts with `head` looks like."""
    if not head:
        return "an empty file"
    if head[257:262] == b"ustar":
        return "a tar archive"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return next((what for start, what in LIKENESSES.items() if text.startswith(start)), f"no weights ({head[:8]!r})")
