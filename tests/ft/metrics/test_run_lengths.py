"""Run lengths are COCO's own, there and back."""

import numpy as np
from pycocotools import mask as coco

from ft.metrics.run_lengths import Runs, runs_of


def test_they_are_cocos():
    rng = np.random.default_rng(0)
    masks = [rng.random((13, 9)) < share for share in (0, 0.1, 0.5, 0.9, 1)]
    masks.append(np.kron(rng.random((5, 4)) < 0.5, np.ones((90, 70))) > 0)  # counts of several characters
    for mask in masks:
        own = runs_of(mask)
        assert coco.encode(np.asfortranarray(mask.astype(np.uint8))) == {
            "size": list(mask.shape), "counts": own.counts.encode(),
        }  # fmt: skip
        np.testing.assert_array_equal(own.mask, mask)
        assert own.area == mask.sum()
        assert Runs(*own.as_coco["size"], own.as_coco["counts"]) == own
