"""The images: where they come from, what is drawn on them, and what is refused."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ft.errors import RecipeError
from ft.recipe.fields import option


@dataclass(frozen=True, kw_only=True)
class ImagesSection:
    """Fields under the heading "data"."""

    data: str = option(
        "digits",
        "digits, a folder of class folders, or a CSV path,label[,split] (cat|dog: two labels); with masks or boxes "
        "scenes, images/ and masks/, COCO, VOC, YOLO, or a CSV; of texts reuters, or a CSV text,label[,split]: "
        "docs/data.md",
        group="data",
        decides={"order"},
    )
    val_fraction: float = option(
        0.2,
        "share of each class held out where the data has no val split",
        group="data",
        decides={"images", "check"},
        at_least=0,
        below=1,
    )
    image_size: int | None = option(
        None,
        "pixels a side (default: the data set's or the network's own)",
        group="data",
        decides={"preprocess", "shapes", "check"},
        at_least=8,
    )
    max_size: int | None = option(
        None,
        "boxes: the short side becomes image_size and the long one at most this, padded in batches (default: squares)",
        group="data",
        decides={"preprocess", "check"},
        at_least=8,
    )
    group_by_aspect: bool = option(
        False,
        "with max_size: a step has pictures of like shapes, so that little is padded",
        group="data",
        decides={"order"},
    )
    augment: Literal["none", "flip", "crop-flip"] = option(
        "none",
        "crop-flip: RandomResizedCrop and horizontal flip; flip: the flip alone; none: resize and crop",
        group="data",
        decides={"pixels"},
    )
    randaugment: str | None = option(
        None,
        "RandAugment: operations an image and their magnitude of 0 to 30, such as 2x9",
        group="data",
        decides={"pixels"},
    )
    jitter: float = option(
        0.0,
        "change brightness, contrast and saturation by up to this share",
        group="data",
        decides={"pixels"},
        at_least=0,
    )
    hue: float = option(
        0.0,
        "turn hues by up to this share of the circle, in jitter's turn",
        group="data",
        decides={"pixels"},
        at_least=0,
        at_most=0.5,
    )
    erase: float = option(
        0.0, "share of the images that lose a random box", group="data", decides={"pixels"}, at_least=0, at_most=1
    )
    mixup: float = option(
        0.0, "blend images in pairs: alpha of the Beta distribution", group="data", decides={"pixels"}, at_least=0
    )
    cutmix: float = option(
        0.0, "paste a box of another image: alpha, as for mixup", group="data", decides={"pixels"}, at_least=0
    )
    jpeg: Literal["full", "reduced"] = option(
        "full",
        "reduced: decode large JPEGs at 1/2, 1/4 or 1/8, never below twice what is needed",
        group="data",
        decides={"preprocess"},
    )
    workers: int = option(
        2,
        "threads that read and resize images",
        group="data",
        decides={"machine", "opening", "check"},
        at_least=0,
        at_most=256,
    )
    ignore_index: int = option(
        255,
        "masks: the value whose pixels do not count",
        group="data",
        decides={"images", "check"},
        at_least=0,
        at_most=65535,
    )
    on_bad_image: Literal["error", "skip"] = option(
        "error",
        "an image that cannot be used: stop there, or try all first and leave it out",
        group="data",
        decides={"images", "opening"},
    )
    max_bad_fraction: float = option(
        0.01,
        "share of the images that may be left out before it is an error",
        group="data",
        decides={"limits", "opening"},
        at_least=0,
        below=1,
    )
    max_pixels: int = option(
        89_478_485,
        "width times height above which an image is not decoded",
        group="data",
        decides={"limits", "opening", "check"},
        at_least=1,
    )
    fail_on_leak: bool = option(
        False,
        "val images that are train images are an error, not a warning",
        group="data",
        decides={"limits", "opening", "check"},
    )
    fail_on_empty_class: bool = option(
        False, "class folders without images are an error, too", group="data", decides={"limits", "opening", "check"}
    )
    allow_outside_root: bool = option(
        False,
        "CSV paths and links to files may lead out of the data's folder",
        group="data",
        decides={"limits", "opening", "check"},
    )
    allow_data_change: bool = option(
        False, "resume although the images are not those of the checkpoint", group="data", decides={"limits"}
    )
    allow_nonfinite: bool = option(
        False, "start from weights that hold NaN or infinity", group="data", decides={"limits"}
    )
    read_timeout: float = option(
        300.0, "seconds to wait for one image (needs workers)", group="data", decides={"limits"}, above=0, below=1e6
    )

    @cached_property
    def operations(self) -> tuple[int, int]:
        """The number of operations of `randaugment` and their magnitude, (0, 0) for none."""
        if self.randaugment is None:
            return 0, 0
        match = re.fullmatch(r"([1-9]\d?)x(\d\d?)", self.randaugment)
        if not match or int(match[2]) > 30:
            raise RecipeError(
                f"randaugment: got {self.randaugment!r}; expected operations x magnitude up to 30, such as 2x9"
            )
        return int(match[1]), int(match[2])
