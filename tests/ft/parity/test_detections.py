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


def test_what_is_said_beside_is_compared_with_the_partner_s():
    masks = np.zeros((1, 3, 2, 2))
    masks[0, :2] = [[[0.1, 0.2], [0.3, 0.4]], [[0.9, 0.8], [0.7, 0.6]]]
    points, heights = np.arange(6.0).reshape(1, 3, 1, 2), np.array([[[2.0], [-4.0], [0.0]]])
    ours = {**found(A, B), "masks": masks, "keypoints": points, "heights": heights}
    swapped = {name: x[:, [1, 0, 2]] for name, x in ours.items()}
    assert apart(ours, swapped, bar=1e-3, side=100).largest == 0
    assert apart(ours, swapped, bar=1e-3, side=100).alone == 0
    for name, size in (("masks", 1), ("keypoints", 100), ("heights", 4)):
        moved = {**swapped, name: swapped[name].copy()}
        moved[name][0, 0].flat[-1] += 1e-4 * size
        away = apart(ours, moved, bar=1e-3, side=100)
        np.testing.assert_allclose((away.largest, away.alone), (1e-4, 0), rtol=1e-3)
        assert apart(ours, moved, bar=1e-5, side=100).alone == 2


def test_what_has_no_partner_is_counted_on_both_sides():
    other_class, not_a_number = (*A[:5], 2), (np.nan, *A[1:])
    assert apart(found(A, B), found(A), bar=1e-3, side=100).alone == 1
    assert apart(found(A, B), found(other_class, B), bar=1e-3, side=100).alone == 2
    assert apart(found(not_a_number), found(A), bar=1e-3, side=100).alone == 2
    assert apart(found(), found(A), bar=1e-3, side=100).alone == 1
    assert apart(found(), found(), bar=1e-3, side=100) == apart(found(A), found(A), bar=1e-3, side=100).__class__(
        0, 0, 0
    )
