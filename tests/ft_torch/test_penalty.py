"""Loss and gradients of the regularisers against torch's autograd of the formula, in float64."""

import numpy as np
import pytest
import torch

from ft.training.penalty import Terms
from ft_torch import Penalty

SHAPES = {"a.weight": (3, 4), "a.bias": (5,), "head.weight": (2, 3)}
KINDS = {
    "l2": Terms(l2=0.3),
    "l1": Terms(l1=0.2),
    "elastic": Terms(l2=0.3, l1=0.2),
    "l2sp": Terms(l2sp=0.7),
    "all": Terms(l2=0.3, l1=0.2, l2sp=0.7),
}


def drawn(seed):
    rng = np.random.default_rng(seed)
    return {name: torch.from_numpy(rng.normal(size=shape)) for name, shape in SHAPES.items()}


def moved(terms):
    """Return a penalty whose parameters have left their anchors, and the anchors."""
    parameters, start = drawn(0), drawn(0)
    penalty = Penalty(parameters, terms)
    penalty.anchor()
    for name, x in drawn(1).items():
        parameters[name] += x
    parameters["a.weight"][0, 0] = 0.0  # where |w| has no derivative
    return penalty, start


@pytest.mark.parametrize("kind", KINDS)
def test_autograd_says_the_same(kind):
    terms = {"a.weight": KINDS[kind], "head.weight": Terms(l2=0.1)}
    penalty, start = moved(terms)
    gradients, loss = drawn(2), torch.tensor(1.5, dtype=torch.float64)
    added, sums = penalty.add(loss, gradients)

    theirs = {name: w.clone().requires_grad_() for name, w in penalty.parameters.items()}
    formula = loss.clone()
    for name, w in theirs.items():
        t = terms.get(name, Terms())
        formula = formula + 0.5 * t.l2 * torch.norm(w) ** 2 + t.l1 * torch.norm(w, 1)
        formula = formula + 0.5 * t.l2sp * torch.norm(w - start[name]) ** 2 + 0 * w.sum()
    formula.backward()
    assert added.item() == pytest.approx(formula.item(), rel=1e-14)
    for name, w in theirs.items():
        torch.testing.assert_close(sums[name], gradients[name] + w.grad, rtol=1e-13, atol=1e-14)
