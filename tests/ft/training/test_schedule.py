"""The learning rate against torch.optim.lr_scheduler, in float64."""

import numpy as np
import pytest

from ft.errors import RecipeError
from ft.recipe import Recipe
from ft.training.schedule import Plateau, learning_rate, rate_of
from tests.oracle import lr_scheduler, needs_torch, torch

pytestmark = needs_torch
RULE = {"base": 0.3, "steps_per_epoch": 7, "epochs": 9, "step_epochs": 2, "step_factor": 0.3, "warmup_epochs": 0.0}
STEPS = 63


def ours(schedule, **changes):
    return np.array([learning_rate(step, schedule=schedule, **{**RULE, **changes}) for step in range(STEPS)])


def theirs(make, *, every=1, last=True):
    """Return the rates of a torch scheduler that is stepped after every `every` updates; last: after the last one."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    scheduler = make(optimizer)
    rates = []
    for step in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % every == 0 and (last or step + 1 < STEPS):
            scheduler.step()
    return np.array(rates)


def warmed(make, warmup):
    """Return torch's linear warm-up of `warmup` updates followed by another scheduler."""

    def both(optimizer):
        linear = lr_scheduler.LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
        return lr_scheduler.SequentialLR(optimizer, [linear, make(optimizer)], milestones=[warmup])

    return both


def test_constant():
    np.testing.assert_array_equal(ours("constant"), np.full(STEPS, 0.3))


def test_step_is_torchs_step_lr():
    expected = theirs(lambda o: lr_scheduler.StepLR(o, step_size=2, gamma=0.3), every=7)
    assert len(set(expected)) == 5
    np.testing.assert_allclose(ours("step"), expected, rtol=1e-13, atol=0)


def test_cosine_is_torchs_closed_form():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS)
    expected = []
    for step in range(STEPS):
        scheduler.last_epoch = step
        expected.append(scheduler._get_closed_form_lr()[0])
    np.testing.assert_allclose(ours("cosine"), expected, rtol=1e-13, atol=0)
    # The scheduler itself goes from rate to rate and gathers rounding on the way.
    np.testing.assert_allclose(ours("cosine"), theirs(lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS)), rtol=1e-11)


@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")
def test_warm_up_is_torchs_linear_lr():
    warmup = 11  # round(1.6 * 7)
    rates = ours("constant", warmup_epochs=1.6)
    expected = theirs(warmed(lambda o: lr_scheduler.ConstantLR(o, factor=1, total_iters=0), warmup))
    np.testing.assert_allclose(rates, expected, rtol=1e-13, atol=0)
    assert rates[0] == 0.3 / 12
    assert rates[10] < rates[11] == 0.3
    cosine = theirs(warmed(lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS - warmup), warmup))
    np.testing.assert_allclose(ours("cosine", warmup_epochs=1.6), cosine, rtol=1e-11, atol=0)


def test_drops_are_counted_from_the_start_of_the_training():
    rates = ours("step", warmup_epochs=1.0)
    np.testing.assert_allclose(rates[7:14], 0.3)
    np.testing.assert_allclose(rates[14:28], 0.09)


def test_a_rate_is_float64_and_a_step_is_in_the_training():
    assert all(type(rate) is np.float64 for rate in (learning_rate(s, schedule="constant", **RULE) for s in (0, 62)))
    assert type(learning_rate(0, schedule="cosine", **{**RULE, "warmup_epochs": 1})) is np.float64
    for step in (-1, 63):
        with pytest.raises(ValueError, match="outside of a training of 63"):
            learning_rate(step, schedule="cosine", **RULE)
    with pytest.raises(RecipeError, match="did you mean 'cosine'"):
        learning_rate(0, schedule="cosin", **RULE)


def test_a_warm_up_as_long_as_the_training():
    assert ours("cosine", epochs=9, warmup_epochs=8.99)[-1] == pytest.approx(0.3 * 63 / 64)


def test_exponential_is_torchs():
    expected = theirs(lambda o: lr_scheduler.ExponentialLR(o, gamma=0.8), every=7)
    np.testing.assert_allclose(ours("exponential", epoch_factor=0.8), expected, rtol=1e-13, atol=0)


@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")
@pytest.mark.parametrize("end", [0.0, 0.2])
def test_linear_is_torchs_linear_lr(end):
    def make(left):
        return lambda o: lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=end, total_iters=left)

    np.testing.assert_allclose(ours("linear", end_factor=end), theirs(make(STEPS)), rtol=1e-11)
    warmed_up = theirs(warmed(make(STEPS - 7), 7))
    np.testing.assert_allclose(ours("linear", end_factor=end, warmup_epochs=1.0), warmed_up, rtol=1e-11)


@pytest.mark.parametrize("rise", [0.3, 0.5, 0.01])
def test_one_cycle_is_torchs(rise):
    """At a rise of 0.01 the top lies before the first update."""
    expected = theirs(
        lambda o: lr_scheduler.OneCycleLR(o, 0.3, STEPS, pct_start=rise, cycle_momentum=False), last=False
    )
    np.testing.assert_allclose(ours("one-cycle", rise=rise), expected, rtol=1e-12)


@pytest.mark.parametrize(("patience", "first"), [(0, 1.0), (2, 1.0), (1, np.nan)])
def test_plateau_is_torchs(patience, first):
    losses = np.random.default_rng(0).normal(size=80).cumsum() * 0.01 + 1
    losses[40:] = losses[40]
    losses[0] *= first
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=patience)
    plateau, rates = Plateau(), []
    for loss in losses:
        scheduler.step(float(loss))
        plateau.see(float(loss), base=0.3, factor=0.3, patience=patience)
        rates.append((0.3 * plateau.reduction, optimizer.param_groups[0]["lr"]))
    own, expected = np.array(rates).T
    assert len(set(expected)) > 5
    np.testing.assert_allclose(own, expected, rtol=1e-13)


def test_a_reduction_lowers_the_whole_schedule():
    recipe = Recipe(lr=0.5, schedule="plateau", warmup_epochs=1, epochs=3)
    assert rate_of(recipe, 0, steps_per_epoch=3, reduction=0.1) == pytest.approx(0.1 * 0.5 / 4)
    assert rate_of(recipe, 3, steps_per_epoch=3) == 0.5
