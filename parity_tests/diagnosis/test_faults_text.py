"""Faults of texts are named: another token stands for a text, and what a tokenizer's file stores of padding."""

from unittest.mock import patch

import numpy as np
import pytest

from ft.backend import contract as backend
from ft.differences import Evidence, diagnose
from ft.parity.trace import Trace, TraceBatch, write_trace
from ft.parity.verdict import compare_traces
from ft.recipe import Recipe
from ft.training.build import build_learner
from ft.training.job import prepare_job
from ft_tf.layers import PoolTokens
from ft_torch.models.text import network
from parity_tests.support.text_runs import FIELDS, table, tiny_folder

pytestmark = pytest.mark.usefixtures("eager")


def examine(folder, architecture, **feed):
    """Trace a step in both wings; feed: what changes the inputs of one. Return the verdict and what explains it."""
    made = {"model": tiny_folder(folder / "net", architecture), "data": table(folder / "d.csv", rows=16)}
    recipe, traces = Recipe(**{**FIELDS, **made, "batch_size": 4}), []
    for name in ("torch", "tf"):
        job, wing = prepare_job(recipe, quiet=True), backend.load(name)
        learner, _ = build_learner(job, wing, device=wing.prepare(device="cpu", deterministic=True))
        batch = next(iter(job.batches("train").epoch(0)))
        inputs = feed.get(name, dict)(batch.inputs.arrays)
        facts = {"backend": name, "dtype": "float64", "recipe": {}, "data": "drawn", "classes": ["a", "b"]}
        given = [TraceBatch(inputs, batch.targets, np.float64(1e-3))]
        write_trace(folder / name, learner, wing, given, facts, update=True)
        traces.append(Trace(folder / name))
    verdict = compare_traces(*traces)
    return verdict, diagnose(Evidence(*traces, verdict))


@pytest.mark.parametrize("wing", ["torch", pytest.param("tf", marks=pytest.mark.slow)])
def test_another_token_stands_for_a_text(wing, tmp_path):
    places = {
        "torch": patch.object(network, "pool_tokens", lambda tokens, mask, kind: tokens[:, -1]),
        "tf": patch.object(PoolTokens, "call", lambda self, tokens, present: tokens[:, -1]),
    }
    with places[wing]:
        verdict, findings = examine(tmp_path, "gpt2")
    assert verdict.first is not None
    assert [finding.entry for finding in findings] == ["last-token"]
    assert (findings[0].phase, findings[0].name) == (verdict.first.phase, verdict.first.name) == ("inference", "score")
    assert f"{wing}: the last place, padding or not" in findings[0].detail


def test_texts_padded_further_on_one_side(tmp_path):
    def longer(inputs):
        return {name: np.pad(x, ((0, 0), (0, 3))) for name, x in inputs.items()}

    verdict, findings = examine(tmp_path, "bert", tf=longer)
    assert verdict.first is not None
    assert [finding.entry for finding in findings] == ["tokenizer-padding"]
    assert (findings[0].phase, findings[0].name) == ("batch", "ids")
    assert "places for texts of" in findings[0].detail


def test_nothing_planted_nothing_found(tmp_path):
    verdict, findings = examine(tmp_path, "gpt2")
    assert verdict.first is None
    assert not findings
