"""Each optimizer against torch.optim, LARS against its formula: 50 steps in float64, a learning rate that changes."""

import numpy as np
import pytest
import torch

from ft.recipe import Recipe
from ft.recipe.optimizer import RULES
from ft_torch import SGD, Adam, clip_gradients, make_optimizer, optim
from ft_torch.optim import total_norm

SHAPES = {"a.weight": (3, 4), "a.bias": (5,)}
RATES = 0.1 * 0.9 ** np.arange(50)
FORMS = [
    {"momentum": m, "nesterov": n, "weight_decay": d}
    for m, n in ((0.0, False), (0.9, False), (0.9, True))
    for d in (0.0, 0.01)
]


def start(seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in SHAPES.items()}


def gradients(step):
    return start(1000 + step)


def tensors(arrays):
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def ours(rates, **form):
    """Return the parameters after a training."""
    optimizer = SGD(tensors(start()), **form)
    for step, lr in enumerate(rates):
        optimizer.update(tensors(gradients(step)), float(lr))
    return {name: w.numpy() for name, w in optimizer.parameters.items()}


def theirs(rates, **form):
    parameters = tensors(start())
    optimizer = torch.optim.SGD(parameters.values(), lr=1.0, **form)
    for step, lr in enumerate(rates):
        optimizer.param_groups[0]["lr"] = float(lr)
        for name, g in tensors(gradients(step)).items():
            parameters[name].grad = g
        optimizer.step()
    return {name: w.numpy() for name, w in parameters.items()}


@pytest.mark.parametrize("form", FORMS)
def test_fifty_steps_are_torchs(form):
    a, b = ours(RATES, **form), theirs(RATES, **form)
    for name in SHAPES:
        assert np.abs(a[name] - b[name]).max() < 1e-13 * np.abs(b[name]).max()


def test_what_is_returned_was_subtracted():
    optimizer = SGD(tensors(start()), momentum=0.9, nesterov=True, weight_decay=0.01)
    for step in range(3):
        before = {name: w.clone() for name, w in optimizer.parameters.items()}
        changes = optimizer.update(tensors(gradients(step)), 0.1)
        for (name, w), change in zip(optimizer.parameters.items(), changes, strict=True):
            np.testing.assert_array_equal(w.numpy(), (before[name] - change).numpy())


@pytest.mark.parametrize("nesterov", [False, True])
def test_slots_carry_a_training_on(nesterov):
    form = {"momentum": 0.9, "nesterov": nesterov, "weight_decay": 0.01}
    first = SGD(tensors(start()), **form)
    for step in range(5):
        first.update(tensors(gradients(step)), 0.1)
    second = SGD({name: w.clone() for name, w in first.parameters.items()}, **form)
    slots = first.get_slots()
    assert list(slots) == ["a.weight.momentum_buffer", "a.bias.momentum_buffer"]
    second.set_slots(slots)
    for optimizer in (first, second):
        optimizer.update(tensors(gradients(5)), 0.1)
    for name in SHAPES:
        np.testing.assert_array_equal(first.parameters[name].numpy(), second.parameters[name].numpy())


def test_slots_are_copies_and_none_may_lack():
    optimizer = SGD(tensors(start()), momentum=0.9, nesterov=False, weight_decay=0.0)
    slots = optimizer.get_slots()
    optimizer.update(tensors(gradients(0)), 0.1)
    assert not any(slot.any() for slot in slots.values())
    del slots["a.bias.momentum_buffer"]
    with pytest.raises(KeyError, match=r"a\.bias\.momentum_buffer"):
        optimizer.set_slots(slots)


def test_without_momentum_there_are_no_slots():
    assert SGD(tensors(start()), momentum=0.0, nesterov=False, weight_decay=0.1).get_slots() == {}


# ---- the other formulas

