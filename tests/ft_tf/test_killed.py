"""The TensorFlow wing killed with SIGKILL, again and again, at random moments: the run comes to the same end."""

import pytest

from tests.ft.robustness.killed import require_same_end_when_killed


@pytest.mark.slow
def test_a_run_that_is_killed_at_random_comes_to_the_same_end(tmp_path):
    require_same_end_when_killed(tmp_path, wing="ft_tf", kills=3)
