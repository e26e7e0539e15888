"""Where a frozen base's features are kept."""

from dataclasses import dataclass
from typing import Literal

from ft.recipe.fields import option


@dataclass(frozen=True, kw_only=True)
class CacheSection:
    """Fields under the heading "feature cache"."""

    cache: Literal["auto", "memory", "disk", "off"] = option(
        "auto",
        "where a frozen base's features are kept while pixels do not change: auto is memory up to cache_limit, disk "
        "above; off computes them in every epoch",
        group="feature cache",
        decides={"cache"},
    )
    cache_limit: float = option(
        2.0,
        "auto: GB of features (of all images together) up to which memory keeps them",
        group="feature cache",
        decides={"cache"},
        above=0,
    )
    cache_disk_limit: float = option(
        20.0,
        "GB of all files of features together; the least recently used give way",
        group="feature cache",
        decides={"cache"},
        above=0,
    )
    cache_dir: str | None = option(
        None,
        "folder of the files of features (default: FT_CACHE, or ~/.cache/ft-parity)",
        group="feature cache",
        decides={"cache"},
    )
    cache_views: int = option(
        0,
        "with augmentation: keep so many views of each image and take them in turn, an approximation (0: none)",
        group="feature cache",
        decides={"cache"},
        at_least=0,
    )