OTHERS = [
    ("sgd", {"dampening": 0.3, "weight_decay": 0.01}),
    ("adam", {}),
    ("adam", {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("adamw", {}),
    ("adamw", {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.2}),
    ("rmsprop", {}),
    ("rmsprop", {"alpha": 0.9, "eps": 1e-3, "momentum": 0.8, "centered": True, "weight_decay": 0.1}),
    ("rmsprop", {"momentum": 0.5}),
    ("adagrad", {}),
    ("adagrad", {"lr_decay": 0.1, "initial_accumulator": 0.2, "eps": 1e-3, "weight_decay": 0.1}),
]
THEIRS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}
WORDS = {"initial_accumulator": "initial_accumulator_value"}


def make(name, *, rates=None, parameters=None, **fields):
    return make_optimizer(parameters or tensors(start()), recipe=Recipe(optimizer=name, **fields), rates=rates or {})


def train(optimizer, steps=range(50)):
    for step in steps:
        optimizer.update(tensors(gradients(step)), float(RATES[step]))
    return {name: w.numpy() for name, w in optimizer.parameters.items()}


def require_close(a, b):
    for name in SHAPES:
        assert np.abs(a[name] - b[name]).max() < 1e-13 * np.abs(b[name]).max()


@pytest.mark.parametrize(("name", "fields"), OTHERS, ids=str)
def test_fifty_steps_of_the_others_are_torchs(name, fields):
    momentum = {"momentum": 0.9} if name == "sgd" else {}
    form = {WORDS.get(field, field): value for field, value in fields.items()}
    parameters = tensors(start())
    optimizer = THEIRS[name](parameters.values(), lr=1.0, **momentum, **form)
    for step, lr in enumerate(RATES):
        optimizer.param_groups[0]["lr"] = float(lr)
        for key, g in tensors(gradients(step)).items():
            parameters[key].grad = g
        optimizer.step()
    require_close(train(make(name, **fields)), {key: w.numpy() for key, w in parameters.items()})


def test_the_defaults_are_torchs():
    for name, make_theirs in THEIRS.items():
        theirs = make_theirs([torch.zeros(1)], lr=1.0).defaults
        numbers = {
            WORDS.get(field, field): value for field, value in RULES[name].numbers.items() if field != "momentum"
        }
        assert numbers == {field: theirs[field] for field in numbers}


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_lars_is_its_formula(decay):
    fields = {"momentum": 0.8, "trust": 0.01, "eps": 1e-6, "weight_decay": decay}
    w, buffer = start(), dict.fromkeys(SHAPES, 0.0)
    for step, lr in enumerate(RATES):
        for name, g in gradients(step).items():
            size, slope = np.linalg.norm(w[name]), np.linalg.norm(g)
            ratio = 0.01 * size / (slope + decay * size + 1e-6) if name == "a.weight" else 1.0
            buffer[name] = 0.8 * buffer[name] + ratio * (g + decay * w[name])
            w[name] -= lr * buffer[name]
    require_close(train(make("lars", **fields)), w)


def test_lars_leaves_the_ratio_out_where_a_norm_is_zero():
    zero = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in SHAPES.items()}
    optimizer = make("lars", parameters=zero, momentum=0.0)
    changes = optimizer.update(tensors(gradients(0)), 0.1)
    np.testing.assert_allclose(changes[0].numpy(), 0.1 * gradients(0)["a.weight"])


@pytest.mark.parametrize("name", RULES)
def test_factors_and_exempt_vectors_are_torchs_groups(name):
    """A factor of the rate and no decay for the bias: as two parameter groups of torch.optim."""
    fields = {"weight_decay": 0.1, "decay_exempt": "norms-and-biases"}
    a = train(make(name, **fields, rates={"a.bias": 0.25}))
    if name == "lars":
        weight, bias = make(name, weight_decay=0.1), make(name, weight_decay=0.0)
        expected = {"a.weight": train(weight)["a.weight"]}
        for step, lr in enumerate(RATES):
            bias.update(tensors(gradients(step)), float(lr) * 0.25)
        require_close(a, expected | {"a.bias": bias.parameters["a.bias"].numpy()})
        return
    w, momentum = tensors(start()), {"momentum": 0.9} if name == "sgd" else {}
    groups = [{"params": [w["a.weight"]], "weight_decay": 0.1}, {"params": [w["a.bias"]], "weight_decay": 0.0}]
    optimizer = THEIRS[name](groups, lr=1.0, **momentum)
    for step, lr in enumerate(RATES):
        for group, factor in zip(optimizer.param_groups, (1.0, 0.25), strict=True):
            group["lr"] = float(lr) * factor
        for key, g in tensors(gradients(step)).items():
            w[key].grad = g
        optimizer.step()
    require_close(a, {key: x.numpy() for key, x in w.items()})


@pytest.mark.parametrize(("name", "fields"), [*OTHERS, ("lars", {})], ids=str)
def test_every_slot_carries_a_training_on(name, fields):
    first = make(name, **fields)
    train(first, range(5))
    second = make(name, **fields, parameters={key: w.clone() for key, w in first.parameters.items()})
    second.set_slots(first.get_slots())
    a, b = (train(optimizer, range(5, 8)) for optimizer in (first, second))
    for key in SHAPES:
        np.testing.assert_array_equal(a[key], b[key])
    for key, slot in first.get_slots().items():
        assert slot.shape == (() if key.endswith(".step") else SHAPES[key.rpartition(".")[0]])


