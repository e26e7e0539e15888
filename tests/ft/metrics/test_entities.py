"""Which words make an entity, and how well entities agree: against seqeval; tokens against scikit-learn."""

import warnings

import numpy as np
import pytest
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support
from sklearn.metrics import accuracy_score, log_loss

from ft.metrics.entities import EntityCounts, entities_of
from ft.metrics.tokens import TokenCounts
from ft.tasks.token_classification import TAGGING

RNG = np.random.default_rng(0)
BIO = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER", "B-A-B", "I-A-B"]
BIOES = [*BIO, "E-LOC", "S-LOC", "E-PER", "S-PER"]


def texts(tags, count=400):
    return [RNG.choice(tags, RNG.integers(1, 9)).tolist() for _ in range(count)]


def nearly(truth, tags):
    return [[RNG.choice(tags) if RNG.random() < 0.3 else str(tag) for tag in own] for own in truth]


@pytest.mark.parametrize("tags", [BIO, BIOES], ids=["BIO", "BIOES"])
def test_entities_and_scores_are_seqevals(tags):
    truth = texts(tags)
    said, counts = nearly(truth, tags), EntityCounts()
    for own, other in zip(truth, said, strict=True):
        assert entities_of(own) == get_entities(own)
        counts.update(own, other)
    theirs = [score(truth, said) for score in (precision_score, recall_score, f1_score)]
    np.testing.assert_allclose(counts.overall, theirs, rtol=3e-16)
    scores = counts.by_kind
    theirs = precision_recall_fscore_support(truth, said, average=None)
    assert counts.kinds == ["A-B", "LOC", "PER"]
    for ours, expected in zip((scores.precision, scores.recall, scores.f1, scores.support), theirs, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=3e-16)


def test_nothing_found_counts_as_0():
    counts = EntityCounts()
    counts.update(["B-LOC", "O"], ["O", "O"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert counts.overall == (0, 0, f1_score([["B-LOC", "O"]], [["O", "O"]]))


def test_tags_of_no_scheme_are_entities_of_one_word():
    assert entities_of(["NOUN", "NOUN", "B", "O"]) == [("NOUN", 0, 0), ("NOUN", 1, 1), ("B", 2, 2)]


def test_a_meter_looks_at_the_first_token_of_each_word():
    labels = np.array([[-100, 1, -100, 2, 0, -100], [-100, -100, 3, 4, 4, 0]])
    logits = RNG.normal(size=(2, 6, len(BIO))).astype(np.float32)
    meter, other = TAGGING.meter(BIO), TAGGING.meter(BIO)
    meter.update({"logits": logits[:1]}, {"tokens": labels[:1]})
    other.update({"logits": logits[1:]}, {"tokens": labels[1:]})
    meter.merge(other)
    counted, said = labels >= 0, logits.argmax(-1)
    truth, tags = ([[BIO[k] for k in row[c]] for row, c in zip(x, counted, strict=True)] for x in (labels, said))
    p = np.exp(logits[counted].astype(np.float64))
    assert meter.count == 2
    assert meter.result() == pytest.approx(
        {
            "f1": f1_score(truth, tags),
            "precision": precision_score(truth, tags),
            "recall": recall_score(truth, tags),
            "token_accuracy": accuracy_score(labels[counted], said[counted]),
            "loss": log_loss(labels[counted], p / p.sum(1, keepdims=True), labels=range(len(BIO))),
        },
        rel=1e-13,
    )


def test_many_tokens_are_measured_a_few_at_a_time():
    logits, labels = RNG.normal(size=(700, 5)), RNG.integers(0, 5, 700)
    whole, p = TokenCounts(), np.exp(logits)
    whole.update(logits, labels)
    assert whole.loss == pytest.approx(log_loss(labels, p / p.sum(1, keepdims=True)), rel=1e-13)
    assert whole.accuracy == (logits.argmax(1) == labels).mean()
