"""A CSV image,mask[,split] with paths relative to its folder -> its listing. classes.txt lies beside it."""

from collections.abc import Mapping
from pathlib import Path

from ft.data.sources.listing import SPLITS, Inside
from ft.data.sources.manifest import HEADER, ROLES, check_path, read_rows
from ft.data.sources.mask import MaskFile
from ft.data.sources.masks.legend import find_legend, read_legend
from ft.data.sources.masks.pairs import MaskListing, Pair
from ft.errors import DataError, printable
from ft.system.reading import shortened

MASK = ("mask", "mask_path")  # a column's names, in any case
COLUMNS: Mapping[str, tuple[str, ...]] = {"image": dict(ROLES)["path"], "mask": MASK, "split": ("split",)}


def is_table_of_masks(path: Path) -> bool:
    """Say whether the header of a CSV has a column of masks."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return any(cell.strip().strip('"').lower() in MASK for cell in file.readline(HEADER).split(","))
    except (OSError, UnicodeDecodeError):
        return False


def list_mask_table(path: Path, *, ignore_index: int, outside: bool = False, missing: bool = False) -> MaskListing:
    """List a CSV. Every complaint says its line. missing: files that do not exist are listed all the same."""
    header, rows = read_rows(path)
    folded = [name.lower() for name in header]
    image, mask, split = (next((folded.index(n) for n in names if n in folded), None) for names in COLUMNS.values())
    if image is None or mask is None:
        raise DataError(
            f"{printable(path)} line 1: the header is '{shortened(','.join(header), 200)}'; expected image,mask or "
            "image,mask,split with commas between"
        )
    inside, absent = Inside(path.parent, outside=outside), [] if missing else None
    pairs: list[Pair] = []
    seen: dict[str, int] = {}
    for line, row in rows:
        where = f"{printable(path)} line {line}"
        name, drawn = (check_path(row[i], path.parent, where, inside, absent) for i in (image, mask))
        if name in seen:
            raise DataError(f"{where}: '{printable(name)}' is in line {seen[name]} already; keep one of the two")
        seen[name] = line
        word = row[split].lower() if split is not None else ""
        if split is not None and word not in SPLITS:
            raise DataError(f"{where}: split '{printable(row[split])}'; expected train, val or test")
        pairs.append(Pair(SPLITS.get(word, ""), name, path.parent / name, drawn, MaskFile(path.parent / drawn)))
    legend = find_legend(path.parent, inside)
    names, coding = read_legend(legend, ignore_index) if legend else (None, None)
    return MaskListing(path.stem, pairs, names, coding)