def test_what_adamw_returns_was_subtracted():
    optimizer = make("adamw", weight_decay=0.3)
    before = {name: w.clone() for name, w in optimizer.parameters.items()}
    changes = optimizer.update(tensors(gradients(0)), 0.1)
    for (name, w), change in zip(optimizer.parameters.items(), changes, strict=True):
        np.testing.assert_array_equal(w.numpy(), (before[name] - change).numpy())


@pytest.mark.parametrize("limit", [0.5, 1e6])
def test_clipping_is_torchs(limit):
    for ours, theirs in (
        ({"norm": limit}, torch.nn.utils.clip_grad_norm_),
        ({"value": limit}, torch.nn.utils.clip_grad_value_),
    ):
        given, parameters = tensors(gradients(0)), tensors(start())
        for name, w in parameters.items():
            w.grad = given[name].clone()
        theirs(parameters.values(), limit)
        clipped = clip_gradients(given, **ours)
        for name, w in parameters.items():
            assert w.grad is not None
            np.testing.assert_allclose(clipped[name].numpy(), w.grad.numpy(), rtol=1e-15)
    assert clip_gradients(given) is given


def test_the_reference_can_fail():
    """eps inside of the bias correction, as in the paper's other form, is another optimizer by far."""
    a, b = train(make("adam", eps=1e-3)), train(make("adam", eps=1.01e-3))
    with pytest.raises(AssertionError):
        require_close(a, b)
    assert isinstance(make("adamw"), Adam)


@pytest.mark.parametrize(
    ("name", "piece", "layouts"),
    [("rmsprop", 17, (0, 0)), ("rmsprop", 17, (1, 1)), ("rmsprop", 17, (0, 1)), ("adamw", 16, (0, 0))],
    ids=["as they are", "channels last", "unlike", "by a kernel"],
)
def test_pieces_change_no_bit(name, piece, layouts, monkeypatch):
    formats = [torch.contiguous_format, torch.channels_last]
    rng, shape, after = np.random.default_rng(0), (5, 7, 3, 2), []
    arrays = [torch.from_numpy(rng.normal(size=shape)) for _ in range(4)]
    monkeypatch.setattr(optim, "PIECE", piece)
    for in_pieces in (False, True):
        monkeypatch.setattr(optim.Optimizer, "by_element", in_pieces)
        w = arrays[0].clone(memory_format=formats[layouts[0]])
        optimizer = make_optimizer({"w": w}, recipe=Recipe(optimizer=name, weight_decay=0.1), rates={})
        changes = [optimizer.update({"w": g.contiguous(memory_format=formats[layouts[1]])}, 0.1)[0] for g in arrays[1:]]
        after.append([w, *changes, *map(torch.from_numpy, optimizer.get_slots().values())])
    assert all(torch.equal(whole, pieces) for whole, pieces in zip(*after, strict=True))


@pytest.mark.parametrize("fields", [{}, {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}])
def test_the_kernel_is_the_formula(fields, monkeypatch):
    """Where elements do not lie together, and on a GPU, the formula is computed step by step."""
    by_kernel = train(make("adam", **fields))
    monkeypatch.setattr(optim, "adam_kernel", lambda *given, **numbers: pytest.fail("the kernel was asked"))
    monkeypatch.setattr(torch.Tensor, "is_contiguous", lambda *_, **__: False)
    require_close(by_kernel, train(make("adam", **fields)))


def test_the_kernel_takes_no_layouts_that_differ():
    arrays, after = [torch.from_numpy(np.random.default_rng(i).normal(size=(5, 7, 3, 2))) for i in range(2)], []
    for layout in (torch.contiguous_format, torch.channels_last):
        w = arrays[0].clone(memory_format=layout)
        make("adamw", parameters={"w": w}).update({"w": arrays[1]}, 0.1)
        after.append({"w": w})
    assert (after[0]["w"] - after[1]["w"]).abs().max() < 1e-13


def test_the_norm_of_many_numbers_is_exact():
    rng = np.random.default_rng(0)
    tensors = [torch.from_numpy(rng.normal(size=shape)).float() for shape in ((2000, 1100), (64, 3, 7, 7), (10,), ())]
    tensors[1] = tensors[1].to(memory_format=torch.channels_last)
    exact = sum(float(x.double().square().sum()) for x in tensors) ** 0.5
    assert abs(float(total_norm(tensors)) / exact - 1) < 2e-7
    assert abs(float(total_norm(tensors[2:])) / float(torch.cat([x.flatten() for x in tensors[2:]]).norm()) - 1) < 1e-6
