"""Every wing fulfils the protocols of the hub, that of NumPy among them: what the hub's tests run on keeps up."""

import inspect

import pytest

from ft.backend.contract import Learner, Wing


def functions(protocol: type) -> list[str]:
    """Return the names of the functions that a protocol asks for."""
    return [name for name, value in vars(protocol).items() if inspect.isfunction(value) and name[0] != "_"]


def parameters(function: object) -> list[tuple[str, object, object]]:
    """Return name, kind and default of every parameter: types differ by framework, these must not."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", functions(Learner))
def test_the_learners_methods(wing, name):
    assert parameters(getattr(wing.Learner, name)) == parameters(getattr(Learner, name))


@pytest.mark.parametrize("name", functions(Wing))
def test_the_wings_functions(wing, name):
    assert parameters(getattr(wing, name)) == parameters(getattr(Wing, name))[1:]


@pytest.mark.parametrize("name", Wing.__annotations__)
def test_the_wings_constructors(wing, name):
    make = inspect.signature(Wing.__annotations__[name].__call__).parameters.values()
    assert parameters(getattr(wing, name)) == [(p.name, p.kind, p.default) for p in make][1:]


def test_the_learners_attributes(make_learner):
    learner = make_learner(freeze="base")
    assert all(hasattr(learner, name) for name in Learner.__annotations__)


def test_a_step_is_its_gradients_and_its_update(make_learner, batch, eager):
    """From one state both ways come to the same bits, and the probes are their loss and norms."""
    one, other = (make_learner(freeze="base", precision="float64", lr=0.1) for _ in range(2))
    for step in range(2):
        loss, outputs, gradients = other.gradients(batch, step=step)
        update = other.update(gradients, lr=0.1)
        (probes,) = one.fetch([one.step(batch, step=step, lr=0.1)])
        norms = [sum((x**2).sum() for x in tensors.values()) ** 0.5 for tensors in (gradients, update)]
        assert probes[[0, 1, 3]] == pytest.approx([loss, *norms], rel=1e-12)
        assert outputs["logits"].shape == (6, 3)
    for get in ("get_weights", "get_slots"):
        a, b = (getattr(learner, get)() for learner in (one, other))
        assert a.keys() == b.keys()
        assert all((a[name] == b[name]).all() for name in a)


def test_slots_and_weights_carry_a_learner_on(make_learner, batch, eager):
    one, later = (make_learner(freeze="base", precision="float64", seed=seed) for seed in (0, 1))
    one.step(batch, step=0, lr=0.1)
    later.set_weights(one.get_weights())
    later.set_slots(one.get_slots())
    for learner in (one, later):
        learner.step(batch, step=1, lr=0.1)
    assert (one.outputs(batch.inputs)["logits"] == later.outputs(batch.inputs)["logits"]).all()
