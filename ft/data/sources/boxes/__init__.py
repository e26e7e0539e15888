"""Images with boxes: which layouts there are, and the data set that training gets of them."""

from ft.data.sources.boxes.dataset import open_box_images, open_boxes, read_boxes
from ft.data.sources.boxes.source import holds_boxes, holds_boxes_alone

__all__ = ["holds_boxes", "holds_boxes_alone", "open_box_images", "open_boxes", "read_boxes"]
