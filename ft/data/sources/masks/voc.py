"""Pascal VOC's layout -> its listing: JPEGImages, SegmentationClass and ImageSets/Segmentation/{train,val,test}.txt.

Without these lists, or with another one alone as CVAT writes it, every mask counts and a share is held out. Without
classes.txt beside them the classes are Pascal's own 21; 255 is ignored.
"""

from pathlib import Path

from ft.data.sources.beside import read_lines
from ft.data.sources.folder import HIDDEN, Walk
from ft.data.sources.listing import UNLABELLED_TEST, Inside, note
from ft.data.sources.mask import MaskFile, coded
from ft.data.sources.masks.folder import by_stem
from ft.data.sources.masks.legend import find_legend, read_legend
from ft.data.sources.masks.pairs import LONE, MaskListing, Pair
from ft.errors import DataError, printable

IMAGES, MASKS, LISTS = "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"
# fmt: off
PASCAL = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)
# fmt: on


def is_voc(root: Path) -> bool:
    """Say whether a folder has Pascal VOC's layout."""
    return (root / IMAGES).is_dir() and (root / MASKS).is_dir()


def list_voc(root: Path, *, ignore_index: int, outside: bool = False) -> MaskListing:
    """List a folder of Pascal VOC's layout."""
    walk = Walk(root, Inside(root, outside=outside))
    images, masks = by_stem(root / IMAGES, walk), by_stem(root / MASKS, walk)
    splits = read_lists(root / LISTS, walk.inside)
    pairs = []
    for stem, split in (splits or dict.fromkeys(masks, "")).items():
        if stem not in images and not splits:
            walk.skip(LONE, masks[stem])
            continue
        path, mask = images.get(stem, root / IMAGES / f"{stem}.jpg"), masks.get(stem)
        if split == "test" and mask is None:
            walk.skip(UNLABELLED_TEST, path)
            continue
        name, drawn = (p.relative_to(root).as_posix() for p in (path, mask or root / MASKS / f"{stem}.png"))
        pairs.append(Pair(split, name, path, drawn, MaskFile(mask) if mask else None))
    hidden = len(walk.skipped.pop(HIDDEN, ()))
    notes = [line for reason, names in walk.skipped.items() for line in note(reason, names)]
    if legend := find_legend(root, walk.inside):
        names, coding = read_legend(legend, ignore_index)
    else:
        names, coding = PASCAL, coded(range(len(PASCAL)), [ignore_index])
        notes.append("no classes.txt, so the classes are Pascal VOC's 21")
    return MaskListing(root.resolve().name, pairs, names, coding, notes, dict(walk.skipped), hidden)


def read_lists(folder: Path, inside: Inside) -> dict[str, str]:
    """Return the split of each name that a list of train, val or test holds; none where there are no such lists."""
    splits: dict[str, str] = {}
    for split in ("train", "val", "test"):
        path = folder / f"{split}.txt"
        for name in " ".join(read_lines(path)).split() if inside.holds(path) else ():
            if splits.setdefault(name, split) != split:
                raise DataError(
                    f"{printable(path)}: '{printable(name)}' is in {splits[name]}.txt, too; keep one of the two"
                )
    return splits
