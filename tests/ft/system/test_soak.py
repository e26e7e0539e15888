"""The judge of the soak run: what grows is told, what is flat with peaks is not."""

from random import Random

import pytest

from tests.soak import judge

FLAT = [(1e6 + Random(i).gauss(0, 2000), 20, 9) for i in range(300)]


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (FLAT, []),
        ([(3e6, 99, 99)] * 50 + FLAT[:100], []),  # the first runs load what all others share
        ([(m + 100 * i, f, t) for i, (m, f, t) in enumerate(FLAT)], ["memory grows by"]),
        ([(m, f + i // 250, t) for i, (m, f, t) in enumerate(FLAT)], ["open files: 20, then 21"]),
        ([(m, f, t + i // 100) for i, (m, f, t) in enumerate(FLAT)], ["threads: 10, then 11"]),
    ],
)
def test_what_grows_is_told(seen, told):
    wrong = judge(seen)["wrong"]
    assert len(wrong) == len(told)
    assert all(line.startswith(start) for line, start in zip(wrong, told, strict=True))
