"""The worst pictures of a run on masks: what is around a picture is no part of it."""

import base64
import io

import numpy as np
from PIL import Image

from ft.data import Sample
from ft.report.training.worst import worst_parts
from ft.tasks.pixel_rows import Worst
from ft.tasks.sections import WorstMasks


def test_only_the_picture_is_shown():
    """A network says something of what fills the square, too; that counts for nothing."""
    mask = np.full((20, 20), 255, np.uint8)
    mask[:10] = 0
    section = WorstMasks([("a.png", Worst(0, 0.5, mask, np.ones((20, 20), np.uint8)))], ["sky", "cat"])
    sample = Sample("a.png", 0, np.zeros((30, 60, 3), np.uint8))
    for samples, size in (([sample], (20, 10)), (None, (20, 20))):
        parts = worst_parts(section, samples)
        ((name, iou, pictures),) = parts["rows"]
        contents = [base64.b64decode(uri.partition(",")[2]) for _, uri in pictures]
        assert (name, iou, {Image.open(io.BytesIO(content)).size for content in contents}) == ("a.png", 0.5, {size})
        assert [name for name, _ in parts["legend"]] == ["sky", "cat"]
