"""Penalties, mixed targets and the moving average in both wings: every step and fifty steps, then a resumed run."""

from dataclasses import replace

import numpy as np
import pytest

import ft
from ft.data import Batch, Mix
from ft.parity.arrays import ZERO, compare, require_equal
from ft.runs import checkpoint
from ft.system.signals import Interrupted
from ft.training.penalty import Terms
from parity_tests.runs.test_resume import interrupt_after
from parity_tests.support.one_step import require_equal_state, require_equal_step, train, train_both
from parity_tests.support.pairs import CLASSES, STEP, TRAJECTORY, batch, digits_folder
from parity_tests.support.small_pair import small_learners

PENALTIES = {
    "l2": {"l2": 0.02},
    "l1": {"l1": 0.003},
    "elastic": {"l2": 0.02, "l1": 0.003, "penalty_exempt": "norms-and-biases"},
    "l2sp": {"l2sp": 0.05, "l2sp_head": 0.01},
}
SOFT = {"mixup": 0.4, "cutmix": 1.0, "label_smoothing": 0.1}
AVERAGED = {"ema": 0.95}
LR = np.float64(0.002)


def small_pair(**fields):
    """Return the small network's learners; its recipe says that its weights come from a file, for L2-SP's sake."""
    return small_learners(weights="imagenet", **fields)


def mixed_batch(seed):
    """Return a batch of the small pair as mixup or cutmix leave it."""
    plain, mix = batch(seed, size=32), Mix(SOFT["mixup"], SOFT["cutmix"], CLASSES, seed=0)
    images, targets = mix.apply(plain.inputs, plain.targets, epoch=0, number=seed)
    return Batch.of(images, **targets)


@pytest.mark.parametrize("fields", [*PENALTIES.values(), SOFT, {**PENALTIES["l2sp"], **SOFT, **AVERAGED}], ids=str)
def test_one_step_from_a_common_state(fields, eager):
    pair = small_pair(**fields)
    inputs = mixed_batch(1) if "mixup" in fields else batch(1, size=32)
    anchors = pair["torch"].get_weights()
    train_both(pair, [batch(0, size=32)], steps=1, lr=np.float64(0.05))  # leave the anchors and the first average
    slots = pair["torch"].get_slots()
    if "l2sp" in fields:
        np.testing.assert_array_equal(slots["conv.weight.anchor"], anchors["conv.weight"])
        assert "head.weight.anchor" not in slots
    require_equal_step(pair, inputs, number=3, updates=[3], lr=LR)


@pytest.mark.parametrize("fields", PENALTIES.values(), ids=str)
def test_the_penalty_is_in_loss_and_gradients(fields, eager):
    """Against the same learner without: the difference is R and its gradient, in NumPy."""
    with_r, without = small_pair(**fields), small_pair()
    for name in with_r:
        start = without[name].get_weights()
        moved = {key: x + 0.1 if x.dtype == np.float64 else x for key, x in start.items()}
        without[name].set_weights(moved)
        slots = with_r[name].get_slots()
        with_r[name].set_weights(moved)
        with_r[name].set_slots(slots)
        results = [learner[name].gradients(batch(0, size=32), step=0) for learner in (with_r, without)]
        added, expected = results[0][0] - results[1][0], 0.0
        for key, g in results[0][2].items():
            if "penalty_exempt" in fields and g.ndim == 1:
                np.testing.assert_array_equal(g, results[1][2][key])
                continue
            w, head = moved[key], key.startswith("head")
            l2 = fields.get("l2", 0) + (fields.get("l2sp_head", 0) if head else 0)
            l1, sp = fields.get("l1", 0), 0 if head else fields.get("l2sp", 0)
            expected += l2 / 2 * (w**2).sum() + l1 * np.abs(w).sum() + sp / 2 * ((w - start[key]) ** 2).sum()
            by_hand = l2 * w + l1 * np.sign(w) + sp * (w - start[key])
            np.testing.assert_allclose(g - results[1][2][key], by_hand, rtol=1e-9, atol=1e-12, err_msg=key)
        assert added == pytest.approx(expected, rel=1e-10)


