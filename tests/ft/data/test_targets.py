"""A batch is cut and mixed as a whole: inputs, targets and positions stay together."""

import numpy as np

from ft.data import Batch, Mix, Pixels
from ft.data.targets import classes_of, rows


def test_the_rows_of_a_batch_stay_together():
    values = np.arange(5 * 12, dtype=np.uint8).reshape(5, 2, 2, 3)
    batch = Batch(Pixels(values, np.ones((3, 256))), {"labels": np.arange(5)}, np.arange(10, 15), 7)
    part = batch.rows(slice(1, 3))
    assert (len(batch), len(part), part.number) == (5, 2, 7)
    assert (part.targets["labels"].tolist(), part.indices.tolist()) == ([1, 2], [11, 12])
    np.testing.assert_array_equal(part.inputs.values, values[1:3])


def test_a_mixed_batch_has_shares_and_no_labels():
    targets = {"labels": np.array([0, 1])}
    _, mixed = Mix(1.0, 0.0, 2, seed=0).apply(np.zeros((2, 4, 4, 3)), targets, epoch=0, number=0)
    assert mixed.keys() == {"shares"}
    np.testing.assert_array_equal(classes_of(rows(mixed, slice(1))), mixed["shares"][:1])
