"""Small strangers of every kind, drawn from a seed, each with one fault: it is named, where it is, alone."""

import os
import shutil
from collections import Counter
from copy import deepcopy

import numpy as np
import pytest

from parity_tests.support import foreign_models as models
from parity_tests.support.foreign_faults import Planted, altered, planted
from parity_tests.support.foreign_models import KINDS, Model
from parity_tests.support.foreign_pairs import outcome

NAMED, MISLED = 0.92, 0.01  # of all faults: named where they are, at least; a wrong cause as certain, at most
DRAWS = 4  # of each kind of model
SEED = int(os.environ.get("FT_SEED", "0"))
SHARP = (  # kind of model, and the words of a fault that no layer's name tells
    (models.image_classifier, "flattened in another order"),
    (models.branched_net, "joined in another order"),
    (models.segmentation, "pixel shuffle"),
    (models.transformer, "axis"),
    (models.recurrent, "hard sigmoid"),
    (models.residual_net, "dropped residual"),
    (models.tabular, "in float32"),
    (models.two_inputs, "regulariser"),
    (models.post_norm, "norm before"),
    (models.masked, "mask lost"),
)


def drawn(kind, seed: int) -> tuple[Model, list[Planted]]:
    """Return a model and all faults that it can have."""
    rng = np.random.default_rng([SEED, seed, KINDS.index(kind)])
    model = kind(rng)
    return model, [*planted(model, rng), *altered(model, rng)]


@pytest.mark.parametrize(("kind", "words"), SHARP, ids=lambda value: getattr(value, "__name__", value))
def test_a_planted_fault_is_named_and_nothing_else(kind, words, tmp_path):
    model, faults = drawn(kind, 0)
    fault = next(fault for fault in faults if fault.words.endswith(words))
    result = outcome(model, tmp_path, fault)
    assert result.names(fault), (fault, result.findings, result.differing[:3])
    assert not result.misleads(fault), result.findings


@pytest.mark.parametrize("kind", [models.transformer, models.segmentation], ids=lambda kind: kind.__name__)
def test_without_a_fault_both_are_equal_and_all_was_compared(kind, tmp_path):
    result = outcome(drawn(kind, 0)[0], tmp_path)
    assert not result.differing
    assert not result.findings
    compared = next(note for note in result.notes if note.startswith("operations compared"))
    assert all(share.split()[1] == share.split()[3] for share in compared.partition(": ")[2].split(", ")), compared


@pytest.mark.parametrize(("attend", "width"), [("mha", 8), ("mha", 32), ("attention", 8)])
def test_a_scale_of_attention_that_keras_rounds_to_float32_is_named_with_both_numbers(attend, width, tmp_path):
    options = {"channels": 2 * width, "heads": 2}
    layers = [("residual", {"layers": [(attend, options)]}), ("global", {"how": "mean"}), models.dense(2 * width, 3)]
    fault = deepcopy(layers)
    fault[0][1]["layers"][0] = ("mha", options)  # Keras's own layer, whatever PyTorch's model has
    model = Model("attention", layers, f"x:float:5x{2 * width}", 0)
    (finding,) = outcome(model, tmp_path, Planted("", "tf", "", "", fault)).findings
    exact, rounded = width**-0.5, float(np.float32(width**-0.5))
    assert (finding.entry, finding.certain) == ("attention" if attend == "mha" else "combination", True)
    assert finding.name == "steps.0.part.steps.0" + ".part" * (attend == "mha")
    torch, tf = finding.detail.partition("; at ")[0].split("; tf: ")
    assert f"{exact:.15g}" in torch
    assert f"{rounded!r} (rounded to float32)" in tf


@pytest.mark.slow
def test_planted_faults_of_every_kind(tmp_path, say):
    """The breadth: every kind of model drawn several times, every third fault of each, and each without a fault."""
    tally: Counter[str] = Counter()
    lines = []
    for kind in KINDS:
        for seed in range(DRAWS):
            model, faults = drawn(kind, seed)
            clean = outcome(model, tmp_path / "out")
            tally["clean"] += 1
            if clean.differing or clean.findings:
                tally["false alarms"] += 1
                lines.append(f"    {model.kind} {seed}, no fault: {clean.findings[:3]}, {clean.differing[:3]}")
            for fault in faults[seed % 3 :: 3]:
                shutil.rmtree(tmp_path / "out")
                result = outcome(model, tmp_path / "out", fault)
                named, misled = result.names(fault), result.misleads(fault)
                tally += Counter(planted=1, named=named, misled=misled, equal=not result.differing)
                if not named or misled:
                    told = [(f.entry, f.name, f.certain, f.detail) for f in result.findings[:3]]
                    told = told or [f"{row.place}: {row.fault or row.relative}" for row in result.differing[:4]]
                    lines.append(f"    {model.kind} {seed}, {fault.side} {fault.place}, {fault.words}: {told}")
            shutil.rmtree(tmp_path / "out")
    say("\n".join([f"planted, seed {SEED}: {dict(tally)}", *lines]))
    assert tally["false alarms"] == 0
    assert tally["equal"] == 0
    assert tally["named"] >= NAMED * tally["planted"]
    assert tally["misled"] <= MISLED * tally["planted"]
