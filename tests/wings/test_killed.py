"""A wing killed with SIGKILL, again and again, at random moments: the run comes to the same end."""

import pytest

from tests.ft.robustness.killed import require_same_end_when_killed
from tests.wings.installed import NATIVE


@pytest.mark.slow
@pytest.mark.parametrize("name", NATIVE)
def test_a_run_that_is_killed_at_random_comes_to_the_same_end(name, tmp_path):
    require_same_end_when_killed(tmp_path, wing=f"ft_{name}", kills=3)
