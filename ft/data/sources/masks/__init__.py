"""Images with masks: which layouts there are, and the data set that training gets of them."""

from ft.data.sources.masks.dataset import open_mask_images, open_masks, read_masks
from ft.data.sources.masks.source import holds_masks

__all__ = ["holds_masks", "open_mask_images", "open_masks", "read_masks"]