def test_fifty_steps(capsys):
    """Everything at once: L2-SP, L1, mixed targets with smoothing, the moving average, momentum, dropout."""
    fields = {**PENALTIES["l2sp"], "l1": 0.0005, **SOFT, **AVERAGED}
    pair = small_pair(**fields)
    start = pair["torch"].get_weights()
    train_both(pair, [mixed_batch(seed) for seed in range(4)], steps=50, lr=LR)
    apart, averages = require_equal_state(pair, bar=TRAJECTORY)
    weights = pair["torch"].get_weights()
    assert compare(start, weights, bar=0).largest > 1e-3, "nothing was trained"
    with pair["torch"].averaged(), pair["tf"].averaged():
        shown = [p.get_weights() for p in pair.values()]
    require_equal(*shown, bar=TRAJECTORY, what="averaged weights")
    assert compare(shown[0], weights, bar=0).largest > 1e-4
    with capsys.disabled():
        print(f" weights {apart.largest:.1e}, slots {averages.largest:.1e}", end="")


@pytest.mark.parametrize("fault", ["factor", "anchor", "decay", "lambda"])
def test_planted_faults_are_seen(fault, eager):
    fields = {**PENALTIES["l2sp"], **SOFT, **AVERAGED}
    pair = small_pair(**fields)
    given = other = mixed_batch(0)
    if fault == "factor":  # lambda |w|^2 instead of lambda / 2 |w|^2
        pair["tf"].penalty.terms = {n: Terms(l2=2 * t.l2) for n, t in pair["tf"].penalty.terms.items()}
    elif fault == "anchor":  # w0 = 0: plain L2
        for anchor in pair["tf"].penalty.anchors.values():
            anchor.assign(0 * anchor)
    elif fault == "decay":
        pair["tf"].average.warmup = False
    else:
        shares = given.targets["shares"]
        other = replace(given, targets={"shares": 0.99 * shares + 0.01 * np.roll(shares, 1, axis=0)})
    for name, examples in (("torch", given), ("tf", other)):
        train(pair[name], [(0, examples)], lr=LR)
    states = [{**p.get_weights(), **p.get_slots()} for p in pair.values()]
    with pytest.raises(AssertionError, match="state differ"):
        require_equal(*states, bar=STEP, zero=ZERO, what="state")


RECIPE = {
    "model": "efficientnet_lite0",
    "image_size": 32,
    "freeze": "stem,stage1,stage2,stage3,stage4,stage5,stage6",
    "augment": "crop-flip",
    "randaugment": "1x5",
    "jitter": 0.2,
    "erase": 0.2,
    "mixup": 0.3,
    "cutmix": 1.0,
    "l2sp": 0.01,
    "l2sp_head": 0.001,
    "ema": 0.9,
    "result": "ema",
    "precision": "float64",
    "batch_size": 16,
    "epochs": 2,
    "seed": 5,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of a few digits: four batches an epoch, the last one short."""
    return digits_folder(tmp_path_factory.mktemp("digits"), train=50, val=16)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The run that was never interrupted."""
    return ft.finetune(**RECIPE, data=data, backend="torch", out=tmp_path_factory.mktemp("whole"), quiet=True)


@pytest.mark.parametrize(("first", "second"), [("tf", "torch"), ("torch", "torch")])
@pytest.mark.slow
def test_a_regularised_run_goes_on_where_it_stopped(first, second, data, whole, tmp_path, monkeypatch):
    interrupt_after(2, monkeypatch)
    with pytest.raises(Interrupted):
        ft.finetune(**RECIPE, data=data, backend=first, out=tmp_path, quiet=True)
    monkeypatch.undo()
    run = ft.finetune(resume=tmp_path, backend=second, quiet=True)
    bar = 0 if first == second else STEP
    states = [checkpoint.load(checkpoint.pointed(r.folder, "last")) for r in (whole, run)]
    require_equal(*(state.model for state in states), bar=bar, what="weights and statistics")
    require_equal(*(state.optimizer for state in states), bar=bar, zero=ZERO, what="momentum, anchors, averages")
    results = [ft.weights.read_weights(r.folder / "model.safetensors") for r in (whole, run)]
    require_equal(*results, bar=bar, what="averaged weights")
    assert compare(results[0], states[0].model, bar=0).largest > 1e-4
