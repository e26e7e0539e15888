"""The data pipeline: a folder, a CSV or the built-in set -> samples -> pixels -> batches, one for both wings."""

from ft.data.batches import Batch, Batches
from ft.data.batches.images import ImageBatches
from ft.data.images.augment import apply_crop, crop_and_flip, draw_crop
from ft.data.images.decode import decode
from ft.data.images.distort import Distortion
from ft.data.images.mix import Mix
from ft.data.images.pixels import Pixels
from ft.data.images.preprocess import Preprocess
from ft.data.inputs import Features, Given, Inputs, Padded, TokenIds
from ft.data.settings import Augmentation, Reading, Sampling
from ft.data.sources.box import Boxes
from ft.data.sources.boxes import holds_boxes, open_box_images, open_boxes
from ft.data.sources.dataset import Dataset, Sample, open_dataset, open_images
from ft.data.sources.digits import read_digits
from ft.data.sources.mask import Mask
from ft.data.sources.masks import holds_masks, open_mask_images, open_masks
from ft.data.sources.policy import Policy
from ft.errors import printable

__all__ = [
    "Augmentation",
    "Batch",
    "Batches",
    "Boxes",
    "Dataset",
    "Distortion",
    "Features",
    "Given",
    "ImageBatches",
    "Inputs",
    "Mask",
    "Mix",
    "Padded",
    "Pixels",
    "Policy",
    "Preprocess",
    "Reading",
    "Sample",
    "Sampling",
    "TokenIds",
    "apply_crop",
    "crop_and_flip",
    "decode",
    "draw_crop",
    "holds_boxes",
    "holds_masks",
    "open_box_images",
    "open_boxes",
    "open_dataset",
    "open_images",
    "open_mask_images",
    "open_masks",
    "printable",
    "read_digits",
]
