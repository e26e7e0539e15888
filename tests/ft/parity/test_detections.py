"""How far apart detections are: partners by class and place, and those that have none."""

import numpy as np

from ft.parity.detections import apart


def found(*rows):
    """Return detections (x1, y1, x2, y2, score, class) of one picture, filled up to three."""
    rows = [*rows, *[(0, 0, 0, 0, 0, -1)] * (3 - len(rows))]
    table = np.array(rows, np.float64)
    return {"boxes": table[None, :, :4], "scores": table[None, :, 4], "classes": table[None, :, 5].astype(np.int64)}


A, B = (10, 10, 50, 50, 0.9, 0), (20, 10, 60, 40, 0.8, 1)


def test_order_does_not_matter_and_the_largest_difference_does():
    other = (10, 10, 50, 50.1, 0.9, 0), (20, 10, 60, 40, 0.8 + 5e-4, 1)
    away = apart(found(A, B), found(*other[::-1]), bar=2e-3, side=100)
    np.testing.assert_allclose(away.largest, 1e-3)
    assert (away.alone, away.count) == (0, 4)


def test_what_has_no_partner_is_counted_on_both_sides():
    other_class, not_a_number = (*A[:5], 2), (np.nan, *A[1:])
    assert apart(found(A, B), found(A), bar=1e-3, side=100).alone == 1
    assert apart(found(A, B), found(other_class, B), bar=1e-3, side=100).alone == 2
    assert apart(found(not_a_number), found(A), bar=1e-3, side=100).alone == 2
    assert apart(found(), found(A), bar=1e-3, side=100).alone == 1
    assert apart(found(), found(), bar=1e-3, side=100) == apart(found(A), found(A), bar=1e-3, side=100).__class__(
        0, 0, 0
    )
