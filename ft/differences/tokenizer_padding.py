"""A tokenizer.json holds the padding and truncation that it was saved with; some programs apply them."""

from collections.abc import Iterator, Sequence

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.tokens import ids_of, texts_of


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether both sides have the same texts, padded to other lengths or cut at other places."""
    for row in evidence.verdict.rows:
        if row.phase == "batch" and row.differs and row.name in ("ids", "input_ids"):
            batches = [trace.arrays(row.step, "batch") for trace in evidence.traces]
            (ids_a, ids_b), (texts_a, texts_b) = map(ids_of, batches), map(texts_of, batches)
            if ids_a is None or ids_b is None or not texts_a or not texts_b or not alike(texts_a, texts_b):
                continue
            words = [in_words(ids, texts) for ids, texts in ((ids_a, texts_a), (ids_b, texts_b))]
            detail = "; ".join(f"{trace.label}: {each}" for trace, each in zip(evidence.traces, words, strict=True))
            if words[0] != words[1]:
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


def alike(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    """Tell whether texts are the same but for the end of long ones; a cut text may keep its last token."""
    if len(one) != len(other):
        return False
    pairs = [sorted(pair, key=len) for pair in zip(one, other, strict=True)]
    return all(np.array_equal(short[: cut(short, long)], long[: cut(short, long)]) for short, long in pairs)


def cut(short: np.ndarray, long: np.ndarray) -> int:
    """Return how many tokens of two texts must be the same."""
    return len(short) - (len(short) < len(long))


def in_words(ids: np.ndarray, texts: Sequence[np.ndarray]) -> str:
    """Return how far texts are padded, and how long they are."""
    return f"{ids.shape[1]} places for texts of {min(map(len, texts))} to {max(map(len, texts))} tokens"


ENTRY = Entry(
    name="tokenizer-padding",
    title="A tokenizer's stored padding: texts of one length, or their own",
    torch="transformers sets padding and truncation anew at every call, so what tokenizer.json stores does not show",
    tf="the library tokenizers, by itself, applies what the file stores: sentence encoders pad every text to 128 and "
    "cut what is longer",
    why="the file is the state of the object that was saved, its last settings included; graphs of one shape were glad "
    "of them",
    shows="long texts lose their end; a mean over all places counts padding, and every step costs as much as the "
    "longest possible text",
    mend_torch="tokenizer(texts, padding='longest', truncation=True, max_length=n), and the mask in every mean",
    mend_tf="tokenizer.no_padding() and tokenizer.no_truncation() before it is used, and the mask in every mean",
    probe=probe,
)
