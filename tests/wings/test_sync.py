"""The moments of a whole from those of uneven parts, as ranks tell them: no digit is lost, whatever the mean."""

from importlib import import_module

import numpy as np
import pytest

from tests.wings.installed import in_each_framework


@in_each_framework
@pytest.mark.parametrize("mean", [0.0, 1e6])
def test_parts_have_the_moments_of_the_whole(wing, framework, mean):
    """The last part stands in for one without samples."""
    rng = np.random.default_rng(0)
    parts = [rng.normal(mean + 3 * rng.normal(size=5), 1, (count, 5)) for count in rng.integers(1, 40, 7)]
    counts = np.array([[float(len(part))] for part in parts])
    counts[-1] = 0
    means, variances = (np.stack([of(part, axis=0) for part in parts]) for of in (np.mean, np.var))
    sync = import_module(f"{wing.__name__}.layers.sync")
    found = [np.asarray(x) for x in sync.merged(*(framework.tensor(x) for x in (means, variances, counts)))]
    exact = np.concatenate(parts[:-1]).astype(np.longdouble)
    np.testing.assert_allclose(found[0], exact.mean(0), rtol=1e-13)
    np.testing.assert_allclose(found[1], exact.var(0), rtol=1e-13 + 1e-15 * mean)  # of E[x^2] - E[x]^2 1e-4
    assert float(found[2].sum()) == len(exact)
