"""Targets of tokens: the label of a word on its first token, or the token that follows, wherever padding stands."""

import numpy as np
import pytest

from ft.data import Sample, Sampling
from ft.data.sources.text import Text
from ft.data.text.open import word_pieces
from ft.data.text.process import TextProcess
from ft.data.text.tokenizer import Tokenizer
from ft.tasks.language_model import LANGUAGE_MODEL
from ft.tasks.token_classification import TAGGING
from ft.training.texts import batches_for

VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##c", "##d")
NO = -100


def batches(task, samples, side="right", max_length=8):
    process = TextProcess(Tokenizer(word_pieces("\n".join(VOCABULARY), {})), max_length, 0, side, types=False)
    teach = task.teach(classes=9, dtype="float32")
    return batches_for(task)(samples, process, Sampling(2), teach=teach)


def given(task, samples, **options):
    (batch,) = batches(task, samples, **options).epoch(0)
    order = np.argsort(batch.indices)  # they come by length
    return batch.inputs.arrays["ids"][order].tolist(), batch.targets["tokens"][order].tolist()


TAGGED = [Sample("1", (7, 8, 6), Text(("acd", "b", "bd"))), Sample("2", (5,), Text(("b",)))]
PLAIN = [Sample("1", None, Text("a b")), Sample("2", None, Text("acd"))]


def test_the_first_token_of_a_word_bears_its_tag():
    assert given(TAGGING, TAGGED) == (
        [[2, 5, 7, 8, 6, 6, 8, 3], [2, 6, 3, 0, 0, 0, 0, 0]],
        [[NO, 7, NO, NO, 8, 6, NO, NO], [NO, 5, NO, NO, NO, NO, NO, NO]],
    )
    assert given(TAGGING, TAGGED, side="left")[1][1] == [NO, NO, NO, NO, NO, NO, 5, NO]
    ids, tags = given(TAGGING, TAGGED, max_length=5)  # two words are cut off, and their tags with them
    assert (ids[0], tags[0]) == ([2, 5, 7, 8, 3], [NO, 7, NO, NO, NO])


def test_texts_without_tags_show_which_tokens_are_told():
    asked = [Sample(sample.name, 0, sample.source) for sample in TAGGED]
    assert given(TAGGING, asked)[1] == [[NO, 0, NO, NO, 0, 0, NO, NO], [NO, 0, NO, NO, NO, NO, NO, NO]]


def test_a_line_is_tagged_by_its_words():
    """A sign at the end of a word is none of its own, as in data with tags; the tokenizer would split it off."""
    lines = [Sample("1", 0, Text(" a-b  b")), Sample("2", 0, Text("b"))]
    words = [Sample("1", 0, Text(("a-b", "b"))), Sample("2", 0, Text(("b",)))]
    assert given(TAGGING, lines) == given(TAGGING, words)
    assert [tag for tag in given(TAGGING, lines)[1][0] if tag != NO] == [0, 0]


def test_a_language_model_is_taught_the_next_token():
    ids, after = given(LANGUAGE_MODEL, PLAIN)
    assert ids == [[2, 5, 6, 3, 0, 0, 0, 0], [2, 5, 7, 8, 3, 0, 0, 0]]
    assert after == [[5, 6, 3, NO, NO, NO, NO, NO], [5, 7, 8, 3, NO, NO, NO, NO]]
    assert given(LANGUAGE_MODEL, PLAIN, side="left")[1] == [[NO] * 4 + [5, 6, 3, NO], [NO] * 3 + [5, 7, 8, 3, NO]]


@pytest.mark.parametrize(("task", "samples"), [(TAGGING, TAGGED), (LANGUAGE_MODEL, PLAIN)])
def test_shuffled_batches_hold_their_own_targets(task, samples):
    """Each text bears the targets that it has alone, in whatever order texts come."""
    many = [Sample(str(i), samples[i % 2].label, samples[i % 2].source) for i in range(9)]
    made = batches(task, many)
    alone = {i: given(task, [samples[i]])[1][0] for i in (0, 1)}
    shuffled = type(made)(many, made.preprocess, Sampling(2, shuffle=True), teach=made.teach)
    for batch in (*shuffled.epoch(0), *shuffled.in_order().epoch(0)):
        for index, own in zip(batch.indices, batch.targets["tokens"], strict=True):
            expected = np.array(alone[int(index) % 2])
            np.testing.assert_array_equal(own[own != NO], expected[expected != NO])
