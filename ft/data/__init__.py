"""The data pipeline: a folder, a CSV or the built-in set -> samples -> pixels -> batches, one for both wings."""

from ft.data.augment import apply_crop, crop_and_flip, draw_crop
from ft.data.batches import Batch, Batches
from ft.data.decode import decode
from ft.data.digits import read_digits
from ft.data.distort import Distortion
from ft.data.index import Dataset, Sample, open_dataset, open_images
from ft.data.mix import Mix
from ft.data.pixels import Pixels
from ft.data.policy import Policy
from ft.data.preprocess import Preprocess
from ft.errors import printable

__all__ = [
    "Batch",
    "Batches",
    "Dataset",
    "Distortion",
    "Mix",
    "Pixels",
    "Policy",
    "Preprocess",
    "Sample",
    "apply_crop",
    "crop_and_flip",
    "decode",
    "draw_crop",
    "open_dataset",
    "open_images",
    "printable",
    "read_digits",
]
